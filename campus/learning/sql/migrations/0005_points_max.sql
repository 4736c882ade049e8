-- What the quiz has, with each attempt, so that a score is told by its own row (sql/back_fill.sql). Null of attempts before.
alter table quiz_attempts add column points_max bigint;
