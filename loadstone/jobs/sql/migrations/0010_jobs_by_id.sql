-- Jobs that were put back stand under another place than their id: they are found by it. What a job gave to those behind it and
-- completed itself with outlives its process.
-- dialect: sqlite
create index loadstone_ready_put_back on loadstone_ready (job) where job is not null;
alter table loadstone_done add column result text;
-- dialect: postgres
create index loadstone_ready_put_back on loadstone_ready (job) where job is not null;
alter table loadstone_done add column result text;
