-- name: insert_expected
insert into storm_expected (request, kind, failures, key) values ($1, $2, $3, $4) returning number

-- name: set_job
update storm_expected set job = $2 where number = $1

-- name: insert_effect
insert into storm_effects (number, job, process, batch, attempt) values ($1, $2, $3, $4, $5)
