"""Statements to DuckDB's file while no process has it open, through the library of the store's process."""

import ctypes

from .campus import PROGRAM

LIBRARY = PROGRAM.parents[2] / ".duckdb/lib/libduckdb.so"


def change(path, *statements):
    """Runs them; one that fails fails the test."""
    duckdb = ctypes.CDLL(str(LIBRARY))
    duckdb.duckdb_result_error.restype = ctypes.c_char_p
    database, connection = ctypes.c_void_p(), ctypes.c_void_p()
    if duckdb.duckdb_open(str(path).encode(), ctypes.byref(database)) != 0:
        raise AssertionError(f"{path} cannot be opened")
    duckdb.duckdb_connect(database, ctypes.byref(connection))
    try:
        for statement in statements:
            result = (ctypes.c_uint64 * 8)()
            failed = duckdb.duckdb_query(connection, statement.encode(), ctypes.byref(result)) != 0
            said = duckdb.duckdb_result_error(ctypes.byref(result)) if failed else None
            duckdb.duckdb_destroy_result(ctypes.byref(result))
            if failed:
                raise AssertionError(f"{statement}: {said.decode()}")
    finally:
        duckdb.duckdb_disconnect(ctypes.byref(connection))
        duckdb.duckdb_close(ctypes.byref(database))
