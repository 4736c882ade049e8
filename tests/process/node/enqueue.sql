-- What docs/guides/jobs_from_other_languages.md shows of SQL: Ada is welcomed by a job of each transaction.
begin;
insert into users (name, email, password_hash, created_at) values ('Ada', 'ada@psql.example', '', 0);
select loadstone.enqueue('accounts.SendWelcomeEmail', jsonb_build_object('user', lastval()));
commit;
begin;
select loadstone.enqueue('accounts.SendWelcomeEmail', jsonb_build_object('user', id), '{"cause": "import"}')
from users where email like '%@psql.example';
commit;
