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

    def stop(self):
        pass


class Tables:
    """Queries on Campus's tables that read the same on both."""

    def __init__(self, database):
        self.database = database

    def value(self, sql):
        return self.database.rows(f"select ({sql}) as value")[0]["value"]

    def users(self):
        return self.database.rows("select id, name, email from users order by id")

    def jobs(self):
        """Those that wait or run, by id; `process` is None of those that wait."""
        columns = "queue, kind, enqueued_at, attempt, crashes, last_error"
        found = self.database.rows(f"select coalesce(job, seq) as id, null as process, {columns} from loadstone_ready "
                                   f"union all select id, null, {columns} from loadstone_scheduled")
        done = {(row["batch"], row["job"]) for row in self.database.rows("select batch, job from loadstone_done")}
        for batch in self.database.rows("select id, process, jobs from loadstone_batches"):
            found += [{**job, "process": batch["process"]} for job in json.loads(batch["jobs"])
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
