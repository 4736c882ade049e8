"""Tests of typed statements: run with `python3 typed_test.py`."""

import pathlib
import re
import tempfile
import unittest

import emit
import emit_source
import folder as folders
from lexer import SqlError

TABLES = """
create table people (
    id integer primary key,
    name text not null,
    email text,
    score real not null,
    photo blob,
    joined_at integer not null
);
create table notes (
    person_id integer not null,
    number integer not null,
    body text,
    primary key (person_id, number)
) without rowid;
"""
HEAD = "-- id: PersonId campus::a::PersonTag\n-- type: PersonId people.id notes.person_id\n-- type: timestamp people.joined_at\n"


# Statistics name the place where a function is called.
PLACE = "std::source_location called_from = std::source_location::current())"


class TypedTest(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.root = pathlib.Path(self.temporary.name)
        self.write("campus/a/sql/migrations/0001_tables.sql", TABLES)
        self.write("campus/b/sql/migrations/0001_tables.sql", "create table secrets (id integer primary key, word text not null);")

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def read(self, text):
        self.write("campus/a/sql/a.sql", HEAD + text)
        return folders.Reader(self.root, "campus/a").folder

    def header(self, text):
        """With each declaration in one line."""
        return re.sub(r"([(,])\n +", lambda match: match.group(1).replace(",", ", "), emit.header(self.read(text)))

    def function(self, text):
        (function,) = self.read(text).functions
        return function

    def columns(self, text):
        """{name: type} as the .sql file calls them."""
        return {name: str(kind) for name, kind in self.function(text).signature.columns}

    def sent(self, text, dialect, at=0):
        return self.function(text).sent[at].texts[dialect]

    def assert_error(self, text, line, what):
        """`line` counts from the first line of `text`."""
        with self.assertRaises(SqlError) as caught:
            emit.Structs(self.read(text))
        error = str(caught.exception)
        self.assertTrue(error.startswith(f"campus/a/sql/a.sql:{line + HEAD.count(chr(10))}: "), error)
        self.assertIn(what, error)


class Schema(TypedTest):
    def test_a_wrong_column_is_told_at_its_line(self):
        self.assert_error("-- name: x :many ()\nselect id,\n  nome\nfrom people", 3, "no such column: nome")
        self.assert_error("-- name: x :exec (name text)\nupdate people\nset nome = $name", 3, "no such column: nome")
        self.assert_error("-- name: x :exec (n text)\ninsert into people (id,\nnome) values (1, $n)", 3, "no column named nome")

    def test_a_wrong_column_in_quotes_is_no_text(self):
        self.assert_error('-- name: x :many ()\nselect id from people\nwhere "nome" = \'Ada\'', 3, "no such column: nome")

    def test_a_wrong_table_is_told_at_its_line(self):
        self.assert_error("-- name: x :many ()\nselect id\nfrom persons", 3, "no such table: persons")

    def test_bad_grammar_is_told_at_its_line(self):
        self.assert_error("-- name: x :many ()\nselect id\nform people", 3, 'near "people": syntax error')

    def test_a_table_of_a_module_that_is_not_depended_on(self):
        self.assert_error("-- name: x :many ()\nselect word\nfrom secrets", 3, "'secrets' belongs to campus/b, which this module does not")

    def test_a_table_of_a_module_that_is_depended_on(self):
        self.write("campus/a/module.cc", 'Module module() { return {.depends_on = {"b"}}; }\n')
        for sql in ("select word\nfrom secrets", "select id from people\nwhere id in (select id from secrets)"):
            self.assert_error(f"-- name: x :many ()\n{sql}", 3, "'secrets' belongs to campus/b: call a")
        self.assert_error("-- name: x :exec ()\ndelete\nfrom secrets", 3, "'secrets' belongs to campus/b: call a")

    def test_tables_that_are_called_as_sqlites_own_are_none(self):
        self.write("campus/a/module.cc", 'Module module() { return {.depends_on = {"b"}}; }\n')
        for name in ("json_words", "pragma_words"):
            self.write("campus/b/sql/migrations/0001_tables.sql", f"create table {name} (id integer primary key, word text not null);")
            self.assert_error(f"-- name: x :many ()\nselect word\nfrom {name}", 3, f"'{name}' belongs to campus/b: call a")
            self.write("campus/b/sql/migrations/0001_tables.sql", "create table secrets (id integer);")
            self.write("campus/a/sql/migrations/0002_more.sql", f"create table {name} (id integer primary key, word text not null);")
            (access,) = self.function(f"-- name: x :many ()\nselect word from {name}, json_each('[1]')").sent[0].accesses
            self.assertEqual(access.table, name)

    def test_a_table_of_another_module_in_the_text_for_postgres(self):
        self.write("campus/a/module.cc", 'Module module() { return {.depends_on = {"b"}}; }\n')
        text = "-- name: x{}\n-- dialect: sqlite\nselect {} from people\n-- dialect: postgres\nselect {}\nfrom {}"
        for header in ("", " :many ()"):
            for source in ("secrets as people", "people where id in (select id from Secrets)", "people join secrets on true"):
                self.assert_error(text.format(header, "name", "name", source), 6, "'secrets' belongs to campus/b: call a")
            self.read(text.format(header, "id, name", "id, name", "people as secrets where secrets.id > 3"))

    def test_statements_that_are_not_typed_are_prepared_too(self):
        self.assert_error("-- name: x\nselect id\nfrom persons where id = $1", 3, "no such table: persons")
        self.assert_error("-- name: x\nselect id from people where id = $id", 2, "'x' is not typed")

    def test_only_the_postgres_text_may_have_what_sqlite_lacks(self):
        text = "-- name: x :many ()\n-- dialect: sqlite\nselect id from people\n-- dialect: postgres\nselect id from people {}"
        self.assertTrue(self.function(text.format("for update skip locked")).writes)
        self.assertFalse(self.function(text.format("order by id using >")).writes)

    def test_a_migration_that_fails_is_told_at_its_line(self):
        self.write("campus/a/sql/migrations/0002_more.sql", "create index people_by_name on people (name);\n\ncreate index i on people\n  (nome);\n")
        with self.assertRaises(SqlError) as caught:
            self.read("-- name: x :many ()\nselect id from people")
        self.assertRegex(str(caught.exception), r"^campus/a/sql/migrations/0002_more.sql:[34]: .*nome")

    def test_a_trigger_is_one_statement(self):
        self.write("campus/a/sql/migrations/0002_more.sql",
                   "create trigger t after delete on people begin delete from notes where person_id = old.id; select 1; end;\n")
        self.assertEqual(self.columns("-- name: x :many ()\nselect name from people"), {"name": "text"})

    def test_types_of_columns_are_checked(self):
        for line, what in (("-- type: PersonId people.idd", "no column people.idd"),
                           ("-- type: PersonId people.name", "people.name is text, which PersonId is not"),
                           ("-- type: Nobody people.id", "no type 'Nobody'")):
            self.assert_error(line + "\n-- name: x :many ()\nselect 1 as one", 1, what)


class Columns(TypedTest):
    def test_have_the_types_and_nulls_of_their_tables(self):
        self.assertEqual(self.columns("-- name: x :many ()\nselect id, name, email, score, photo, joined_at from people"),
                         {"id": "PersonId", "name": "text", "email": "text?", "score": "real", "photo": "bytes?",
                          "joined_at": "timestamp"})

    def test_go_through_subqueries_and_withs(self):
        self.assertEqual(self.columns("-- name: x :many ()\nwith c as (select id, email from people) select c.id, c.email from c"),
                         {"id": "PersonId", "email": "text?"})

    def test_of_an_outer_join_may_be_null(self):
        text = "-- name: x :many ()\nselect p.name, n.number from people as p {} join notes as n on n.person_id = p.id"
        self.assertEqual(self.columns(text.format("left")), {"name": "text", "number": "int?"})
        self.assertEqual(self.columns(text.format("left outer")), {"name": "text", "number": "int?"})
        self.assertEqual(self.columns(text.format("inner")), {"name": "text", "number": "int"})
        self.assertEqual(self.columns(text.format("right")), {"name": "text?", "number": "int?"})
        self.assertEqual(self.columns(text.format("full")), {"name": "text?", "number": "int?"})

    def test_of_an_outer_join_with_a_subquery_or_with_may_be_null(self):
        self.assertEqual(self.columns("-- name: x :many ()\nselect p.name, n.number from people as p left join "
                                      "(select person_id, number from notes) as n on n.person_id = p.id"),
                         {"name": "text", "number": "int?"})
        self.assertEqual(self.columns("-- name: x :many ()\nwith n as (select person_id, number from notes) "
                                      "select p.name, n.number from people as p left join n on n.person_id = p.id"),
                         {"name": "text?", "number": "int?"})

    def test_of_an_outer_join_can_be_stated(self):
        self.assertEqual(self.columns("-- name: x :many ()\n-- column: number int\nselect p.name, n.number from people as p "
                                      "left join notes as n on n.person_id = p.id where n.number > 0"),
                         {"name": "text", "number": "int"})

    def test_of_a_value_from_a_subquery_within_another_may_be_null(self):
        for sql in ("select x.n from (select (select name from people where id = 5) as n) as x",
                    "with x as (select 1 as one, (select name from people where id = 5) as n) select n from x"):
            self.assertEqual(list(self.columns(f"-- name: x :many ()\n{sql}").values()), ["text?"])
        for sql in ("select name from people where id in (select id from people)",
                    "select name from people where id = (select p.id from (select id, (name) from people) as p)",
                    "insert into people (name, score, joined_at) values ('a', 1, (select max(number) from notes)) returning name"):
            self.assertEqual(list(self.columns(f"-- name: x :many ()\n{sql}").values()), ["text"])

    def test_expressions_must_be_stated(self):
        for sql in ("select max(score) as top from people", "select (select name from people) as top",
                    "select name as top from people union select body from notes"):
            self.assert_error(f"-- name: x :many ()\n{sql}", 2, "the type of 'top' is not known")
        self.assertEqual(self.columns("-- name: x :one ()\n-- column: top real?\nselect max(score) as top from people"),
                         {"top": "real?"})

    def test_of_a_view_must_be_stated(self):
        self.write("campus/a/sql/migrations/0002_view.sql", "create view numbers as select p.id, n.number from people as p "
                                                            "left join notes as n on n.person_id = p.id;")
        text = "-- name: x :many ()\n{}select number from numbers"
        self.assert_error(text.format(""), 2, "the type of 'number' is not known")
        self.assertEqual(self.columns(text.format("-- column: number int?\n")), {"number": "int?"})

    def test_counts_are_known(self):
        self.assertEqual(list(self.columns("-- name: x :one ()\nselect count(*) from people").values()), ["int"])
        self.assertEqual(self.columns("-- name: x :one () -> Counts\nselect count(*) as people, count(email) as mails from people"),
                         {"people": "int", "mails": "int"})

    def test_what_a_count_is_part_of_must_be_stated(self):
        for item in ("count(*) - (select max(number) from notes)", "count(*) * (0.5)", "count(*) || ('x')", "count(*) + count(*)", "count(*) - 1"):
            for name in ("as n", "n", ""):
                self.assert_error(f"-- name: x :one ()\nselect {item} {name} from people", 2, "the type of")
        for item in ("count(*) filter (where id > 3)", "count(*) over (partition by name)", "count(*) over w", "count(*) filter (where id > 3) over w"):
            for name in ("as n", "n"):
                self.assertEqual(self.columns(f"-- name: x :one () -> N\nselect {item} {name} from people window w as (order by id)"), {"n": "int"})

    def test_are_what_both_texts_say(self):
        text = "-- name: x :many ()\n{}-- dialect: sqlite\nselect p.name, n.number from people as p join notes as n on n.person_id = p.id\n" \
               "-- dialect: postgres\nselect {} from people as p {} notes as n on n.person_id = p.id {}"
        self.assertEqual(self.columns(text.format("", "p.name, n.number", "join", "")), {"name": "text", "number": "int"})
        self.assertEqual(self.columns(text.format("", "p.name, n.number", "left join", "")), {"name": "text", "number": "int?"})
        self.assertEqual(self.columns(text.format("", "p.name, n.number", "join", "group by rollup (p.name, n.number)")), {"name": "text?", "number": "int?"})
        for end in ("group by grouping sets ((name), (number))", "group by cube (name, number)"):
            self.assertEqual(self.columns(text.format("", "p.name, n.number", "join", end)), {"name": "text?", "number": "int?"})
        for items in ("max(p.name) as name, n.number", "null as name, n.number", "p.name || '' name, n.number"):
            self.assert_error(text.format("", items, "join", ""), 3, "the type of 'name' is not known")
            self.assertEqual(self.columns(text.format("-- column: name text?\n", items, "join", "")), {"name": "text?", "number": "int"})
        self.assert_error(text.format("", "p.name, n.number", "join", "union select '', 1"), 3, "the type of 'name' is not known")

    def test_of_returning_are_those_of_the_table(self):
        self.assertEqual(self.columns("-- name: x :one (name text)\nupdate people set name = $name returning id, email"),
                         {"id": "PersonId", "email": "text?"})

    def test_stated_types_must_fit(self):
        self.assert_error("-- name: x :many ()\n-- column: name int\nselect name from people", 2, "'name' is stated as int where people has text")
        self.assert_error("-- name: x :many ()\n-- column: nome int\nselect name from people", 2, "there is no column 'nome'")
        self.assert_error("-- name: x :many ()\n-- column: name number\nselect name from people", 2, "there is no type 'number'")
        self.assertEqual(self.columns("-- name: x :many ()\n-- column: number bool\nselect number from notes"), {"number": "bool"})

    def test_have_names(self):
        self.assert_error("-- name: x :many ()\nselect id, count(*) from people group by id", 2, "name it with 'as'")
        self.assert_error("-- name: x :many ()\nselect id, name as id from people", 2, "two columns are called 'id'")
        self.assert_error("-- name: x :many ()\nselect * from people", 2, "name the columns instead of *")

    def test_rows_of_one_name_have_the_same_columns(self):
        one = "-- name: x :maybe (id PersonId) -> Person\nselect id, name from people where id = $id\n"
        self.assertEqual(self.header(one + "-- name: y :many () -> Person\nselect id, name from people").count("struct Person {"), 1)
        self.assert_error(one + "-- name: y :many () -> Person\nselect id from people", 3, "row 'Person' has other columns at campus/a/sql/a.sql:4")


class Parameters(TypedTest):
    def test_of_the_wrong_type_are_told_at_their_line(self):
        for signature, sql, line, what in (
                ("(id int)", "select name from people\nwhere id = $id", 3, "'id' is int where people.id is PersonId"),
                ("(since int)", "select name from people as p\nwhere p.joined_at >= $since", 3, "'since' is int where people.joined_at is timestamp"),
                ("(count text)", "select name from people\nlimit $count", 3, "'count' is text where limit is int"),
                ("(names int[])", "select name from people\nwhere name {in names}", 3, "'names' is int where people.name is text")):
            self.assert_error(f"-- name: x :many {signature}\n{sql}", line, what)
        self.assert_error("-- name: x :exec (n int, b text)\ninsert into notes (person_id, number, body)\nvalues (1, $b, $n)",
                          3, "'b' is text where notes.number is int")
        self.assert_error("-- name: x :exec (n int?)\ninsert into notes (person_id, number)\nvalues (1, $n)", 3, "may be null where")
        self.assert_error("-- name: x :exec (n real)\nupdate notes\nset number = $n", 3, "'n' is real where notes.number is int")

    def test_of_the_wrong_type_are_told_wherever_they_meet_a_column(self):
        for condition in ("$id = person_id", "$id = n.person_id", "person_id in (5, $id)", "n.person_id not in ($id)",
                          "person_id between $id and 7", "person_id not between 5 and $id", "person_id is not $id",
                          "(number, n.person_id) = (5, $id)", "(person_id, number) > ($id, 5)"):
            self.assert_error(f"-- name: x :many (id int)\nselect number from notes as n\nwhere {condition}", 3, "'id' is int where")
        for condition in ("$id = number + 1", "$id + number = person_id", "number in ($id)", "number between $id and person_id",
                          "(number, person_id) = ($id, 5)"):
            self.function(f"-- name: x :many (id int)\nselect body from notes where {condition}")

    def test_of_inserts_are_compared_in_each_row(self):
        insert = "-- name: x :exec ({})\ninsert into notes (person_id, number)\n{}"
        for parameters, rows in (("n text", "values (1, 2), (1, $n)"), ("n text", "select id, $n from people where id = 5"),
                                 ("n (size text)[]", "select 1, r.size from {rows n} as r where true")):
            self.assert_error(insert.format(parameters, rows), 3, "is text where notes.number is int")
        for parameters, rows in (("n int", "values (1, 2), (1, $n)"), ("n int", "select id, $n from people where id = 5"),
                                 ("n (size int)[]", "select 1, r.size from {rows n} as r where true"),
                                 ("n text", "select id, length($n) from people")):
            self.function(insert.format(parameters, rows))

    def test_are_declared_and_used(self):
        self.assert_error("-- name: x :many (id PersonId)\nselect name from people", 1, "does not use its parameter 'id'")
        self.assert_error("-- name: x :many ()\nselect name from people\nwhere id = $id", 3, "$id is no parameter of 'x'")
        self.assert_error("-- name: x :many ()\nselect name from people\nwhere id = $1", 3, "write $1 by its name")
        self.assert_error("-- name: x :many (a int, a int)\nselect name from people where id = $a", 1, "two parameters are called 'a'")
        self.assert_error("-- name: x :many (class int)\nselect name from people where id = $class", 1, "'class' cannot be the name")
        self.assert_error("-- name: x :many (id number)\nselect name from people where id = $id", 1, "there is no type 'number'")

    def test_have_numbers_in_the_order_of_the_line(self):
        text = "-- name: x :many (a text, b timestamp)\nselect id from people where joined_at > $b and (name = $a or email = $a)"
        self.assertEqual(self.sent(text, "sqlite"), "select id from people where joined_at > ?2 and (name = ?1 or email = ?1)")
        self.assertEqual(self.sent(text, "postgres"), "select id from people where joined_at > $2 and (name = $1 or email = $1)")

    def test_arrays_are_json_on_both(self):
        text = "-- name: x :many (ids PersonId[])\nselect name from people where id {in ids}"
        self.assertEqual(self.sent(text, "sqlite"), "select name from people where id in (select value from json_each(?1))")
        self.assertEqual(self.sent(text, "postgres"), "select name from people where id = any (array(select "
                                                      "(json_array_elements_text($1::json))::bigint))")
        self.assertIn("std::span<const PersonId> ids", self.header(text))
        self.assertIn("<> all", self.sent(text.replace("{in", "{not in"), "postgres"))
        self.assert_error("-- name: x :many (id PersonId)\nselect name from people\nwhere id {in id}", 3, "there is no array 'id'")
        self.assert_error("-- name: x :many (ids PersonId[])\nselect name from people\nwhere id {on ids}", 3, "is none of {in ..}")

    def test_bulk_inserts_take_a_range_of_rows(self):
        text = "-- name: add_notes :exec (notes (person PersonId, number int, body text?)[])\n" \
               "insert into notes (person_id, number, body)\n{values notes}\non conflict do nothing"
        header = self.header(text)
        self.assertIn("struct AddNotesNotes {\n    PersonId person;\n    std::int64_t number = 0;\n    std::optional<std::string> body;", header)
        self.assertIn("add_notes(loadstone::store::Tx& tx, std::span<const AddNotesNotes> notes, " + PLACE, header)
        self.assertIn("json_extract(value, '$[2]') as body from json_each(?1)) as notes where true on conflict", self.sent(text, "sqlite"))
        self.assertIn("e ->> 2 as body", self.sent(text, "postgres"))
        self.assert_error(text.replace("number int", "number text"), 3, "'notes.number' is text where notes.number is int")
        self.assert_error(text.replace(", body text?", ""), 1, "2 values for 3 columns")
        named = text.replace("(notes (person", "(notes Written(person")
        self.assertIn("std::span<const Written> notes", self.header(named))
        folder = self.read("-- row: Written campus/a/a.h\n" + named)
        self.assertIn("namespace campus::a {\nstruct PersonTag;\nstruct Written;", emit.header(folder))
        self.assertIn("decltype(Written::body), std::optional<std::string>>", emit_source.source(folder))


class Cardinality(TypedTest):
    def test_gives_the_result(self):
        for cardinality, result in (("one", "Task<PersonId> x("), ("maybe", "Task<std::optional<PersonId>> x("),
                                    ("many", "Task<std::vector<PersonId>> x("), ("stream", "Task<std::uint64_t> x(")):
            self.assertIn(result, self.header(f"-- name: x :{cardinality} ()\nselect id from people"))
        self.assertIn("FunctionRef<void(const PersonId&)> sink", self.header("-- name: x :stream ()\nselect id from people"))

    def test_writes_take_tx_and_reads_reader(self):
        self.assertIn("x(loadstone::store::Reader reader, " + PLACE, self.header("-- name: x :many ()\nselect id from people"))
        self.assertIn("x(loadstone::store::Tx& tx, " + PLACE, self.header("-- name: x :exec ()\ndelete from people"))
        self.assertIn("x(loadstone::store::Tx& tx, " + PLACE, self.header("-- name: x :many ()\ndelete from people returning id"))

    def test_must_fit_the_statement(self):
        self.assert_error("-- name: x :exec ()\nselect id from people", 1, "gives rows")
        self.assert_error("-- name: x :many ()\ndelete from people", 1, "gives no row: it is :exec")
        self.assert_error("-- name: x :stream ()\ndelete from people returning id", 1, "writes or locks rows")
        self.assert_error("-- name: x :few ()\nselect id from people", 1, "':few' is not one of :one")
        self.assert_error("-- name: x many\nselect id from people", 1, "'many' is not one of :one")


class Pages(TypedTest):
    def test_of_one_direction_compare_rows(self):
        text = "-- name: x :page (joined_at desc, id desc) (name text)\nselect id, joined_at from people where name = $name"
        self.assertEqual(self.sent(text, "postgres"), "select * from (select id, joined_at from people where name = $1) as page "
                                                      "order by joined_at desc, id desc limit (select $2::bigint)")
        self.assertEqual(self.sent(text, "postgres", 1),
                         "select * from (select id, joined_at from people where name = $1) as page "
                         "where (joined_at, id) < ($2, $3) order by joined_at desc, id desc limit (select $4::bigint)")

    def test_of_mixed_directions_bound_the_first_key(self):
        text = "-- name: x :page (joined_at desc, name, id desc) ()\nselect id, name, joined_at from people"
        self.assertIn("where joined_at <= ?1 and (joined_at < ?1 or (name >= ?2 and (name > ?2 or (id < ?3)))) "
                      "order by joined_at desc, name, id desc limit ?4", self.sent(text, "sqlite", 1))

    def test_have_a_cursor(self):
        header = self.header("-- name: people :page (joined_at desc, id) () -> Person\nselect id, name, joined_at from people")
        self.assertIn("struct PeopleCursor {\n    loadstone::Timestamp joined_at;\n    PersonId id;", header)
        self.assertIn("people(loadstone::store::Reader reader, std::int64_t limit, std::optional<PeopleCursor> after = std::nullopt, " + PLACE,
                      header)

    def test_read_along_an_index(self):
        self.write("campus/a/sql/migrations/0002_index.sql", "create index people_by_age on people (name, joined_at desc, id desc);")
        folder = self.read("-- name: x :page (joined_at desc, id desc) (name text)\nselect id, joined_at from people where name = $name")
        for sent in folder.functions[0].sent:
            plan = " ".join(row[3] for row in folder.schema.scratch.rows("explain query plan " + sent.texts["sqlite"]))
            self.assertIn("people_by_age (name=?", plan)
            self.assertNotIn("TEMP B-TREE", plan)

    def test_are_bounded_by_their_cursor_alone_on_its_side(self):
        text = "-- name: x :page (name{}, id) (b text)\nselect id, name from people\nwhere name {} $b"
        self.assert_error(text.format("", ">="), 3, "'name >=' bounds the page from the side where its cursor does")
        self.assert_error(text.format(" desc", "<"), 3, "'name <' bounds the page")
        self.assertEqual(len(self.function(text.format("", "<")).sent), 2)
        self.assertEqual(len(self.function(text.format(" desc", ">=")).sent), 2)

    def test_are_sorted_by_columns_of_theirs_that_are_never_null(self):
        self.assert_error("-- name: x :page (name) ()\nselect id from people", 1, "sorted by 'name', which is none of its columns")
        self.assert_error("-- name: x :page (email) ()\nselect email from people", 1, "sorted by 'email', which may be null")
        self.assert_error("-- name: x :page ()\nselect id from people", 1, "a page has no order")
        self.assert_error("-- name: x :page (id) (limit int)\nselect id from people where id > $limit", 1, "'limit' cannot be the name")


class Source(TypedTest):
    def test_has_the_texts_and_the_bodies_and_the_header_has_not(self):
        folder = self.read("-- name: x :maybe (id PersonId) -> Person\nselect id, name from people where id = $id")
        self.assertNotIn("select id", emit.header(folder))
        self.assertNotIn("describe", emit.header(folder))
        self.assertNotIn("reader.h", emit.header(folder))
        source = emit_source.source(folder)
        self.assertIn("select id, name from people where id = ?1", source)
        self.assertIn("    return reader.maybe<Person>({x_text, called_from}, id);\n", source)
        self.assertIn("BOOST_DESCRIBE_STRUCT(Person, (), (id, name))", source)

    def test_checks_rows_that_a_module_has_written_itself(self):
        folder = self.read("-- row: Person campus/a/a.h\n-- name: x :many () -> Person\nselect id, email from people")
        self.assertIn("struct Person;", emit.header(folder))
        self.assertNotIn("struct Person {", emit.header(folder))
        self.assertIn("static_assert(std::is_same_v<decltype(Person::email), std::optional<std::string>>", emit_source.source(folder))


if __name__ == "__main__":
    unittest.main()
