-- dialect: sqlite
alter table courses add column organisation_id integer;
create index courses_of_organisation on courses (organisation_id, id) where organisation_id is not null;
-- dialect: postgres
alter table courses add column organisation_id bigint;
create index courses_of_organisation on courses (organisation_id, id) where organisation_id is not null;
