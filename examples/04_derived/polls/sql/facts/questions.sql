-- name: votes_by_day :many (since timestamp) -> Day
-- Those with votes, oldest first.
-- column: day timestamp
-- dialect: duckdb
select date_trunc('day', happened_at)::timestamp as day, count(*) as votes, count(distinct poll) as polls
from votes where happened_at >= $since group by day order by day
-- dialect: clickhouse
select intDiv(happened_at, 86400000000) * 86400000000 as day, count() as votes, uniqExact(poll) as polls
from votes where happened_at >= $since group by day order by day

-- name: choices_by_votes :many -> Given
-- In all polls, those with most votes first.
select choice, votes, last_at from choices order by votes desc, choice limit 20
