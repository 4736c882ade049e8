-- name: facts_behind
-- What has not been carried at the position $1 low, $2 high, $3 seq, whoever has committed it.
-- dialect: sqlite
select seq, form, body from loadstone_facts where seq > $3 and $1 <= $2 order by seq limit $4
-- dialect: postgres
select seq, form, body from loadstone_facts where xid >= $2 or (xid >= $1 and seq > $3) order by seq limit $4

-- name: ask_work
-- One row unless other work on the fact is not done yet.
insert into loadstone_fact_work (fact, kind, run, state, next_key, last_key, facts, reason, changed_at)
values ($1, $2, 1, 'waiting', 0, 0, 0, '', $3)
on conflict (fact) do update set kind = $2, run = loadstone_fact_work.run + 1, state = 'waiting', next_key = 0, last_key = 0,
    facts = 0, reason = '', changed_at = $3
where loadstone_fact_work.state in ('done', 'failed')

-- name: all_work
select fact, kind, run, state, next_key, last_key, facts, reason, changed_at from loadstone_fact_work order by fact

-- name: next_work
select fact, kind, run, state, next_key, last_key, facts, reason, changed_at from loadstone_fact_work
where state in ('waiting', 'running') order by fact limit 1

-- name: note_work
-- Of the run $2 of fact $1, if it has come to $3.
update loadstone_fact_work set state = $4, next_key = $5, last_key = $6, facts = facts + $7, reason = $8, changed_at = $9
where fact = $1 and run = $2 and next_key = $3

-- name: forget_days
delete from loadstone_fact_days where fact = $1

-- name: add_day
insert into loadstone_fact_days (fact, day, told, told_sum, stored, stored_sum) values ($1, $2, $3, $4, $5, $6)
on conflict (fact, day) do update set told = loadstone_fact_days.told + $3, told_sum = loadstone_fact_days.told_sum + $4,
    stored = loadstone_fact_days.stored + $5, stored_sum = loadstone_fact_days.stored_sum + $6

-- name: day_totals
select count(*) as days, coalesce(cast(sum(told) as bigint), 0) as told, coalesce(cast(sum(stored) as bigint), 0) as stored,
    count(case when told <> stored or told_sum <> stored_sum then 1 end) as differing
from loadstone_fact_days where fact = $1

-- name: differing_days
select day, told, stored from loadstone_fact_days where fact = $1 and (told <> stored or told_sum <> stored_sum)
order by day limit $2

-- name: drop_work
-- What runs ends here: a new run begins behind it.
update loadstone_fact_work set state = 'failed', reason = 'begun anew', changed_at = $2 where fact = $1
