"""Tests of questions to the column store: run with `LOADSTONE_DUCKDB_LIBRARY=libduckdb.so python3 facts_test.py`."""

import os
import pathlib
import tempfile
import unittest

import emit_facts
import facts
import sqlgen
from lexer import SqlError

DUCKDB = pathlib.Path(os.environ["LOADSTONE_DUCKDB_LIBRARY"])
TABLES = """\
-- id: PersonId campus::a::PersonTag
-- type: PersonId visits.person days.person
create table visits (seen_at timestamp not null, person bigint not null, page text not null, seconds double, points bigint, is_first boolean not null);
create table days (person bigint not null, last_at timestamp, points bigint);
"""


class FactsTest(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.root = pathlib.Path(self.temporary.name)
        self.write("tables.sql", TABLES)

    def write(self, name, text):
        file = self.root / "campus/a/sql/facts" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def read(self, text):
        self.write("a.sql", text)
        return facts.Reader(self.root, "campus/a", DUCKDB).folder

    def function(self, text):
        (function,) = self.read(text).functions
        return function

    def columns(self, sql, stated=""):
        return {name: str(kind) for name, kind in self.function(f"-- name: x :many ()\n{stated}{sql}").signature.columns}

    def sent(self, text, dialect="duckdb"):
        return self.function(text).sent[0].texts[dialect]

    def generated(self, text):
        self.write("a.sql", text)
        return sqlgen.generated_of_facts(self.root, "campus/a", DUCKDB)

    def assert_error(self, text, line, what, file="a.sql"):
        with self.assertRaises(SqlError) as caught:
            emit_facts.Structs(self.read(text))
        error = str(caught.exception)
        self.assertTrue(error.startswith(f"campus/a/sql/facts/{file}:{line}: "), error)
        self.assertIn(what, error)


class Checked(FactsTest):
    def test_a_wrong_column_table_or_word_is_told_at_its_line(self):
        self.assert_error("-- name: x :many ()\nselect person,\n  pages\nfrom visits", 3, '"pages" not found')
        self.assert_error("-- name: x :many ()\nselect person -- which\n\nfrom visit", 4, "visit does not exist")
        self.assert_error("-- name: x :many ()\nselect person\nform visits", 3, "syntax error")
        self.assert_error("-- name: x :many ()\nselect person from visits\nwhere nosuch(page)", 3, "nosuch does not exist")

    def test_a_line_is_right_behind_an_array_and_a_fragment(self):
        self.assert_error("-- fragment: f\nselect person\nfrom visits\n\n-- name: x :many (ids PersonId[])\n{f}\n"
                          "where person {in ids}\n  and pages > 1", 8, '"pages" not found')

    def test_a_parameter_of_another_type_is_told_at_its_line(self):
        self.assert_error("-- name: x :many (a text)\nselect page from visits\nwhere seen_at > $a", 3, "'a' is text where visits.seen_at is timestamp")
        self.assert_error("-- name: x :many (a int)\nselect page from visits\nwhere person = $a", 3, "'a' is int where visits.person is PersonId")
        self.assert_error("-- name: x :many (a timestamp[])\nselect page from visits where\nperson {in a}", 3, "'a' is timestamp where")
        self.assert_error("-- name: x :many (a int)\nselect page from visits where\nseen_at + $a > seen_at", 3, "+(TIMESTAMP, BIGINT)")

    def test_parameters_must_be_known_and_used_in_both_dialects(self):
        self.assert_error("-- name: x :many (a text)\nselect page from visits where page = $b", 2, "$b is no parameter of 'x'")
        self.assert_error("-- name: x :many (a text)\n-- dialect: duckdb\nselect page from visits where page = $a\n"
                          "-- dialect: clickhouse\nselect page from visits", 1, "'x' does not use its parameter 'a'")
        self.assert_error("-- name: x :many (a text)\n-- dialect: duckdb\nselect page from visits where page = $a", 2, "no section for clickhouse")

    def test_only_reads(self):
        self.assert_error("-- name: x :many ()\ndelete from visits", 1, "a question only reads")
        self.assert_error("-- name: x :many ()\nshow tables", 2, "it must read or write rows")
        self.assert_error("-- name: x :exec ()\nselect page from visits", 1, "':exec' is not one of :one, :maybe, :many, :stream, :export")
        self.assert_error("-- name: x :page (seen_at) ()\nselect seen_at from visits", 1, "':page' is not one of")
        self.assert_error("-- name: x :many ()\nselect column0 from read_csv('/etc/passwd')", 2, "disabled")

    def test_is_typed(self):
        self.assert_error("-- name: x\nselect page from visits", 1, "'x' is not typed")
        self.assert_error("-- name: x :many (a bytes)\nselect page from visits where page = $a", 1, "the column store has no bytes")
        self.assert_error("-- name: x :many (a text[])\nselect page from visits where page {in a}", 1, "an array is of int, timestamp or ids")
        self.assert_error("-- name: x :many (file text)\nselect page from visits where page = $file", 1, "cannot be the name of a parameter")

    def test_clickhouse_gives_the_same_columns(self):
        text = "-- name: x :many ()\n-- dialect: duckdb\nselect person, page from visits\n-- dialect: clickhouse\nselect {}\nfrom visits"
        self.assert_error(text.format("person"), 5, "clickhouse gives 1 columns, duckdb 2")
        self.assert_error(text.format("person,\nperson as p"), 6, "clickhouse has 'p' where duckdb has 'page'")
        self.function(text.format('visits.person, lower(page) as "page"'))

    def test_tables_are_made_of_what_facts_have(self):
        for text, line, what in (("create table a (seen timestamptz);", 1, "a.seen is TIMESTAMP WITH TIME ZONE"),
                                 ("\ncreate table a (n bigint,);;\ncreate view b as select 1 as n", 3, "nothing but 'create table'"),
                                 ("create table a (n bigit)", 1, "bigit"),
                                 ("-- name: x\ncreate table a (n bigint)", 1, "which makes tables alone"),
                                 ("-- type: timestamp a.n\ncreate table a (n text)", 1, "a.n is text, which timestamp is not"),
                                 ("-- type: timestamp a.m\ncreate table a (n text)", 1, "there is no column a.m")):
            self.write("tables.sql", text)
            self.assert_error("-- name: x :many ()\nselect 1 as one", line, what, "tables.sql")
        (self.root / "campus/a/sql/facts/tables.sql").unlink()
        self.assert_error("-- name: x :many ()\nselect 1 as one", 1, "is missing", "tables.sql")


class Columns(FactsTest):
    def test_have_the_types_and_nulls_of_their_tables(self):
        self.assertEqual(self.columns("select seen_at, person as who, v.page, seconds, points, is_first, count(*) as n from visits as v group by all"),
                         {"seen_at": "timestamp", "who": "PersonId", "page": "text", "seconds": "real?", "points": "int?", "is_first": "bool", "n": "int"})
        self.assertEqual(self.columns('select "seen_at" from visits'), {"seen_at": "timestamp"})

    def test_of_expressions_are_stated_and_compared(self):
        self.assert_error("-- name: x :many ()\nselect\nsum(points) as total from visits", 3, "the type of 'total' is not known")
        self.assertEqual(self.columns("select sum(points) as total from visits", "-- column: total int?\n"), {"total": "int?"})
        self.assert_error("-- name: x :many ()\n-- column: mean int\nselect avg(points) as mean from visits", 1, "'mean' is int here and real in DuckDB")
        self.assert_error("-- name: x :many ()\n-- column: day int\nselect date_trunc('day', seen_at) as day from visits", 1, "'day' is int here and timestamp in DuckDB")
        self.assert_error("-- name: x :many ()\n-- column: l int\nselect [points] as l from visits", 1, "of a type that cannot be read")

    def test_of_an_inner_query_are_not_taken_for_a_tables(self):
        self.assert_error("-- name: x :many ()\nselect points from (select max(page) as points from visits)", 2, "the type of 'points' is not known")

    def test_of_two_tables_may_be_null_where_one_may(self):
        self.assertEqual(self.columns("select person, days.points, page from visits join days using (person)"),
                         {"person": "PersonId", "points": "int?", "page": "text"})
        self.assertEqual(self.columns("select d.person, page from visits as v left join days as d on d.person = v.person"),
                         {"person": "PersonId?", "page": "text"})

    def test_are_not_a_star(self):
        self.assert_error("-- name: x :many ()\nselect * from days", 2, "name the columns instead of *")


class Sent(FactsTest):
    def test_times_are_times_in_duckdb_and_numbers_in_clickhouse(self):
        text = "-- name: x :many (since timestamp, page text)\nselect page from visits where seen_at >= $since and page = $page"
        self.assertEqual(self.sent(text), "select page from visits where seen_at >= make_timestamp(cast($1 as bigint)) and page = cast($2 as varchar)")
        self.assertEqual(self.sent(text, "clickhouse"), "select page from visits where seen_at >= $1 and page = $2")

    def test_arrays_are_text(self):
        text = "-- name: x :many (ids PersonId[])\nselect page from visits where person {not in ids}"
        self.assertIn("person not in (select cast(of_array as bigint) from (select unnest(string_split(cast($1 as varchar), ','))", self.sent(text))
        self.assertIn("person not in (select toInt64(of_array) from (select arrayJoin(", self.sent(text, "clickhouse"))
        self.assert_error("-- name: x :many (ids PersonId[])\nselect page from visits {values ids}", 2, "none of {in ..}, {not in ..}, {rows ..}")

    def test_rows_are_a_subquery(self):
        text = "-- name: x :many (w Weight(who PersonId, since timestamp)[])\nselect page from visits join {rows w} as w on who = person and seen_at > since"
        self.assertIn("join (select cast(split_part(of_array, ':', 1) as bigint) as who, make_timestamp(cast(split_part(of_array, ':', 2) as bigint)) as since",
                      self.sent(text))
        self.assertIn("toInt64(splitByChar(':', of_array)[2]) as since", self.sent(text, "clickhouse"))


class Generated(FactsTest):
    def test_declares_by_cardinality(self):
        text = ""
        for name in ("one", "maybe", "many", "stream", "export"):
            text += f"-- name: ask_{name} :{name} (since timestamp?, ids PersonId[]) -> Visit\nselect seen_at, page from visits\n" \
                    "where ($since is null or seen_at > $since) and person {in ids}\n"
        header = self.generated(text)["facts_sql.h"]
        for declared in ("Task<loadstone::analytics::Single<Visit>> ask_one(\n    loadstone::runtime::Context& context,\n"
                         "    std::optional<loadstone::Timestamp> since,\n    std::span<const PersonId> ids);",
                         "Task<loadstone::analytics::Single<std::optional<Visit>>> ask_maybe(",
                         "Task<loadstone::analytics::Answer<Visit>> ask_many(",
                         "Task<loadstone::Timestamp> ask_stream(\n    loadstone::runtime::Context& context,\n"
                         "    loadstone::FunctionRef<void(const Visit&)> sink,",
                         "Task<loadstone::analytics::ExportedFile> ask_export(\n    loadstone::runtime::Context& context,\n    std::string file,"):
            self.assertIn(declared, header)
        self.assertEqual(header.count("struct Visit {"), 1)

    def test_an_export_names_its_times(self):
        source = self.generated("-- name: x :export ()\nselect seen_at, page from visits")["facts_sql.cc"]
        self.assertIn('.clickhouse_times = "seen_at"}', source)

    def test_rows_of_one_name_have_the_same_columns(self):
        self.assert_error("-- name: x :many () -> V\nselect seen_at from visits\n-- name: y :many () -> V\nselect page from visits", 3, "row 'V' has other columns")

    def test_structs_of_the_module_are_checked(self):
        source = self.generated("-- row: V campus/a/a.h\n-- name: x :many () -> V\nselect person, page from visits")["facts_sql.cc"]
        self.assertIn('static_assert(loadstone::analytics::has_members<V>({"person", "page"})', source)
        self.assertIn("static_assert(std::is_same_v<decltype(V::person), PersonId>", source)

    def test_tells_what_it_was_checked_against(self):
        source = self.generated("-- name: x :many ()\nselect page from visits")["facts_sql.cc"]
        self.assertIn('{.name = "days", .columns = "person:i last_at:m? points:i?"}', source)

    def test_is_the_same_each_time(self):
        text = "-- name: x :many ()\nselect page from visits"
        self.assertEqual(self.generated(text), self.generated(text))


class Nulls(FactsTest):
    def assert_null(self, sql, column, kind="int", parameters=""):
        text = f"-- name: x :many ({parameters})\n-- column: {column} {kind}\n{sql}"
        self.assert_error(text, 1, f"column '{column}' is null for some facts")
        self.read(text.replace(f"{column} {kind}\n", f"{column} {kind}?\n"))

    def test_what_is_null_without_facts_may_be_null(self):
        self.assert_null("select max(person) as latest from visits", "latest")
        self.assert_null("select sum(seconds) as s from visits where page = $page", "s", "real", "page text")

    def test_what_is_null_of_facts_with_nulls_may_be_null(self):
        self.assert_null("select points + 1 as more from visits", "more")
        self.assert_null("select person, max(seconds) as longest from visits where person = $who group by person", "longest", "real", "who PersonId")
        self.assert_null("select coalesce(last_at, null) as at from days where person {in people}", "at", "timestamp", "people PersonId[]")

    def test_what_is_null_where_other_facts_are_none_may_be_null(self):
        self.assert_null("select person, sum(points) filter (where page = 'x') as p from visits group by person", "p", "int", "")

    def test_what_is_never_null_is_not(self):
        self.columns("select count(*) as n, coalesce(sum(seconds), 0)::double as s from visits", "-- column: n int\n-- column: s real\n")
        self.columns("select max(points) as p from visits where points is not null group by person", "-- column: p int\n")

    def test_what_fails_of_these_facts_is_left(self):
        self.columns("select cast(page || 'x' as bigint) as p from visits", "-- column: p int\n")


if __name__ == "__main__":
    unittest.main()
