"""What a scenario asks of its database, on either kind: a URL for Campus and rows for the test."""

import contextlib
import json
import pathlib
import sqlite3


class Sqlite:
    def __init__(self, folder):
        self.path = pathlib.Path(folder) / "campus.db"
        self.url = f"sqlite:{self.path}"

    def connect(self):
        connection = sqlite3.connect(self.path, timeout=20)
        connection.row_factory = sqlite3.Row
        return contextlib.closing(connection)

    def rows(self, sql):
        with self.connect() as connection:
            return [dict(row) for row in connection.execute(sql)]

    def execute(self, sql):
        with self.connect() as connection, connection:
            connection.execute(sql)

    def is_locked(self):
        """Whether some process stays in a transaction that others wait for."""
        with contextlib.closing(sqlite3.connect(self.path, timeout=0.3, isolation_level=None)) as connection:
            try:
                connection.execute("begin immediate")
                connection.execute("rollback")
            except sqlite3.OperationalError:
                return True
        return False

    def stop(self):
        pass


class Tables:
    """Queries on Campus's tables that read the same on both."""

    # What PostgreSQL shows of a process within its transaction.
    RENEWAL = "update loadstone_processes"
    CLAIM = "delete from loadstone_ready"

    def __init__(self, database):
        self.database = database

    def value(self, sql):
        return self.database.rows(f"select ({sql}) as value")[0]["value"]

    def users(self):
        return self.database.rows("select id, name, email from users order by id")

    def jobs(self):
        """Those that wait or run, by id; `process` is None of those that wait. One statement: what moves is seen once."""
        columns = "queue, kind, arguments, enqueued_at, attempt, crashes, last_error"
        nothing = "'', '', '', 0, 0, 0, ''"
        rows = self.database.rows(
            f"select 'waits' as state, coalesce(job, seq) as id, 0 as process, '' as jobs, {columns} from loadstone_ready "
            f"union all select 'waits', id, 0, '', {columns} from loadstone_scheduled "
            f"union all select 'batch', id, process, jobs, {nothing} from loadstone_batches "
            f"union all select 'done', job, batch, '', {nothing} from loadstone_done")
        done = {(row["process"], row["id"]) for row in rows if row["state"] == "done"}
        found = [{**row, "process": None} for row in rows if row["state"] == "waits"]
        left_out = {"attempt": 0, "crashes": 0, "last_error": ""}  # of a job in a batch, what is empty or 0
        for batch in (row for row in rows if row["state"] == "batch"):
            found += [{**left_out, **job, "process": batch["process"]} for job in json.loads(batch["jobs"])
                      if (batch["id"], job["id"]) not in done]
        return sorted(found, key=lambda job: job["id"])

    def running(self, process=None):
        """How many run, in any process or in one."""
        return sum(job["process"] is not None and process in (None, job["process"]) for job in self.jobs())

    def dead_jobs(self):
        return self.database.rows("select * from loadstone_dead_jobs order by id")

    def processes(self):
        return self.database.rows("select * from loadstone_processes order by id")

    def deliveries(self, state=None):
        where = f"where state = '{state}'" if state else ""
        return self.database.rows(f"select * from deliveries {where} order by recorded_at")

    def count(self, table, where="1 = 1"):
        return self.value(f"select count(*) from {table} where {where}")
