-- name: insert_fact
insert into loadstone_facts (form, body) values ($1, $2)

-- name: declare_form
insert into loadstone_fact_forms (id, fact, members) values ($1, $2, $3) on conflict (id) do nothing

-- name: forms
select id, fact, members from loadstone_fact_forms order by id

-- name: facts_of_window
-- Of the transactions $1 <= xid < $2, behind $3 in their order. Index: the primary key.
-- dialect: sqlite
select seq, form, body from loadstone_facts where seq > $3 and $1 <= $2 order by seq limit $4
-- dialect: postgres
select seq, form, body from loadstone_facts where xid >= $1 and xid < $2 and seq > $3 order by seq limit $4

-- name: transactions_now
-- All transactions before `oldest` have ended; none has begun at `next` or behind it. (A snapshot's xmax is only the first
-- behind the last that has ended; age() counts from what is given out next.) SQLite has one writer.
-- dialect: sqlite
select 0 as oldest, 0 as next
-- dialect: postgres
select pg_snapshot_xmin(now)::text::bigint as oldest, pg_snapshot_xmax(now)::text::bigint + age(pg_snapshot_xmax(now)::xid) as next
from pg_current_snapshot() as now

-- name: last_fact
-- The last number that was given out.
-- dialect: sqlite
select coalesce((select seq from sqlite_sequence where name = 'loadstone_facts'), 0) as last
-- dialect: postgres
select coalesce(pg_sequence_last_value(pg_get_serial_sequence('loadstone_facts', 'seq')::regclass), 0) as last

-- name: feed_state
select store, low, high, seq, as_of, history, holder from loadstone_fact_feed where id = 1

-- name: begin_feed
-- One row if no store had been named.
insert into loadstone_fact_feed (id, store, low, high, seq, as_of) values (1, $1, 0, 0, 0, 0) on conflict (id) do nothing

-- name: note_carried
update loadstone_fact_feed set low = $2, high = $3, seq = $4, as_of = $5, history = $6 where id = 1 and store = $1

-- name: note_holder
update loadstone_fact_feed set holder = $2 where id = 1 and store = $1

-- name: prune_carried
-- All up to a position: $1 low, $2 high, $3 seq. Index: the primary key where the first condition is false; the facts of older
-- windows have gone before, but for those of a process that was killed.
-- dialect: sqlite
delete from loadstone_facts where seq <= $3 and $1 <= $2
-- dialect: postgres
delete from loadstone_facts where seq <= $3 and xid < $2 and $1 <= $2

-- name: facts_kept
-- Those that wait, and those that are about to be deleted. Reads them all: for tests and operators.
select count(*) as facts from loadstone_facts

-- name: backlog
-- How many wait, about: behind what was carried last, or, if nothing was yet, all that are there; and what the feed has noted.
-- dialect: sqlite
select coalesce(feed.as_of, 0) as as_of,
    max(0, last - coalesce(nullif(feed.seq, 0), (select min(seq) - 1 from loadstone_facts), last)) as waiting
from (select coalesce((select seq from sqlite_sequence where name = 'loadstone_facts'), 0) as last) as given
    left join loadstone_fact_feed as feed on feed.id = 1
-- dialect: postgres
select coalesce(feed.as_of, 0) as as_of,
    greatest(0, last - coalesce(nullif(feed.seq, 0), (select min(seq) - 1 from loadstone_facts), last)) as waiting
from (select coalesce(pg_sequence_last_value(pg_get_serial_sequence('loadstone_facts', 'seq')::regclass), 0) as last) as given
    left join loadstone_fact_feed as feed on feed.id = 1

-- name: oldest_transaction
-- The one that runs longest of those that may write, as an operator finds it; empty: none, or it may not be seen.
-- dialect: sqlite
select '' as oldest
-- dialect: postgres
select coalesce((
    select who from (
        select age(backend_xid) as age, format('process %s, user %s, application "%s", %s, for %s s', pid, usename, application_name,
            state, extract(epoch from clock_timestamp() - xact_start)::bigint) as who
        from pg_stat_activity where backend_xid is not null
        union all
        select age(transaction), format('prepared transaction %s, for %s s', gid, extract(epoch from clock_timestamp() - prepared)::bigint)
        from pg_prepared_xacts) as running
    order by age desc limit 1), '') as oldest
