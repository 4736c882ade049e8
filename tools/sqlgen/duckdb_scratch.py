"""A scratch DuckDB, in memory, through its C API by ctypes: makes tables of facts, prepares questions."""

import ctypes
import re
from dataclasses import dataclass

POINTER, COUNT, TEXT = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_char_p
SELECT = 1  # of duckdb_statement_type
# As loadstone/analytics/duckdb/statement.cc reads them, by duckdb_type.
KINDS = {1: "bool", 2: "int", 3: "int", 4: "int", 5: "int", 8: "int", 16: "int", 10: "real", 11: "real", 17: "text",
         12: "timestamp", 13: "timestamp"}
# Of tables of facts: as they are made there.
TABLE_KINDS = {"BIGINT": "int", "DOUBLE": "real", "VARCHAR": "text", "BOOLEAN": "bool", "TIMESTAMP": "timestamp"}
PLACE = re.compile(r"\n\nLINE (\d+): .*\Z", re.DOTALL)


class Result(ctypes.Structure):
    _fields_ = [("columns", COUNT), ("rows", COUNT), ("changed", COUNT), ("column", POINTER), ("error", POINTER), ("data", POINTER)]


class Refused(Exception):
    """What DuckDB says; `line` of the text, from 1, or 0 if it does not say where."""

    def __init__(self, text):
        place = PLACE.search(text)
        super().__init__(PLACE.sub("", text).replace("\n", " "))
        self.line = int(place.group(1)) if place else 0


@dataclass
class Given:
    """A column of a result; `kind` is empty for a type that questions cannot read."""

    name: str
    kind: str


def library(path):
    found = ctypes.CDLL(str(path))
    for name, result, arguments in (
            ("result_error", TEXT, [POINTER]), ("prepare_error", TEXT, [POINTER]), ("value_varchar", POINTER, [POINTER, COUNT, COUNT]),
            ("query", ctypes.c_int, [POINTER, TEXT, POINTER]), ("prepare", ctypes.c_int, [POINTER, TEXT, POINTER]),
            ("prepared_statement_column_count", COUNT, [POINTER]), ("prepared_statement_column_name", POINTER, [POINTER, COUNT]),
            ("prepared_statement_column_type", ctypes.c_int, [POINTER, COUNT]), ("prepared_statement_type", ctypes.c_int, [POINTER]),
            ("row_count", COUNT, [POINTER]), ("free", None, [POINTER])):
        call = getattr(found, f"duckdb_{name}")
        call.restype, call.argtypes = result, arguments
    return found


class DuckScratch:
    """Errors of all below: Refused."""

    def __init__(self, path):
        self.duckdb = library(path)
        self.database, self.connection = POINTER(), POINTER()
        if self.duckdb.duckdb_open(None, ctypes.byref(self.database)) or \
                self.duckdb.duckdb_connect(self.database, ctypes.byref(self.connection)):
            raise OSError("DuckDB: no database in memory")
        for setting in ("threads = 1", "enable_external_access = false"):
            self.execute(f"set {setting}")

    def close(self):
        self.duckdb.duckdb_disconnect(ctypes.byref(self.connection))
        self.duckdb.duckdb_close(ctypes.byref(self.database))

    def text(self, owned):
        found = ctypes.cast(owned, TEXT).value.decode() if owned else ""
        self.duckdb.duckdb_free(owned)
        return found

    def execute(self, sql):
        return self.rows(sql, 0)

    def rows(self, sql, columns):
        """Of each row the first `columns` values, as texts."""
        result = Result()
        failed = self.duckdb.duckdb_query(self.connection, sql.encode(), ctypes.byref(result))
        try:
            if failed:
                raise Refused(self.duckdb.duckdb_result_error(ctypes.byref(result)).decode())
            return [[self.text(self.duckdb.duckdb_value_varchar(ctypes.byref(result), column, row)) for column in range(columns)]
                    for row in range(self.duckdb.duckdb_row_count(ctypes.byref(result)) if columns else 0)]
        finally:
            self.duckdb.duckdb_destroy_result(ctypes.byref(result))

    def tables(self):
        """{table: {column: (type as DuckDB calls it, is it not null)}} in the order of declaration."""
        found = {}
        for table, column, kind, is_nullable in self.rows(
                "select table_name, column_name, data_type, is_nullable from duckdb_columns() where not internal "
                "order by table_oid, column_index", 4):
            found.setdefault(table, {})[column] = (kind, is_nullable == "false")
        return found

    def prepare(self, sql):
        """[Given] of a SELECT."""
        handle = POINTER()
        failed = self.duckdb.duckdb_prepare(self.connection, sql.encode(), ctypes.byref(handle))
        try:
            if failed:
                raise Refused(self.duckdb.duckdb_prepare_error(handle).decode())
            if self.duckdb.duckdb_prepared_statement_type(handle) != SELECT:
                raise Refused("a question only reads: it is a select")
            return [Given(self.text(self.duckdb.duckdb_prepared_statement_column_name(handle, at)),
                          KINDS.get(self.duckdb.duckdb_prepared_statement_column_type(handle, at), ""))
                    for at in range(self.duckdb.duckdb_prepared_statement_column_count(handle))]
        finally:
            self.duckdb.duckdb_destroy_prepare(ctypes.byref(handle))
