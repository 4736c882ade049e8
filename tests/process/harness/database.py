"""What a scenario asks of its database, on either kind: a URL for Campus and rows for the test."""

import contextlib
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
        return self.database.rows("select * from loadstone_jobs order by id")

    def dead_jobs(self):
        return self.database.rows("select * from loadstone_dead_jobs order by id")

    def processes(self):
        return self.database.rows("select * from loadstone_processes order by id")

    def deliveries(self, state=None):
        where = f"where state = '{state}'" if state else ""
        return self.database.rows(f"select * from deliveries {where} order by recorded_at")

    def count(self, table, where="1 = 1"):
        return self.value(f"select count(*) from {table} where {where}")
