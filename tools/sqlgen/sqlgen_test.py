"""Tests of files, texts, migrations and the program: run with `python3 sqlgen_test.py`. typed_test.py has typed statements."""

import contextlib
import io
import os
import pathlib
import tempfile
import unittest

import emit
import emit_source
import folder as folders
import sqlgen
from lexer import SqlError
from statements import DIALECTS


class SqlgenTest(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.root = pathlib.Path(self.temporary.name)

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def header(self, text, folder="campus/accounts"):
        """Of statements that nothing is prepared for."""
        self.write(f"{folder}/sql/users.sql", text)
        return emit.header(folders.Reader(self.root, folder, is_checked=False).folder)

    def error(self, text, folder="campus/accounts"):
        with self.assertRaises(SqlError) as caught:
            self.header(text, folder)
        return str(caught.exception)

    def statement(self, sql):
        """The (kind, sqlite text, postgres text, parameters) of one statement, literals joined."""
        header = self.header("-- name: it\n" + sql).replace('"\n        "', "")
        kind = "Command" if "store::Command it" in header else "Query"
        texts = {}
        for dialect in DIALECTS:
            line = header.split(f".{dialect} = ", 1)[1].split("\n    .", 1)[0]
            texts[dialect] = line.strip().removesuffix(",").removeprefix('"').removesuffix('"')
        parameters = int(header.split(".parameters = ", 1)[1].split("}", 1)[0])
        return kind, texts["sqlite"], texts["postgres"], parameters


class Header(SqlgenTest):
    def test_names_namespace_and_fields(self):
        self.assertEqual(self.header("-- name: user_by_id\nselect id\nfrom users\n  where id = $1;\n"), """\
// Generated from campus/accounts/sql by tools/sqlgen.
#pragma once

#include "loadstone/store/statement.h"

namespace campus::accounts::sql {

inline constexpr loadstone::store::Query user_by_id{
    .name = "accounts.user_by_id",
    .sqlite = "select id from users where id = ?1",
    .postgres = "select id from users where id = $1",
    .parameters = 1};

}  // namespace campus::accounts::sql
""")

    def test_files_and_statements_keep_a_fixed_order(self):
        self.write("campus/accounts/sql/b.sql", "-- name: z\nselect 1\n-- name: a\nselect 2\n")
        self.write("campus/accounts/sql/a.sql", "-- name: m\nselect 3\n")
        header = emit.header(folders.Reader(self.root, "campus/accounts", is_checked=False).folder)
        self.assertEqual([header.index(f"Query {n}{{") for n in "mza"],
                         sorted(header.index(f"Query {n}{{") for n in "mza"))

    def test_dialects_stand_side_by_side(self):
        kind, sqlite, postgres, parameters = self.statement(
            "-- dialect: sqlite\nselect $2, $1\n-- dialect: postgres\nselect $1::int, $2::int for update\n")
        self.assertEqual((kind, sqlite, postgres, parameters),
                         ("Command", "select ?2, ?1", "select $1::int, $2::int for update", 2))

    def test_long_texts_are_broken_between_words(self):
        columns = ", ".join(f"column_{i}" for i in range(40))
        header = self.header(f"-- name: wide\nselect {columns} from t")
        self.assertLess(max(len(line) for line in header.split("\n")), 101)
        self.assertIn(f"select {columns} from t", header.replace('"\n        "', ""))

    def test_unchanged_output_is_not_written(self):
        path = self.root / "out" / "sql.h"
        self.assertTrue(sqlgen.write_if_changed(path, "a"))
        self.assertFalse(sqlgen.write_if_changed(path, "a"))
        self.assertTrue(sqlgen.write_if_changed(path, "b"))


class Text(SqlgenTest):
    def test_space_and_comments_collapse(self):
        sql = "select a, -- the first\n  b /* and\n /* nested */ more */\nfrom t\n  where ( x in ( 1 , 2 ) )\n;\n"
        self.assertEqual(self.statement(sql)[1], "select a, b from t where (x in (1, 2))")

    def test_literals_and_quoted_names_stay_as_they_are(self):
        sql = "select 'it''s  $1 -- no', \"a  $2\", `b  $3`, $1"
        self.assertEqual(self.statement(sql)[1], "select 'it''s  $1 -- no', \\\"a  $2\\\", `b  $3`, ?1")

    def test_postgres_strings_hide_parameters(self):
        sql = "-- dialect: sqlite\nselect $1\n-- dialect: postgres\nselect e'\\'$2', $f$ $3 $$ $f$, $$ $4 $$, $1"
        self.assertEqual(self.statement(sql)[3], 1)
        self.assertIn("$f$ $3 $$ $f$", self.statement(sql)[2])

    def test_a_directive_inside_a_literal_is_text(self):
        self.assertEqual(self.statement("select '\n-- name: no\n-- dialect: none\n'")[1],
                         "select '\\n-- name: no\\n-- dialect: none\\n'")

    def test_a_dollar_inside_a_word_is_no_parameter(self):
        self.assertEqual(self.statement("select a$1 from t")[3], 0)

    def test_backslashes_and_quotes_are_escaped_for_cpp(self):
        self.assertEqual(self.statement("select '\\', '\"', '\t'")[1], "select '\\\\', '\\\"', '\\t'")

    def test_repeated_parameters_count_once(self):
        self.assertEqual(self.statement("select $1, $2, $1")[3], 2)


class Kind(SqlgenTest):
    def test_reads(self):
        for sql in ("select 1", "with x as (select 1) select * from x", "values (1)", "(select 1)",
                    "select replace(a, 'b', 'c') from t", "select 'delete' from t", 'select "update" from t',
                    "select deleted, updated_at from t", "select 1 -- update\n", "pragma table_info(x)",
                    "select substring(a from 1 for 2) from t"):
            self.assertEqual(self.statement(sql)[0], "Query", sql)

    def test_writes(self):
        for sql in ("insert into t values (1)", "UPDATE t set a = 1", "delete from t", "replace into t values (1)",
                    "with x as (delete from t returning a) select * from x", "select 1 from t for update",
                    "select 1 from t for no key update", "select 1 from t for share", "select 1 from t for key share",
                    "insert or replace into t values (1)", "create table t (a int)", "vacuum", "notify x"):
            self.assertEqual(self.statement(sql)[0], "Command", sql)


class Errors(SqlgenTest):
    def test_each_names_the_file_and_line(self):
        cases = [
            ("select 1\n-- name: a\nselect 2", 1, "SQL before"),
            ("-- dialect: sqlite\n-- name: a\nselect 2", 1, "before the first '-- name:'"),
            ("-- name: CamelCase\nselect 1", 1, "'CamelCase' is not a snake_case name"),
            ("-- name: delete\ndelete from t", 1, "C++ constant"),
            ("-- name: a\n\n-- name: b\nselect 1", 1, "'a' is empty"),
            ("-- name: a\nselect 1\n-- name: a\nselect 2", 3, "already defined at campus/accounts/sql/users.sql:1"),
            ("-- name: a\nselect 1;\nselect 2", 3, "a second statement"),
            ("-- name: a :exec\n-- all of it\ndrop table users", 3, "'a' begins with drop"),
            ("-- name: a :exec\nbegin", 2, "'a' begins with begin"),
            ("-- name: a :exec\nattach 'x' as y", 2, "'a' begins with attach"),
            ("-- name: a\n-- dialect: mysql\nselect 1", 2, "'mysql' is not one of sqlite, postgres"),
            ("-- name: a\nselect 1\n-- dialect: sqlite\nselect 1", 3, "before the first '-- dialect:'"),
            ("-- name: a\n-- dialect: sqlite\nselect 1", 2, "no section for postgres"),
            ("-- name: a\n-- dialect: sqlite\n-- dialect: postgres\nselect 1", 2, "for sqlite is empty"),
            ("-- name: a\n-- dialect: sqlite\nselect 1\n-- dialect: sqlite\nselect 1", 4, "a second section"),
            ("-- name: a\nselect\n$2", 3, "uses $2 but not $1"),
            ("-- name: a\nselect $0", 2, "$0 in 'a' is not in 1..999"),
            ("-- name: a\nselect $1000", 2, "$1000 in 'a' is not in 1..999"),
            ("-- name: a\nselect ?", 2, "write parameters as $1"),
            ("-- name: a\nselect 'x", 2, "a ' is never closed"),
            ("-- name: a\nselect /* x", 2, "comment is never closed"),
            ("-- name: a\n-- dialect: sqlite\nselect $1\n-- dialect: postgres\nselect 1", 1,
             "1 parameters on sqlite and 0 on postgres"),
            ("-- just a comment\n", 1, "no '-- name:'"),
        ]
        for text, line, what in cases:
            with self.subTest(text=text):
                error = self.error(text)
                self.assertTrue(error.startswith(f"campus/accounts/sql/users.sql:{line}: "), error)
                self.assertIn(what, error)

    def test_parameters_max_itself_is_accepted(self):
        self.assertEqual(self.statement("select " + ", ".join(f"${i}" for i in range(1, 1000)))[3], 999)


class Migrations(SqlgenTest):
    def migrations(self, files):
        for name, text in files.items():
            self.write(f"loadstone/jobs/sql/migrations/{name}", text)
        return emit_source.source(folders.Reader(self.root, "loadstone/jobs", is_checked=False).folder)

    def error_of(self, files):
        with self.assertRaises(SqlError) as caught:
            self.migrations(files)
        return str(caught.exception)

    def test_are_listed_in_order_with_several_statements(self):
        header = self.migrations({
            "0002_add_lease.sql": "-- dialect: sqlite\nalter table a add b;\n-- dialect: postgres\nalter table a add b int;\n",
            "0001_jobs.sql": "create table a (x int); -- one\ncreate index i on a (x);\n"})
        self.assertIn("""\
namespace loadstone::jobs::sql {

constinit const loadstone::store::Migration migrations[2] = {
    {.number = 1,
     .title = "jobs",
     .sqlite = "create table a (x int); create index i on a (x);",
     .postgres = "create table a (x int); create index i on a (x);"},
    {.number = 2,
     .title = "add lease",
     .sqlite = "alter table a add b;",
     .postgres = "alter table a add b int;"},
};
""", header)

    def test_numbers_have_no_gap(self):
        self.assertIn("0003_c.sql:1: migration 0003 where 0002 is expected",
                      self.error_of({"0001_a.sql": "select 1", "0003_c.sql": "select 1"}))

    def test_start_at_one(self):
        self.assertIn("0001 is expected", self.error_of({"0002_a.sql": "select 1"}))

    def test_numbers_are_not_used_twice(self):
        self.assertIn("0002 is expected", self.error_of({"0001_a.sql": "select 1", "0001_b.sql": "select 1"}))

    def test_file_names_are_checked(self):
        self.assertIn("NNNN_title.sql", self.error_of({"1_a.sql": "select 1"}))

    def test_take_no_names_and_no_parameters(self):
        self.assertIn(":1: '-- name:' in a migration", self.error_of({"0001_a.sql": "-- name: a\nselect 1"}))
        self.assertIn(":2: a migration takes no parameters", self.error_of({"0001_a.sql": "select\n$1"}))

    def test_are_not_empty(self):
        self.assertIn("empty", self.error_of({"0001_a.sql": "-- nothing\n"}))


class Program(SqlgenTest):
    def setUp(self):
        super().setUp()
        self.write("campus/a/sql/migrations/0001_a.sql", "create table a_things (id integer primary key, name text not null);\n")
        self.write("campus/a/sql/x.sql", "-- name: names\nselect name from a_things\n")
        self.out = self.root / "gen/campus/a"

    def run_program(self):
        arguments = ["--root", str(self.root), "--folder", "campus/a", "--out", str(self.out)]
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors):
            status = sqlgen.main(arguments)
        return status, errors.getvalue()

    def test_writes_its_files(self):
        self.assertEqual(self.run_program(), (0, ""))
        self.assertEqual(sorted(path.name for path in self.out.iterdir()),
                         ["sql.cc", "sql.d", "sql.h", "sql.json", "sql_accesses.h", "sql_all.h"])
        self.assertIn("campus::a::sql", (self.out / "sql.h").read_text(encoding="utf-8"))

    def test_writes_only_what_changes(self):
        self.run_program()
        for path in self.out.iterdir():
            os.utime(path, (1, 1))
        self.write("campus/a/sql/x.sql", "-- name: names\nselect name from a_things where true\n")
        self.run_program()
        changed = {path.name for path in self.out.iterdir() if path.stat().st_mtime != 1}
        self.assertEqual(changed, {"sql.h", "sql.json"})

    def test_says_what_it_has_read(self):
        self.write("campus/b/sql/migrations/0001_b.sql", "create table b_things (id integer primary key);\n")
        self.write("campus/a/module.cc", 'Module module() { return {.depends_on = {"b"}}; }\n')
        self.run_program()
        read = (self.out / "sql.d").read_text(encoding="utf-8")
        for path in ("a/module.cc", "a/sql/x.sql", "a/sql/migrations/0001_a.sql", "b/sql/migrations/0001_b.sql"):
            self.assertIn(str(self.root / "campus" / path), read)

    def test_reports_errors_by_exit_status(self):
        self.write("campus/a/sql/x.sql", "-- name: names\nselect\n  nome from a_things\n")
        self.assertEqual(self.run_program(), (1, "campus/a/sql/x.sql:3: no such column: nome\n"))
        self.assertFalse(self.out.exists())


if __name__ == "__main__":
    unittest.main()
