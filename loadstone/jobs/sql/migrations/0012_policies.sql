-- Jobs that were enqueued after others (internal/following.h). And loadstone.enqueue knows of keys that are taken while their jobs wait, of bounds over which a kind is unique, and writes the
-- workflow of internal/extra.h. Of several
-- applications of one database the one that has made the function changes it.
-- dialect: sqlite
create table loadstone_follows (
    job integer not null,
    next integer not null,
    primary key (job, next)
) without rowid;
-- dialect: postgres
create table loadstone_follows (
    job bigint not null,
    next bigint not null,
    primary key (job, next)
);
do $migration$
declare
    was text := pg_get_functiondef('loadstone.enqueue(text, jsonb, jsonb)'::regprocedure);
    is_own constant boolean := pg_has_role((select proowner from pg_catalog.pg_proc where oid = 'loadstone.enqueue(text, jsonb, jsonb)'::regprocedure),
                                           'usage');
    piece text[];
begin
if not is_own or was like '%unique_while%' then
    return;
end if;
foreach piece slice 1 in array array[
    ['if ready > bound then
                delay_us',
     'if ready > bound and declared ->> ''over_bound'' = ''delay'' then
                delay_us'],
    ['if (declared ->> ''is_unique'')::boolean then',
     'if (declared ->> ''is_unique'')::boolean and (declared ->> ''over_bound'' <> ''merge'' or ready > bound) then'],
    ['select u.job into holder from loadstone_unique as u where u.unique_key = unique_text;
        if found then',
     'if declared ->> ''unique_while'' = ''waits'' then
            -- Its job does not begin before this transaction ends.
            select u.job into holder from loadstone_unique as u where u.unique_key = unique_text for key share;
        else
            select u.job into holder from loadstone_unique as u where u.unique_key = unique_text;
        end if;
        if found then'],
    ['"version":'' || its_version || ''}''', '"version":'' || its_version || '',"workflow":0}''']] loop
    if position(piece[1] in was) = 0 then
        raise exception 'loadstone.enqueue is not as it was: %', piece[1];
    end if;
    was := replace(was, piece[1], piece[2]);
end loop;
execute was;
end
$migration$;
