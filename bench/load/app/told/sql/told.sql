-- name: insert_told :one (course int, learner int, points int)
insert into bench_told (course, learner, points) values ($course, $learner, $points) returning id
