-- On PostgreSQL a place (seq) is given out by a transaction that can be seen to be under way, so that who sees the place given out can wait for
-- its end (internal/lanes.h). An identity column gives it out a moment before.
-- dialect: sqlite
select 1;
-- dialect: postgres
-- Who enqueues takes the table and the sequence in either order: both are asked for a short while, and again.
do $migration$
declare
    old constant regclass := pg_get_serial_sequence('loadstone_ready', 'seq');
    rights constant aclitem[] := (select relacl from pg_catalog.pg_class where oid = old);
    owner constant text := (select quote_ident(pg_get_userbyid(relowner)) from pg_catalog.pg_class where oid = 'loadstone_ready'::regclass);
    lock_timeout_before constant text := current_setting('lock_timeout');
    last bigint;
    each record;
begin
    perform set_config('lock_timeout', '300ms', true);
    for attempt in 1 .. 100 loop
        begin
            lock table loadstone_ready in access exclusive mode;
            last := coalesce(pg_sequence_last_value(old), 0);
            alter table loadstone_ready alter column seq drop identity;
            exit;
        exception when lock_not_available or deadlock_detected then
            if attempt = 100 then
                raise;
            end if;
            perform pg_sleep(0.2 + 0.2 * random());
        end;
    end loop;
    perform set_config('lock_timeout', lock_timeout_before, true);
    -- loadstone.enqueue may have given out places meanwhile.
    execute 'create sequence loadstone_ready_seq_seq start with ' || case when last = 0 then 1 else last + 10000 end;
    execute 'alter sequence loadstone_ready_seq_seq owner to ' || owner;
    alter sequence loadstone_ready_seq_seq owned by loadstone_ready.seq;
    for each in select * from aclexplode(rights) loop
        execute 'grant ' || each.privilege_type || ' on sequence loadstone_ready_seq_seq to '
            || case when each.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(each.grantee)) end;
    end loop;
    alter table loadstone_ready alter column seq
        set default case when pg_current_xact_id() is not null then nextval('loadstone_ready_seq_seq') end;
end
$migration$;
