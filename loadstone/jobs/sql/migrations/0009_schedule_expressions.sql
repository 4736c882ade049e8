-- What a schedule has fired by; empty: as of a release before, not known.
alter table loadstone_schedules add column expression text not null default '';
