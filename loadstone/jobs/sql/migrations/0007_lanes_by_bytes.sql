-- PostgreSQL: lanes are ordered by bytes, as on SQLite: by the rules of a language each comparison of the index costs many times as much, and
-- these rules change with the system's libraries. The index is built anew, the table is not.
-- dialect: sqlite
select 1;  -- nothing: SQLite compares bytes
-- dialect: postgres
alter table loadstone_ready
    alter column queue type text collate "C",
    alter column partition_key type text collate "C";
analyze loadstone_ready;
