-- loadstone.enqueue names the option or the member that cannot be read, as invalid_parameter_value, whatever PostgreSQL says of its text.
-- dialect: sqlite
select 1;  -- nothing: SQLite has no such function
-- dialect: postgres
do $migration$
declare
    path text;
begin
-- Of several applications of one database that which made the function keeps it.
select substr(c, length('search_path=') + 1) into path
from pg_catalog.pg_proc as p cross join lateral unnest(p.proconfig) as c
where p.oid = to_regprocedure('loadstone.enqueue(text, jsonb, jsonb)') and c like 'search_path=%'
  and pg_catalog.pg_has_role(current_user, p.proowner, 'usage');
if path is null then
    return;
end if;

execute $function$
create or replace function loadstone.argument_json(value jsonb, member jsonb, path text) returns text
language plpgsql stable security invoker as $body$
-- The text that C++ writes of a value; `member` is a DeclaredMember of declaration.h. No value: what C++ has where it is not
-- given.
declare
    kind text := member ->> 'type';
    got text := jsonb_typeof(value);
    wanted text;
    number numeric;
    text_of text;
    unknown text;
begin
    if value is null then
        if kind <> 'record' or (member ->> 'is_optional')::boolean then
            return member ->> 'missing';
        end if;
        value := '{}';
        got := 'object';
    end if;
    if kind = 'any' then
        return value::text;
    end if;
    if got = 'null' and (member ->> 'is_optional')::boolean then
        return 'null';
    end if;
    wanted := case kind when 'boolean' then 'boolean' when 'list' then 'array' when 'record' then 'object'
              when 'integer' then 'number' when 'real' then 'number' when 'real32' then 'number' else 'string' end;
    if got <> wanted then
        raise invalid_parameter_value using message = format('%s: expected %s, got %s', path,
            case wanted when 'string' then 'text' when 'object' then 'an object' when 'array' then 'a list' when 'number' then 'a number'
            else 'true or false' end, got);
    end if;
    case kind
    when 'boolean' then
        return value::text;
    when 'text' then
        return to_json(value #>> '{}')::text;
    when 'integer' then
        number := value::numeric;
        if number <> trunc(number) or number < (member ->> 'min')::numeric or number > (member ->> 'max')::numeric then
            raise invalid_parameter_value using
                message = format('%s: expected an integer from %s to %s, got %s', path, member ->> 'min', member ->> 'max', number);
        end if;
        return trunc(number)::text;
    when 'real', 'real32' then
        begin
            return loadstone.real_json(value::numeric, kind = 'real32');
        exception when numeric_value_out_of_range then
            raise invalid_parameter_value using message = format('%s: expected a number that fits %s, got %s', path,
                case kind when 'real32' then '32 bits' else '64 bits' end, left(value::text, 100));
        end;
    when 'bytes' then
        begin
            return '"' || translate(encode(decode(value #>> '{}', 'base64'), 'base64'), chr(10), '') || '"';
        exception when invalid_parameter_value then
            raise invalid_parameter_value using message = format('%s: expected base64, got %s', path, left(value::text, 100));
        end;
    when 'timestamp' then
        text_of := value #>> '{}';
        if text_of !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]+)?Z$' then
            raise invalid_parameter_value using message = format('%s: expected a time such as 2024-06-30T12:00:00Z, got %s', path, value);
        end if;
        begin
            perform left(text_of, 10)::date;
        exception when data_exception then
            raise invalid_parameter_value using message = format('%s: there is no such day as that of %s', path, value);
        end;
        return '"' || left(text_of, 19) || '.' || rpad(left(replace(substr(text_of, 21), 'Z', ''), 6), 6, '0') || 'Z"';
    when 'list' then
        select string_agg(loadstone.argument_json(each.item, member #> '{members,0}', format('%s[%s]', path, each.place - 1)), ','
                          order by each.place)
        into text_of from jsonb_array_elements(value) with ordinality as each (item, place);
        return '[' || coalesce(text_of, '') || ']';
    when 'record' then
        select string_agg(quote_ident(given), ', ') into unknown from jsonb_object_keys(value) as given
        where not exists (select from jsonb_array_elements(member -> 'members') as known where known ->> 'name' = given);
        if unknown is not null then
            select string_agg(known ->> 'name', ', ') into text_of from jsonb_array_elements(member -> 'members') as known;
            raise invalid_parameter_value using message = format('%s has no member %s', path, unknown),
                hint = format('It has: %s.', coalesce(text_of, 'none'));
        end if;
        select string_agg('"' || (each.known ->> 'name') || '":'
                          || loadstone.argument_json(value -> (each.known ->> 'name'), each.known, path || '.' || (each.known ->> 'name')),
                          ',' order by each.place)
        into text_of from jsonb_array_elements(member -> 'members') with ordinality as each (known, place);
        return '{' || coalesce(text_of, '') || '}';
    end case;
end
$body$
$function$;

execute $function$
create or replace function loadstone.enqueue(kind text, args jsonb, options jsonb default '{}') returns bigint
language plpgsql volatile security invoker as $body$
declare
    known_options constant jsonb := '{"delay_ms": "number", "run_at": "string", "cause": "string", "notify": "boolean",
                                      "allow_unknown": "boolean", "queue": "string", "version": "number"}';
    now_us constant bigint := (extract(epoch from statement_timestamp()) * 1000000)::bigint;
    wrong text;
    declared jsonb;
    its_version integer := 1;
    arguments text;
    its_queue text;
    its_priority integer := 0;
    partition text := '';
    unique_text text := '';
    unique_for bigint := 0;
    gives_unique_back boolean := false;
    delay_us bigint := 0;
    run_at_us bigint;
    expires_after bigint := 0;
    bound bigint := 0;
    ready bigint;
    extra text := '';
    piece jsonb;
    its_id bigint;
    holder bigint;
begin
    if kind is null or jsonb_typeof(args) is distinct from 'object' then
        raise invalid_parameter_value using
            message = format('loadstone.enqueue: the arguments of %s must be a JSON object, not %s', coalesce(kind, 'a kind that is null'),
                             coalesce(jsonb_typeof(args), 'null'));
    end if;
    options := coalesce(options, '{}');
    if jsonb_typeof(options) <> 'object' then
        raise invalid_parameter_value using message = format('loadstone.enqueue: options must be a JSON object, not %s', jsonb_typeof(options));
    end if;
    select format(case when known_options ? o.key then 'option %s must be a %s, not %s' else 'there is no option %s' end,
                  o.key, known_options ->> o.key, jsonb_typeof(o.value))
    into wrong from jsonb_each(options) as o where known_options ->> o.key is distinct from jsonb_typeof(o.value) limit 1;
    if wrong is null and options ?& array['delay_ms', 'run_at'] then
        wrong := 'of the options delay_ms and run_at one can be given';
    end if;
    if wrong is null and (options ->> 'delay_ms')::numeric not between 0 and 1e15 then
        wrong := format('option delay_ms must be from 0 to 1e15, not %s', options ->> 'delay_ms');
    end if;
    if wrong is null and options ? 'version' and ((options ->> 'version')::numeric <> trunc((options ->> 'version')::numeric)
                                                  or abs((options ->> 'version')::numeric) > 1e9) then
        wrong := format('option version must be a version of the arguments, not %s', left(options ->> 'version', 100));
    end if;
    if wrong is null and options ? 'run_at' then
        begin
            run_at_us := (extract(epoch from (options ->> 'run_at')::timestamptz) * 1000000)::bigint;
        exception when data_exception or feature_not_supported then
            wrong := format('option run_at must be a time such as 2024-06-30T12:00:00Z, not %s', left((options -> 'run_at')::text, 100));
        end;
    end if;
    if wrong is not null then
        raise invalid_parameter_value using message = 'loadstone.enqueue: ' || wrong,
            hint = format('The options are: %s.', (select string_agg(o, ', ' order by o) from jsonb_object_keys(known_options) as o));
    end if;
    delay_us := coalesce(((options ->> 'delay_ms')::numeric * 1000)::bigint,
                         greatest(0, run_at_us - now_us), 0);

    select k.declaration::jsonb into declared from loadstone_kinds as k where k.name = enqueue.kind;
    if declared is null then
        if not coalesce((options ->> 'allow_unknown')::boolean, false) then
            raise undefined_object using message = format('no process has declared the job kind %s', kind), hint = loadstone.unknown_kind(kind);
        end if;
        its_queue := options ->> 'queue';
        if coalesce(its_queue, '') = '' then
            raise invalid_parameter_value using message = 'loadstone.enqueue: allow_unknown needs the option queue';
        end if;
        arguments := args::text;
    else
        its_queue := declared ->> 'queue';
        its_priority := (declared ->> 'priority')::integer;
        its_version := coalesce((options ->> 'version')::integer, (declared ->> 'version')::integer);
        if its_version < 1 or its_version > (declared ->> 'version')::integer then
            raise invalid_parameter_value using
                message = format('version %s of the arguments of %s: versions 1 to %s are known', its_version, kind, declared ->> 'version');
        end if;
        if its_version = (declared ->> 'version')::integer then
            arguments := loadstone.argument_json(args, declared -> 'arguments', kind);
        else
            arguments := args::text;
        end if;

        bound := (declared ->> 'bound')::bigint;
        if bound > 0 then
            -- Index: the primary key.
            select count(*) into ready from (select from loadstone_ready as r where r.queue = its_queue limit bound + 1) as waiting;
            if ready > bound and declared ->> 'over_bound' = 'reject' then
                raise configuration_limit_exceeded using
                    message = format('queue %s holds more than %s ready jobs', its_queue, bound),
                    hint = 'Nothing was enqueued. Try again later.';
            end if;
            if ready > bound then
                delay_us := greatest(delay_us, (declared ->> 'over_bound_delay')::bigint);
            end if;
        end if;

        if declared ->> 'tenant' <> '' then
            partition := loadstone.key_part(loadstone.key_text(args, declared, declared ->> 'tenant', kind));
        end if;
        for piece in select l.value from jsonb_array_elements(declared -> 'limits') with ordinality as l (value, place) order by l.place loop
            partition := partition || '|' || replace(loadstone.key_part(piece ->> 'name'), ':', '%3A') || ':'
                || loadstone.key_part(loadstone.key_text(args, declared, piece ->> 'field', kind));
        end loop;

        if (declared ->> 'is_unique')::boolean then
            unique_for := (declared ->> 'unique_for')::bigint;
            gives_unique_back := unique_for = 0;
            unique_text := loadstone.key_part(kind);
            if jsonb_array_length(declared -> 'unique') = 0 then
                unique_text := unique_text || '|' || loadstone.key_part(arguments);
            end if;
            for piece in select f.value from jsonb_array_elements(declared -> 'unique') with ordinality as f (value, place) order by f.place loop
                unique_text := unique_text || '|' || loadstone.key_part(loadstone.key_text(args, declared, piece #>> '{}', kind));
            end loop;
        end if;

        expires_after := (declared ->> 'expires_after')::bigint;
        if expires_after > 0 then
            expires_after := expires_after + delay_us;
        end if;
        if expires_after > 0 or unique_text <> '' or its_version <> 1 then
            extra := '{"expires_after":' || expires_after || ',"unique":' || to_json(unique_text)::text
                || ',"gives_unique_back":' || gives_unique_back::text
                || ',"next":[],"name":"","holds":[],"keeps":[],"partition":"","is_noted":false,"version":' || its_version || '}';
        end if;
    end if;

    -- A place is given out by a transaction that can be seen to be under way: a claim waits for its end (docs/internals/jobs.md).
    perform pg_current_xact_id();
    its_id := nextval('loadstone_ready_seq_seq');

    while unique_text <> '' loop
        if unique_for > 0 then
            update loadstone_unique as u set job = its_id, until = now_us + unique_for
            where u.unique_key = unique_text and u.until > 0 and u.until <= now_us;
            exit when found;
        end if;
        insert into loadstone_unique (unique_key, job, until)
        values (unique_text, its_id, case when unique_for = 0 then 0 else now_us + unique_for end)
        on conflict do nothing;
        exit when found;
        select u.job into holder from loadstone_unique as u where u.unique_key = unique_text;
        if found then
            return holder;
        end if;
    end loop;

    if delay_us > 0 then
        insert into loadstone_scheduled (id, queue, partition_key, priority, kind, arguments, cause, enqueued_at, run_at, extra)
        values (its_id, its_queue, partition, its_priority, kind, arguments, left(coalesce(options ->> 'cause', 'sql'), 200), now_us,
                now_us + delay_us, extra);
    else
        insert into loadstone_ready (seq, queue, partition_key, priority, kind, arguments, cause, enqueued_at, run_at, extra)
        values (its_id, its_queue, partition, its_priority, kind, arguments, left(coalesce(options ->> 'cause', 'sql'), 200), now_us, now_us,
                extra);
    end if;
    if (options ->> 'notify')::boolean then
        perform pg_notify('loadstone_jobs', '');
    end if;
    return its_id;
end
$body$
$function$;

execute 'alter function loadstone.enqueue(text, jsonb, jsonb) set search_path = ' || path;
end
$migration$;
