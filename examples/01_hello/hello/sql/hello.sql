-- name: count_greeting
insert into greetings (name, times) values ($1, 1)
on conflict (name) do update set times = greetings.times + 1
returning times

-- name: most_greeted
select name, times from greetings order by times desc, name limit 10
