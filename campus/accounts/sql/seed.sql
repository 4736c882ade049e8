-- row: SeededUser campus/accounts/accounts.h

-- name: newest_user :one ()
-- column: id int
-- Primary key.
select coalesce(max(id), 0) as id from users

-- name: seed_users :many (users SeededUser(name text, email text, created_at timestamp)[], password_hash text) -> SeededId
-- The address tells whose id is whose. Index: users_by_email.
insert into users (name, email, password_hash, created_at)
select u.name, u.email, $password_hash, u.created_at from {rows users} as u where true
returning id, email

-- name: seed_sessions :exec (sessions (user_id UserId, token_hash text, created_at timestamp, expires_at timestamp)[])
insert into sessions (user_id, token_hash, created_at, expires_at) {values sessions}
