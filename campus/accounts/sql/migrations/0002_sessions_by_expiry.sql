create index sessions_by_expiry on sessions (expires_at);
