create index audit_events_of_user_by_time on audit_events (user_id, happened_at, id);
