-- PostgreSQL: places of limits that are given back are rows of their own, so that no record of an end waits for a claim.
-- dialect: sqlite
select 1;  -- nothing: SQLite has one writer
-- dialect: postgres
lock table loadstone_limits, loadstone_limit_states in access exclusive mode;
alter table loadstone_limit_states add column released_before bigint not null default 0;
create table loadstone_limit_releases (
    name text not null,
    xid bigint not null default (pg_current_xact_id()::text::bigint),
    places bigint not null
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
create index loadstone_limit_releases_by_name on loadstone_limit_releases (name, xid);
