-- loadstone.enqueue: what docs/guides/jobs_from_other_languages.md promises, as enqueue.cc, keys.cc and internal/extra.h do it.
-- dialect: sqlite
alter table loadstone_kinds add column declared_at integer not null default 0;
-- dialect: postgres
alter table loadstone_kinds add column declared_at bigint not null default 0;
do $migration$
begin
if not exists (select from pg_catalog.pg_namespace where nspname = 'loadstone') then
    if not pg_catalog.has_database_privilege(current_database(), 'create') then
        raise insufficient_privilege using
            message = format('the schema loadstone is not there and %I may not make it', current_user),
            hint = format('as the owner of the database: create schema loadstone authorization %I', current_user);
    end if;
    create schema loadstone;
end if;
-- Of several applications of one database the first has the function.
if to_regprocedure('loadstone.enqueue(text, jsonb, jsonb)') is not null then
    return;
end if;

execute $function$
create function loadstone.key_part(key text) returns text
language plpgsql immutable strict security invoker as $body$
-- As it stands in a key: beyond 200 bytes its beginning and a hash of it (keys.cc, base/sha256.h: each part after its length,
-- 8 bytes, the lowest first); then escaped.
declare
    bytes bytea := convert_to(key, 'UTF8');
    size integer := length(bytes);
    kept integer := 160;
    prefix bytea := decode('0000000000000000', 'hex');
begin
    if size > 200 then
        while kept > 0 and get_byte(bytes, kept) & 192 = 128 loop
            kept := kept - 1;
        end loop;
        for i in 0..3 loop
            prefix := set_byte(prefix, i, (size >> (8 * i)) & 255);
        end loop;
        key := convert_from(substring(bytes from 1 for kept), 'UTF8') || '#' || left(encode(sha256(prefix || bytes), 'hex'), 32);
    end if;
    return replace(replace(key, '%', '%25'), '|', '%7C');
end
$body$
$function$;

execute $function$
create function loadstone.real_json(number numeric, is_32 boolean) returns text
language plpgsql immutable strict security invoker as $body$
-- As std::to_chars: the fewest digits that read the same, the closest of them, fixed or scientific, whichever is shorter.
declare
    value double precision := case when is_32 then number::real else number::double precision end;
    pattern text;
    text_of text;
    tried numeric;
    most constant numeric := case when is_32 then 3.40282356e38 else 1.79769313486231581e308 end;
    digits text;
    exponent integer;
    doublings integer := 0;
    is_same boolean := false;
begin
    if value = 0 then
        return '0';
    end if;
    <<longer>>
    for more in 0..16 loop
        pattern := '9' || case when more > 0 then '.' || repeat('9', more) else '' end || 'EEEE';
        text_of := btrim(to_char(value, pattern));
        -- Above a power of two more numbers read as it than below: one that is not the nearest may do.
        for away in 0..1 loop
            tried := text_of::numeric + sign(value)::numeric * away * ('1e' || split_part(text_of, 'e', 2)::integer - more)::numeric;
            is_same := case when abs(tried) >= most then false when is_32 then tried::real = value
                       else tried::double precision = value end;
            if is_same then
                text_of := btrim(to_char(tried, pattern));
                exit longer;
            end if;
        end loop;
    end loop;
    digits := replace(replace(split_part(text_of, 'e', 1), '-', ''), '.', '');
    digits := coalesce(nullif(rtrim(digits, '0'), ''), '0');
    exponent := split_part(text_of, 'e', 2)::integer - (length(digits) - 1);
    if exponent < -(length(digits) + 2 + (length(digits) > 1)::integer) or exponent > 4 + (length(digits) > 1)::integer then
        exponent := exponent + length(digits) - 1;
        return case when value < 0 then '-' else '' end || left(digits, 1)
            || case when length(digits) > 1 then '.' || substr(digits, 2) else '' end
            || 'e' || case when exponent < 0 then '-' else '+' end || lpad(abs(exponent)::text, greatest(2, length(abs(exponent)::text)), '0');
    end if;
    if exponent >= 0 then
        -- All of its digits.
        while abs(value) >= 9007199254740992 loop
            value := value / 2;
            doublings := doublings + 1;
        end loop;
        return trunc(value::bigint::numeric * 2::numeric ^ doublings)::text;
    end if;
    digits := lpad(digits, greatest(length(digits), 1 - exponent), '0');
    return case when value < 0 then '-' else '' end || left(digits, length(digits) + exponent) || '.' || right(digits, -exponent);
end
$body$
$function$;

execute $function$
create function loadstone.argument_json(value jsonb, member jsonb, path text) returns text
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
        return loadstone.real_json(value::numeric, kind = 'real32');
    when 'bytes' then
        return '"' || translate(encode(decode(value #>> '{}', 'base64'), 'base64'), chr(10), '') || '"';
    when 'timestamp' then
        text_of := value #>> '{}';
        if text_of !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]+)?Z$' then
            raise invalid_parameter_value using message = format('%s: expected a time such as 2024-06-30T12:00:00Z, got %s', path, value);
        end if;
        perform left(text_of, 10)::date;
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
create function loadstone.key_text(args jsonb, declared jsonb, field text, path text) returns text
language plpgsql stable security invoker as $body$
-- A member of the arguments as the text that a key is made of (handlers.h).
declare
    member jsonb;
    json text;
begin
    select known into member from jsonb_array_elements(declared #> '{arguments,members}') as known where known ->> 'name' = field;
    json := loadstone.argument_json(args -> field, member, path || '.' || field);
    if member ->> 'type' = 'text' and not (member ->> 'is_optional')::boolean then
        return json::jsonb #>> '{}';
    end if;
    return json;
end
$body$
$function$;

execute $function$
create function loadstone.unknown_kind(kind text) returns text
language plpgsql stable security invoker as $body$
-- What to say of a kind that no process has declared: those whose names share the most groups of three letters with it, a third
-- at least.
declare
    near text;
    known integer;
begin
    select count(*) into known from loadstone_kinds;
    if known = 0 then
        return 'No process has declared any kind yet: start the program that handles it.';
    end if;
    select string_agg(best.name, ', ' order by best.shared desc, best.name) into near from (
        select k.name, groups.shared, max(groups.shared) over () as most from loadstone_kinds as k
        cross join lateral (
            select count(*) as shared from (
                select substr(lower(k.name), i, 3) from generate_series(1, length(k.name) - 2) as i
                intersect
                select substr(lower(unknown_kind.kind), i, 3) from generate_series(1, least(length(unknown_kind.kind), 200) - 2) as i
            ) as both_have
        ) as groups
        where 3 * groups.shared >= greatest(length(unknown_kind.kind) - 2, 3)
        order by groups.shared desc, k.name limit 3
    ) as best where best.shared * 5 >= best.most * 4;
    return coalesce('Is it ' || near || '?', format('Kinds that are declared: %s, none of a similar name.', known));
end
$body$
$function$;

execute $function$
create function loadstone.enqueue(kind text, args jsonb, options jsonb default '{}') returns bigint
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
    if wrong is not null then
        raise invalid_parameter_value using message = 'loadstone.enqueue: ' || wrong,
            hint = format('The options are: %s.', (select string_agg(o, ', ' order by o) from jsonb_object_keys(known_options) as o));
    end if;
    delay_us := coalesce(((options ->> 'delay_ms')::numeric * 1000)::bigint,
                         greatest(0, (extract(epoch from (options ->> 'run_at')::timestamptz) * 1000000)::bigint - now_us), 0);

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

execute format('alter function loadstone.enqueue(text, jsonb, jsonb) set search_path = pg_catalog, %I, pg_temp', current_schema());
revoke all on function loadstone.enqueue(text, jsonb, jsonb), loadstone.key_part(text), loadstone.real_json(numeric, boolean),
    loadstone.argument_json(jsonb, jsonb, text), loadstone.key_text(jsonb, jsonb, text, text), loadstone.unknown_kind(text) from public;
end
$migration$;
