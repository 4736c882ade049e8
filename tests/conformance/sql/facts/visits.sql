-- name: visit :one (number int) -> Seen
select number, page, "at", seconds from visits where number = $number

-- name: visit_if_any :maybe (number int) -> Seen
select number, page, "at", seconds from visits where number = $number

-- name: visits_of :many (numbers int[], since timestamp, least real?) -> Seen
select number, page, "at", seconds from visits
where number {in numbers} and "at" >= $since and ($least is null or seconds >= $least) order by number

-- name: visits_but :stream (numbers int[], page text) -> Seen
select number, page, "at", seconds from visits where number {not in numbers} and page = $page order by number

-- name: visits_by_weight :many (weights Weight(visit int, weight int)[])
-- column: weight int
-- dialect: duckdb
select number, weight from visits join {rows weights} as weights on visit = number order by weight
-- dialect: clickhouse
select number, weight from visits any inner join (select visit as number, weight from {rows weights}) using number
order by weight

-- name: visits_as_file :export (is_wanted bool, until timestamp)
select number, page, "at", seconds from visits where "at" < $until and $is_wanted order by number

-- name: pages_by_visits :many
select page, visits, last_at from pages order by page
