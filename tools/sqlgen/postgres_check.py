#!/usr/bin/env python3
"""Prepares the statements of sql.json files on a PostgreSQL, and compares what it finds with what was generated.

    postgres_check.py postgres://user@host/scratch BUILD/gen/campus/accounts/sql.json ...

Each file's migrations are applied in a transaction that is rolled back, so the database stays as it is. Errors read
`file:line: what`, exit status 1. Through libpq by ctypes, as scratch.py does with SQLite.
"""

import ctypes
import ctypes.util
import json
import pathlib
import sys

BOUND = {"int": 20, "real": 701, "text": 25, "bytes": 17, "bool": 16}  # the types that loadstone/store binds
GIVEN = {"int": (20, 21, 23), "real": (700, 701), "text": (25, 1043, 19), "bytes": (17,), "bool": (16,)}


def library():
    found = ctypes.CDLL(ctypes.util.find_library("pq") or "libpq.so.5")
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, result, arguments in (
            ("connectdb", pointer, [text]), ("status", number, [pointer]), ("errorMessage", text, [pointer]),
            ("finish", None, [pointer]), ("exec", pointer, [pointer, text]), ("resultStatus", number, [pointer]),
            ("prepare", pointer, [pointer, text, text, number, ctypes.POINTER(ctypes.c_uint)]),
            ("describePrepared", pointer, [pointer, text]), ("clear", None, [pointer]), ("nfields", number, [pointer]),
            ("ntuples", number, [pointer]), ("getvalue", text, [pointer, number, number]), ("fname", text, [pointer, number]),
            ("ftype", ctypes.c_uint, [pointer, number]), ("ftable", ctypes.c_uint, [pointer, number]),
            ("ftablecol", number, [pointer, number]), ("resultErrorField", text, [pointer, number])):
        call = getattr(found, f"PQ{name}")
        call.restype, call.argtypes = result, arguments
    return found


class Refused(Exception):
    pass


class Postgres:
    def __init__(self, url):
        self.pq = library()
        self.connection = self.pq.PQconnectdb(url.encode())
        if self.pq.PQstatus(self.connection) != 0:
            raise Refused(self.pq.PQerrorMessage(self.connection).decode().strip())

    def close(self):
        self.pq.PQfinish(self.connection)

    def checked(self, result):
        if self.pq.PQresultStatus(result) not in (1, 2):
            primary = (self.pq.PQresultErrorField(result, ord("M")) or b"no answer").decode()
            self.pq.PQclear(result)
            raise Refused(primary)
        return result

    def rows(self, sql):
        result = self.checked(self.pq.PQexec(self.connection, sql.encode()))
        found = [[self.pq.PQgetvalue(result, row, column).decode() for column in range(self.pq.PQnfields(result))]
                 for row in range(self.pq.PQntuples(result))]
        self.pq.PQclear(result)
        return found

    def described(self, sql, parameters):
        """[(name, type, may it be null: None for an expression)] of what a statement gives."""
        types = (ctypes.c_uint * len(parameters))(*parameters) if parameters else None
        self.pq.PQclear(self.checked(self.pq.PQprepare(self.connection, b"checked", sql.encode(), len(parameters or ()), types)))
        result = self.checked(self.pq.PQdescribePrepared(self.connection, b"checked"))
        found = [(self.pq.PQfname(result, at).decode(), self.pq.PQftype(result, at), self.pq.PQftable(result, at),
                  self.pq.PQftablecol(result, at)) for at in range(self.pq.PQnfields(result))]
        self.pq.PQclear(result)
        self.rows("deallocate checked")
        return [(name, kind, self.may_be_null(table, column)) for name, kind, table, column in found]

    def may_be_null(self, table, column):
        if table == 0:
            return None
        return self.rows(f"select not attnotnull from pg_attribute where attrelid = {table} and attnum = {column}")[0][0] == "t"


def differences(statement, found):
    """What PostgreSQL gives otherwise than was generated."""
    columns = statement["columns"]
    if len(columns) != len(found):
        yield f"gives {len(found)} columns where SQLite gives {len(columns)}"
        return
    for column, (name, kind, may_be_null) in zip(columns, found):
        # A single value has no name in C++.
        if name != column["name"] and len(columns) > 1:
            yield f"gives '{name}' where SQLite gives '{column['name']}'"
        if kind not in GIVEN[column["base"]]:
            yield f"'{name}' is of type {kind} (pg_type.oid) where {column['base']} was generated"
        if may_be_null and not column["is_nullable"]:
            yield f"'{name}' may be null"


def check(postgres, manifest):
    """[what is wrong] of one sql.json."""
    problems = []
    postgres.rows("begin")
    try:
        for migration in manifest["migrations"]:
            try:
                postgres.rows(migration["text"])
            except Refused as refused:
                return [f"{migration['path']}:1: PostgreSQL: {refused}"]
        for statement in manifest["statements"]:
            place = f"{statement['path']}:{statement['line']}"
            bases = statement["parameters"]
            postgres.rows("savepoint one")
            try:
                found = postgres.described(statement["text"], [BOUND[base] for base in bases] if bases else [])
            except Refused as refused:
                problems.append(f"{place}: PostgreSQL: {refused}")
                postgres.rows("rollback to savepoint one")
                continue
            if statement["columns"] is not None:
                problems += [f"{place}: PostgreSQL: {what}" for what in differences(statement, found)]
    finally:
        postgres.rows("rollback")
    return problems


def main(arguments):
    postgres = Postgres(arguments[0])
    problems = [problem for path in arguments[1:]
                for problem in check(postgres, json.loads(pathlib.Path(path).read_text(encoding="utf-8")))]
    postgres.close()
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
