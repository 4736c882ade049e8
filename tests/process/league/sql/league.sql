-- Leagues of teams of players: what views and aggregates are tested with, in processes that die. Writes differ in what they bind.

-- name: league_of :one (team int)
select league from teams where id = $team

-- name: move_team :exec (team int, league int)
update teams set league = $league where id = $team

-- name: player :maybe (id int) -> Place
select team, points from players where id = $id

-- name: insert_player :exec (id int, team int, points int)
insert into players (id, team, points) values ($id, $team, $points) on conflict (id) do nothing

-- name: set_points :exec (id int, team int, points int)
update players set points = $points where id = $id and team = $team

-- name: transfer :exec (id int, old_team int, new_team int)
update players set team = $new_team where id = $id and team = $old_team

-- name: remove_player :exec (id int)
-- Of which team cannot be told from it.
delete from players where id = $id

-- name: dissolve :exec (teams int[])
delete from players where team {in teams}

-- name: raise_team :exec (team int, points int)
update players set points = points + $points where team = $team

-- name: raise_some :exec (remainder int, points int)
-- Neither of which players nor of which teams can be told from it.
update players set points = points + $points where id % 16 = $remainder

-- name: call_up :exec (team int)
insert into players (id, team, points) select r.id, r.team, r.points from reserves as r where r.team = $team
on conflict (id) do nothing

-- name: end_transaction :one ()
-- The last of each: tells which one it was.
-- column: tx int
-- dialect: sqlite
insert into league_commits (position, tx) select coalesce(max(position), 0) + 1, coalesce(max(position), 0) + 1 from league_commits
returning tx
-- dialect: postgres
insert into league_ends (tx) values (pg_current_xact_id()::text::bigint) returning tx

-- name: last_commit :one ()
-- column: position int
select cast(coalesce(max(position), 0) as bigint) as position from league_commits

-- name: players_of_team :many (team int) -> Player
select id, points from players where team = $team order by id

-- name: places_of_player :many (id int) -> Place
select team, points from players where id = $id

-- name: teams_of_league :many (league int) -> TeamSum
-- column: team int
-- column: players int
-- column: points int
select t.id as team, count(p.id) as players, cast(coalesce(sum(p.points), 0) as bigint) as points
from teams as t left join players as p on p.team = t.id where t.league = $league group by t.id order by t.id

-- name: sum_of_all :one () -> Sum
-- column: points int
select count(*) as players, cast(coalesce(sum(points), 0) as bigint) as points from players

-- name: sums_of_teams :many (teams int[]) -> TeamSum
-- column: players int
-- column: points int
select team, count(*) as players, cast(sum(points) as bigint) as points from players where team {in teams} group by team order by team

-- name: figures_of_teams :many (first_team int, last_team int, teams_max int) -> Figures
-- column: players int
-- column: points int
-- column: best int?
-- column: worst int?
select t.id as team, t.league as league, count(p.id) as players, cast(coalesce(sum(p.points), 0) as bigint) as points,
    max(p.points) as best, min(p.points) as worst
from teams as t left join players as p on p.team = t.id
where t.id >= $first_team and t.id <= $last_team group by t.id, t.league order by t.id limit $teams_max
