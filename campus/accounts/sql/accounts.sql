-- name: insert_user
-- Index: users_by_email keeps addresses unique; they are stored normalised.
insert into users (name, email, password_hash, created_at) values ($1, $2, $3, $4) returning id

-- name: user_by_id
select id, name, email, created_at from users where id = $1

-- name: recipient
select name, email from users where id = $1

-- name: credentials_by_email
-- Index: users_by_email.
select id, password_hash from users where email = $1

-- name: insert_session
insert into sessions (user_id, token_hash, created_at, expires_at) values ($1, $2, $3, $4)

-- name: live_session
-- Index: sessions_by_token. $2: now.
select id, user_id from sessions where token_hash = $1 and expires_at > $2

-- name: delete_session
delete from sessions where id = $1

-- name: delete_expired_sessions
-- A few for each one that begins, so that they cannot gather. Index: sessions_by_expiry. $1: now.
-- dialect: sqlite
delete from sessions
where id in (select id from sessions where expires_at <= $1 order by expires_at limit 20)
-- dialect: postgres
delete from sessions
where id = any (array(select id from sessions where expires_at <= $1 order by expires_at limit 20
                      for update skip locked))

-- name: delete_surplus_sessions
-- All but the $2 newest of user $1. Index: sessions_of_user.
delete from sessions
where user_id = $1
  and id in (select id from sessions where user_id = $1 order by expires_at desc, id desc limit 1000 offset $2)
