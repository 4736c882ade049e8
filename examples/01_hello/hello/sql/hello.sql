-- name: count_greeting :one (name text)
insert into greetings (name, times) values ($name, 1)
on conflict (name) do update set times = greetings.times + 1
returning times

-- name: most_greeted :many () -> Greeted
select name, times from greetings order by times desc, name limit 10
