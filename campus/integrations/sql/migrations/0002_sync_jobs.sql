-- Of a roster the job that reads it or did last, and the one that came to its end last; 0: none yet.
alter table rosters add column sync_job bigint not null default 0;
alter table rosters add column ended_job bigint not null default 0;
