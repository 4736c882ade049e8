-- fragment: now
-- The database's clock, in microseconds since 1970.
-- dialect: sqlite
cast((julianday('now') - 2440587.5) * 86400000000.0 as integer)
-- dialect: postgres
(extract(epoch from statement_timestamp()) * 1000000)::bigint

-- name: lease
-- `remaining`: microseconds, below 0 when it has run out.
select holder, epoch, until - {now} as remaining from loadstone_fact_lease where id = 1

-- name: take_lease
-- For holder $1 and $3 microseconds, if nobody else has it; its epoch is $2 or above.
update loadstone_fact_lease set holder = $1, epoch = case when epoch >= $2 then epoch + 1 else $2 end, until = {now} + $3
where id = 1 and (holder = $1 or until < {now})

-- name: keep_lease
-- One row while epoch $1 is the last.
update loadstone_fact_lease set until = {now} + $2 where id = 1 and epoch = $1

-- name: leave_lease
update loadstone_fact_lease set until = 0 where id = 1 and epoch = $1
