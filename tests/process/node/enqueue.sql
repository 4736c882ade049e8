-- What docs/guides/jobs_from_other_languages.md shows of SQL: Ada is welcomed by a job of each transaction.
begin;
with added as (
    insert into users (name, email, password_hash, created_at) values ('Ada', 'ada@psql.example', '', 0) returning id)
select loadstone.enqueue('accounts.SendWelcomeEmail', jsonb_build_object('user', id)) from added;
commit;
begin;
select loadstone.enqueue('accounts.SendWelcomeEmail', jsonb_build_object('user', id), '{"cause": "import"}')
from users where email like '%@psql.example';
commit;
