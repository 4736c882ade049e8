"""A scratch SQLite, in memory: applies migrations, prepares statements, says what they read and give.

Through ctypes and not Python's sqlite3, which knows neither where a result column comes from nor where an error is.
"""

import ctypes
import ctypes.util
from dataclasses import dataclass, field

OK, ROW = 0, 100
READ, INSERT, DELETE, UPDATE = 20, 18, 9, 23
DQS_DML, DQS_DDL = 1013, 1014  # whether "x" is a text where no column has that name
AUTHORIZER = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, *[ctypes.c_char_p] * 4)
SYSTEM = ("sqlite_", "json_", "pragma_")  # of tables that are SQLite's own, if no migration has made them


def library():
    found = ctypes.CDLL(ctypes.util.find_library("sqlite3") or "libsqlite3.so.0")
    for name in ("name", "decltype", "table_name", "origin_name"):
        call = getattr(found, f"sqlite3_column_{name}")
        call.restype, call.argtypes = ctypes.c_char_p, [ctypes.c_void_p, ctypes.c_int]
    found.sqlite3_column_text.restype = ctypes.c_char_p
    found.sqlite3_column_text.argtypes = [ctypes.c_void_p, ctypes.c_int]
    found.sqlite3_errmsg.restype, found.sqlite3_errmsg.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
    for name in ("column_count", "stmt_readonly", "step", "finalize"):
        getattr(found, f"sqlite3_{name}").argtypes = [ctypes.c_void_p]
    found.sqlite3_prepare_v2.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int,
                                         ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_char_p)]
    found.sqlite3_exec.argtypes = [ctypes.c_void_p, ctypes.c_char_p, *[ctypes.c_void_p] * 3]
    found.sqlite3_error_offset.argtypes = [ctypes.c_void_p]
    found.sqlite3_set_authorizer.argtypes = [ctypes.c_void_p, AUTHORIZER, ctypes.c_void_p]
    found.sqlite3_db_config.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p]
    found.sqlite3_close.argtypes = [ctypes.c_void_p]
    return found


class Refused(Exception):
    """What SQLite says; `offset` is the byte of the text where, -1 if it does not say."""

    def __init__(self, text, offset):
        super().__init__(text)
        self.offset = offset


@dataclass
class Column:
    """Of a result. `table` and `origin` are empty for an expression."""

    name: str
    declared: str
    table: str
    origin: str


@dataclass
class Prepared:
    columns: list
    tables: set  # all that it reads or writes, views and what stands behind them
    written: set
    is_read_only: bool


@dataclass
class Table:
    is_view: bool
    columns: dict = field(default_factory=dict)  # name to (declared type, is not null)
    keys: list = field(default_factory=list)  # sets of columns in which no two rows are alike, as far as these have no null


class Scratch:
    def __init__(self):
        self.sqlite = library()
        self.database = ctypes.c_void_p()
        if self.sqlite.sqlite3_open(b":memory:", ctypes.byref(self.database)) != OK:
            raise OSError("sqlite: no database in memory")
        for option in (DQS_DML, DQS_DDL):
            self.sqlite.sqlite3_db_config(self.database, option, 0, None)
        self.seen = []
        self.authorizer = AUTHORIZER(self.authorize)  # kept, because SQLite calls it
        self.sqlite.sqlite3_set_authorizer(self.database, self.authorizer, None)

    def close(self):
        self.sqlite.sqlite3_close(self.database)

    def authorize(self, _, action, first, *__):
        if action in (READ, INSERT, DELETE, UPDATE) and first:
            self.seen.append((action, first.decode()))
        return OK

    def refused(self):
        offset = self.sqlite.sqlite3_error_offset(self.database)
        return Refused(self.sqlite.sqlite3_errmsg(self.database).decode(), offset)

    def execute(self, sql):
        """Several statements; Refused.offset is that of the one that failed."""
        if self.sqlite.sqlite3_exec(self.database, sql.encode(), None, None, None) != OK:
            raise self.refused()

    def is_complete(self, sql):
        return self.sqlite.sqlite3_complete(sql.encode()) == 1

    def statement(self, sql):
        handle = ctypes.c_void_p()
        if self.sqlite.sqlite3_prepare_v2(self.database, sql.encode(), -1, ctypes.byref(handle), None) != OK:
            raise self.refused()
        return handle

    def prepare(self, sql):
        self.seen = []
        handle = self.statement(sql)
        try:
            columns = []
            for at in range(self.sqlite.sqlite3_column_count(handle)):
                found = [(getattr(self.sqlite, f"sqlite3_column_{what}")(handle, at) or b"").decode()
                         for what in ("name", "decltype", "table_name", "origin_name")]
                columns.append(Column(*found))
            seen = list(self.seen)
            own = {name for _, name in seen if name.startswith(SYSTEM)} - self.made()
            tables = {name for _, name in seen} - own
            written = {name for action, name in seen if action != READ} - own
            return Prepared(columns, tables, written, bool(self.sqlite.sqlite3_stmt_readonly(handle)))
        finally:
            self.sqlite.sqlite3_finalize(handle)

    def made(self):
        """The tables and views that are called as SQLite's own."""
        return {name for name, in self.rows("select name from sqlite_schema where name glob 'json_*' or name glob 'pragma_*'")}

    def rows(self, sql):
        handle = self.statement(sql)
        try:
            found = []
            while self.sqlite.sqlite3_step(handle) == ROW:
                found.append([(self.sqlite.sqlite3_column_text(handle, at) or b"").decode()
                              for at in range(self.sqlite.sqlite3_column_count(handle))])
            return found
        finally:
            self.sqlite.sqlite3_finalize(handle)

    def tables(self):
        """Tables and views by name."""
        found = {}
        for name, kind in self.rows("select name, type from sqlite_schema where type in ('table', 'view')"):
            if name.startswith("sqlite_"):
                continue
            described = self.rows(f"select name, lower(type), \"notnull\", pk from pragma_table_info('{name}')")
            keys = [row for row in described if row[3] != "0"]
            table = Table(kind == "view")
            for column, declared, not_null, key in described:
                # The row's number has no null, though SQLite does not call it so.
                is_rowid = key != "0" and len(keys) == 1 and declared == "integer"
                table.columns[column] = (declared, not_null == "1" or is_rowid)
            table.keys = [{row[0] for row in keys}] if keys else []
            for index, in self.rows(f"select name from pragma_index_list('{name}') where \"unique\" and not partial"):
                columns = {column for column, in self.rows(f"select name from pragma_index_info('{index}')")}
                table.keys += [columns] if "" not in columns else []  # of an expression there is no name
            found[name] = table
        return found
