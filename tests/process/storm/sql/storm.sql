-- name: insert_expected
insert into storm_expected (request, kind, failures) values ($1, $2, $3) returning number

-- name: insert_effect
insert into storm_effects (number, job, process, batch, attempt) values ($1, $2, $3, $4, $5)
