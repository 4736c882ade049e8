"""Parquet files, read with the library that loadstone-duckdb is linked with."""

import ctypes
import os
import pathlib
import re
import subprocess

PROGRAM = pathlib.Path(os.environ["LOADSTONE_BUILD_DIR"]) / "bin/loadstone-duckdb"
# Columns and types of a report of activity, whatever store it comes from.
ACTIVITY = [["happened_at", "TIMESTAMP"], ["course", "BIGINT"], ["learner", "BIGINT"], ["kind", "VARCHAR"], ["lesson", "BIGINT"],
            ["quiz", "BIGINT"], ["points", "BIGINT"]]


class Parquet:
    def __init__(self):
        linked = subprocess.run(["ldd", PROGRAM], capture_output=True, text=True, check=True).stdout
        self.duckdb = ctypes.CDLL(re.search(r"libduckdb\.so\S* => (\S+)", linked).group(1))
        for function in (self.duckdb.duckdb_row_count, self.duckdb.duckdb_column_count):
            function.restype = ctypes.c_uint64
        self.duckdb.duckdb_value_varchar.restype = ctypes.c_void_p
        self.duckdb.duckdb_result_error.restype = ctypes.c_char_p

    def rows(self, statement):
        """Lists of texts; None for null."""
        database, connection, result = ctypes.c_void_p(), ctypes.c_void_p(), (ctypes.c_uint64 * 8)()
        assert self.duckdb.duckdb_open(None, ctypes.byref(database)) == 0
        assert self.duckdb.duckdb_connect(database, ctypes.byref(connection)) == 0
        failed = self.duckdb.duckdb_query(connection, statement.encode(), ctypes.byref(result))
        assert failed == 0, (statement, self.duckdb.duckdb_result_error(ctypes.byref(result)))
        width = self.duckdb.duckdb_column_count(ctypes.byref(result))
        rows = [[self._text(result, column, row) for column in range(width)]
                for row in range(self.duckdb.duckdb_row_count(ctypes.byref(result)))]
        self.duckdb.duckdb_destroy_result(ctypes.byref(result))
        self.duckdb.duckdb_disconnect(ctypes.byref(connection))
        self.duckdb.duckdb_close(ctypes.byref(database))
        return rows

    def value(self, statement):
        return int(self.rows(statement)[0][0])

    def _text(self, result, column, row):
        at = self.duckdb.duckdb_value_varchar(ctypes.byref(result), ctypes.c_uint64(column), ctypes.c_uint64(row))
        if at is None:
            return None
        text = ctypes.string_at(at).decode()
        self.duckdb.duckdb_free(ctypes.c_void_p(at))
        return text
