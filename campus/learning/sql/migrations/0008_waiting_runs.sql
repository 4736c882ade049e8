-- Grading runs that wait for their time: one of a course. Those that nothing goes on with any more are found among them too
-- (grading_runs_long_running is of the release before, and goes a release later).
create unique index grading_runs_waiting on grading_runs (course_id) where state = 'waiting';
create index grading_runs_long_unended on grading_runs (started_at, id) where state in ('waiting', 'running');
