-- id: UserId campus::accounts::UserTag
-- type: UserId users.id sessions.user_id
-- type: timestamp users.created_at sessions.created_at sessions.expires_at
-- row: Recipient campus/accounts/accounts.h
-- row: Person campus/accounts/accounts.h

-- name: insert_user :one (name text, email text, password_hash text, now timestamp)
-- Index: users_by_email keeps addresses unique; they are stored normalised.
insert into users (name, email, password_hash, created_at) values ($name, $email, $password_hash, $now) returning id

-- name: user_by_id :maybe (id UserId) -> User
select id, name, email, created_at from users where id = $id

-- name: recipient :maybe (id UserId) -> Recipient
select name, email from users where id = $id

-- name: people :many (ids UserId[]) -> Person
select id, name from users where id {in ids} order by id

-- name: credentials_by_email :maybe (email text) -> Credentials
-- Index: users_by_email.
select id, password_hash from users where email = $email

-- name: insert_session :exec (user UserId, token_hash text, now timestamp, expires_at timestamp)
insert into sessions (user_id, token_hash, created_at, expires_at) values ($user, $token_hash, $now, $expires_at)

-- name: live_session :maybe (token_hash text, now timestamp) -> LiveSession
-- Index: sessions_by_token.
select id, user_id from sessions where token_hash = $token_hash and expires_at > $now

-- name: delete_session :exec (id int)
delete from sessions where id = $id

-- name: delete_expired_sessions :exec (now timestamp)
-- A few for each one that begins, so that they cannot gather. Index: sessions_by_expiry.
-- dialect: sqlite
delete from sessions
where id in (select id from sessions where expires_at <= $now order by expires_at limit 20)
-- dialect: postgres
delete from sessions
where id = any (array(select id from sessions where expires_at <= $now order by expires_at limit 20
                      for update skip locked))

-- name: delete_surplus_sessions :exec (user UserId, kept int)
-- All but the newest of a user. Index: sessions_of_user.
delete from sessions
where user_id = $user
  and id in (select id from sessions where user_id = $user order by expires_at desc, id desc limit 1000 offset $kept)
