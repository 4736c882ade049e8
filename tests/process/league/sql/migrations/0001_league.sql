-- dialect: sqlite
create table teams (
    id integer primary key,
    league bigint not null
);
create table players (
    id integer primary key,
    team bigint not null,
    points bigint not null
);
create table reserves (
    id integer primary key,
    team bigint not null,
    points bigint not null
);
-- Transactions in the order in which they show, and what each did to a row. Kept by triggers: what the program says that it did is
-- what is tested.
create table league_commits (
    position integer primary key,
    tx bigint not null
);
create table league_history (
    id integer primary key autoincrement,
    tx bigint not null,
    player bigint,
    team bigint,
    league bigint,
    points bigint
);
create trigger players_inserted after insert on players begin
    insert into league_history (tx, player, team, points)
    select coalesce(max(position), 0) + 1, new.id, new.team, new.points from league_commits;
end;
create trigger players_updated after update on players begin
    insert into league_history (tx, player, team, points)
    select coalesce(max(position), 0) + 1, new.id, new.team, new.points from league_commits;
end;
create trigger players_deleted after delete on players begin
    insert into league_history (tx, player) select coalesce(max(position), 0) + 1, old.id from league_commits;
end;
create trigger teams_updated after update on teams begin
    insert into league_history (tx, team, league)
    select coalesce(max(position), 0) + 1, new.id, new.league from league_commits;
end;
insert into teams (id, league) values (1, 1), (2, 2), (3, 3), (4, 1), (5, 2), (6, 3), (7, 1), (8, 2);
insert into reserves (id, team, points) values (101, 1, 11), (102, 1, 12), (103, 2, 13), (104, 2, 14), (105, 3, 15), (106, 3, 16),
    (107, 4, 17), (108, 4, 18), (109, 5, 19), (110, 5, 20), (111, 6, 21), (112, 6, 22), (113, 7, 23), (114, 7, 24), (115, 8, 25), (116, 8, 26);
-- dialect: postgres
create table teams (
    id bigint primary key,
    league bigint not null
);
create table players (
    id bigint primary key,
    team bigint not null,
    points bigint not null
);
create table reserves (
    id bigint primary key,
    team bigint not null,
    points bigint not null
);
-- Transactions in the order in which they show, and what each did to a row. Kept by triggers: what the program says that it did is
-- what is tested.
create table league_commits (
    position bigint generated always as identity primary key,
    tx bigint not null
);
create table league_ends (
    id bigint generated always as identity primary key,
    tx bigint not null
);
create table league_history (
    id bigint generated always as identity primary key,
    tx bigint not null default pg_current_xact_id()::text::bigint,
    player bigint,
    team bigint,
    league bigint,
    points bigint
);
create function note_player() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        insert into league_history (player) values (old.id);
    else
        insert into league_history (player, team, points) values (new.id, new.team, new.points);
    end if;
    return null;
end $$;
create function note_team() returns trigger language plpgsql as $$
begin
    insert into league_history (team, league) values (new.id, new.league);
    return null;
end $$;
-- The last that a transaction does before its commit. The lock is held until its commit shows: so positions are in that order.
create function note_commit() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock(4711);
    insert into league_commits (tx) values (new.tx);
    return null;
end $$;
create trigger players_changed after insert or update or delete on players for each row execute function note_player();
create trigger teams_updated after update on teams for each row execute function note_team();
create constraint trigger commits_noted after insert on league_ends deferrable initially deferred
for each row execute function note_commit();
insert into teams (id, league) values (1, 1), (2, 2), (3, 3), (4, 1), (5, 2), (6, 3), (7, 1), (8, 2);
insert into reserves (id, team, points) values (101, 1, 11), (102, 1, 12), (103, 2, 13), (104, 2, 14), (105, 3, 15), (106, 3, 16),
    (107, 4, 17), (108, 4, 18), (109, 5, 19), (110, 5, 20), (111, 6, 21), (112, 6, 22), (113, 7, 23), (114, 7, 24), (115, 8, 25), (116, 8, 26);
