"""DuckDB's file, read and filled by the library that the store's process uses, while no process has it open."""

import ctypes

from measure import ROOT

LIBRARY = ROOT / "build/.duckdb/lib/libduckdb.so"


class ColumnStore:
    def __init__(self, path):
        self.duckdb = ctypes.CDLL(str(LIBRARY))
        self.duckdb.duckdb_value_varchar.restype = ctypes.c_void_p
        self.duckdb.duckdb_result_error.restype = ctypes.c_char_p
        for name in ("duckdb_row_count", "duckdb_column_count"):
            getattr(self.duckdb, name).restype = ctypes.c_uint64
        self.database, self.connection = ctypes.c_void_p(), ctypes.c_void_p()
        if self.duckdb.duckdb_open(str(path).encode(), ctypes.byref(self.database)) != 0:
            raise SystemExit(f"{path} cannot be opened")
        assert self.duckdb.duckdb_connect(self.database, ctypes.byref(self.connection)) == 0

    def rows(self, sql):
        """Of texts; None for null."""
        result = (ctypes.c_uint64 * 8)()
        failed = self.duckdb.duckdb_query(self.connection, sql.encode(), ctypes.byref(result)) != 0
        try:
            if failed:
                raise SystemExit(f"{sql[:200]}: {self.duckdb.duckdb_result_error(ctypes.byref(result)).decode()}")
            return [tuple(self.value(result, column, row) for column in range(self.duckdb.duckdb_column_count(ctypes.byref(result))))
                    for row in range(self.duckdb.duckdb_row_count(ctypes.byref(result)))]
        finally:
            self.duckdb.duckdb_destroy_result(ctypes.byref(result))

    def value(self, result, column, row):
        text = self.duckdb.duckdb_value_varchar(ctypes.byref(result), ctypes.c_uint64(column), ctypes.c_uint64(row))
        if text is None:
            return None
        try:
            return ctypes.string_at(text).decode()
        finally:
            self.duckdb.duckdb_free(ctypes.c_void_p(text))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.duckdb.duckdb_disconnect(ctypes.byref(self.connection))
        self.duckdb.duckdb_close(ctypes.byref(self.database))
