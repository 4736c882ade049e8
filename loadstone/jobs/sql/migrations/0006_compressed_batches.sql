-- PostgreSQL: the jobs of a batch, much alike, are stored as LZ4 where the server has it: a sixth to an eighth of the bytes to write and to
-- log. The default compression (pglz) would cost more than it saves.
-- dialect: sqlite
select 1;  -- nothing: SQLite compresses nothing
-- dialect: postgres
do $migration$
begin
    alter table loadstone_batches alter column jobs set compression lz4;
    alter table loadstone_batches alter column jobs set storage extended;
exception when feature_not_supported then
    null;  -- a server without it: as they were
end
$migration$;
