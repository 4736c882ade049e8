-- On PostgreSQL a place (seq) is given out by a transaction that can be seen to be under way, so that who sees the place given out can wait for
-- its end (internal/lanes.h). An identity column gives it out a moment before.
-- dialect: sqlite
select 1;
-- dialect: postgres
lock table loadstone_ready in access exclusive mode;
do $migration$
declare
    old constant regclass := pg_get_serial_sequence('loadstone_ready', 'seq');
    last constant bigint := coalesce(pg_sequence_last_value(old), 0);
    rights constant aclitem[] := (select relacl from pg_catalog.pg_class where oid = old);
    owner constant text := (select quote_ident(pg_get_userbyid(relowner)) from pg_catalog.pg_class where oid = 'loadstone_ready'::regclass);
    each record;
begin
    alter table loadstone_ready alter column seq drop identity;
    -- loadstone.enqueue may give out places meanwhile.
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
