-- name: insert_user
-- Index: users_by_email keeps addresses unique; they are stored normalised.
insert into users (name, email, password_hash, created_at) values ($1, $2, $3, $4) returning id

-- name: user_by_id
select id, name, email, created_at from users where id = $1

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
-- Index: sessions_of_user. $2: now.
delete from sessions where user_id = $1 and expires_at <= $2
