"""Tests of what parameters meet, wherever it comes from: run with `python3 parameters_test.py`. typed_test.py has the plain forms."""

import unittest

from typed_test import TypedTest

ROWS = "-- name: x :many (r (a {}, b int)[])\nselect n.body from "


class ParametersTest(TypedTest):
    def assert_given(self, right, wrong, text, line, what):
        """`text` is right with the type `right` in the line of the name, and wrong with `wrong`."""
        self.function(text.format(right))
        self.assert_error(text.format(wrong), line, what)

    def test_fields_of_rows_meet_columns_in_where_and_on(self):
        for kind in ("int", "text", "timestamp"):
            for sql in ("{{rows r}} as q\njoin notes as n on q.a = n.person_id", "notes as n\njoin {{rows r}} as q on n.person_id = q.a and q.b > 3",
                        "{{rows r}} as q, notes as n\nwhere n.person_id = q.a", "notes as n\nwhere (select q.a from {{rows r}} as q) = 3 "
                        "and exists (select 1 from {{rows r}} as q where (q.b, q.a) = (n.number, n.person_id))",
                        "{{rows r}} q\njoin notes as n on (q.a) = (n.person_id)",
                        "(select a from {{rows r}} as i) as q\njoin notes as n on q.a = n.person_id",
                        "notes as n\nwhere n.person_id in (select q.a from {{rows r}} as q)"):
                self.assert_given("PersonId", kind, ROWS + sql, 3, f"'r.a' is {kind} where notes.person_id is PersonId")
        self.assert_error("-- name: x :many (r (person_id int)[])\nselect n.body from {rows r} as q\njoin notes as n using (person_id)",
                          3, "'r.person_id' is int where notes.person_id is PersonId")

    def test_fields_of_rows_are_assigned(self):
        text = "-- name: x :exec (r (a {}, b {})[])\nupdate people set name = q.b\nfrom {{rows r}} as q where q.a = people.id"
        self.function(text.format("PersonId", "text"))
        self.assert_error(text.format("int", "text"), 3, "'r.a' is int where people.id is PersonId")
        self.assert_error(text.format("PersonId", "text?"), 2, "'r.b' may be null where people.name may not")

    def test_columns_are_followed_through_subqueries_and_withs(self):
        for sql in ("{}(select id from people) as q\nwhere q.id = $i", "{}(select p.id as i from people as p) as q\nwhere $i = q.i",
                    "with c as (select id from people) {}c\nwhere c.id = $i", "with c (i) as (select id from people) {}c\nwhere i in (5, $i)",
                    "with c as (select p.* from people as p) {}c\nwhere id = $i",
                    "with recursive c (i) as (select id from people union all select person_id from notes) {}c\nwhere i = $i",
                    "{}people as p where exists (select 1 from notes\nwhere p.id = $i)",
                    "{}people as p left join (notes as n join people as o on o.id = n.person_id) on true\nwhere n.person_id = $i"):
            text = f"-- name: x :many (i {{}})\n{sql.format('select count(*) from ')}"
            self.assert_given("PersonId", "int", text, 3, "'i' is int where")

    def test_a_name_means_what_its_query_says(self):
        for sql in ("with c as (select name as id from people) {}c, people where c.id = $i",
                    "with c as (select name as id from people) {}c where id = $i",
                    "with people as (select body as id from notes) {}people where id = $i",
                    "{}(select body as id from notes) as q where id = $i",
                    "{}people as p where p.name = $i and exists (select 1 from notes as p where p.body = $i)",
                    "with c as (select id from people union select body from notes) {}c where id = $i",
                    "{}people, json_each('[1]') as id where id.value = $i"):
            self.function(f"-- name: x :many (i text)\n{sql.format('select count(*) from ')}")

    def test_parentheses_quotes_and_capitals_hide_nothing(self):
        for condition in ("(id) = ($i)", "((p.id)) = $i", "($i) = (id)", "id = ($i)", "id in (5, ($i))", '"id" = $i', '"p"."id" = $i', "P.ID = $i",
                          "id is not distinct from $i", "id between (3) and ($i)", "not (id = ($i))"):
            self.assert_given("PersonId", "int", f"-- name: x :many (i {{}})\nselect p.name from People as p\nwhere {condition}",
                              3, "'i' is int where people.id")
        for insert in ("insert into notes as n (person_id, number)", 'insert into "notes" ("person_id", number)',
                       "INSERT OR REPLACE INTO NOTES (PERSON_ID, number)"):
            self.assert_given("PersonId", "int", f"-- name: x :exec (i {{}})\n{insert}\nvalues ($i, 1), (($i), 2)",
                              3, "'i' is int where notes.person_id")

    def test_an_insert_names_its_columns(self):
        for sql in ("values ($a, $b, 'x')", "as n values ($a, $b, 'x')", "select $a, $b, 'x'"):
            self.assert_error(f"-- name: x :exec (a PersonId, b int)\ninsert or ignore\ninto notes {sql}", 3, "the insert names no columns")
        self.assert_error("-- name: x :exec (r (a PersonId, b int, c text)[])\ninsert into notes {values r}", 2, "the insert names no columns")
        self.assert_error("-- name: x :exec (r (a PersonId, b int, c text)[])\nwith c as (select 1) insert into notes select a, b, c from {rows r}",
                          2, "the insert names no columns")
        self.write("campus/a/sql/migrations/0002_more.sql", "create table marks (id integer primary key);")
        self.function("-- name: x :exec ()\ninsert into marks default values")

    def test_what_may_be_null_is_not_assigned_to_what_may_not(self):
        for sql in ("update people\nset name = $name", "update people set score = 1,\nname = ($name) where id = 3",
                    "update people set\n(score, name) = (1, $name)", 'update people as p\nset "name" = $name from notes where p.id = person_id',
                    "insert into people (name, score, joined_at) values ('a', 1, 2)\non conflict (id) do update set name = $name"):
            self.assert_given("text", "text?", f"-- name: x :exec (name {{}})\n{sql}", 3, "'name' may be null where people.name may not")
        self.function("-- name: x :exec (email text?)\nupdate people set email = $email where email is not $email")
        self.function("-- name: x :exec (name text?)\nupdate people set name = coalesce($name, name)")

    def test_columns_of_two_ids_do_not_meet(self):
        self.write("campus/a/sql/migrations/0002_more.sql", "create table rooms (id integer primary key, person_id integer, size integer);")
        text = "-- id: RoomId campus::a::RoomTag\n-- type: RoomId rooms.id\n-- name: x :many ()\nselect n.body from notes as n\njoin rooms as r on {}"
        self.assert_error(text.format("n.person_id = r.id"), 5, "'notes.person_id' is PersonId where rooms.id is RoomId")
        for condition in ("coalesce(n.person_id, 3) = r.id", "n.person_id = (select max(id) from rooms)", "coalesce(n.person_id, r.id) = 3",
                          "case when true then n.person_id else r.id end = 3"):
            self.assert_error(text.format(condition), 5, "'notes.person_id' is PersonId where rooms.id is RoomId")
        self.function(text.format("n.person_id = r.person_id and r.id = r.size"))

    def test_what_gives_one_of_its_operands_is_compared(self):
        for condition in ("coalesce(person_id, $i) = 3", "ifnull($i, person_id) = 3", "nullif(person_id, $i) = 3", "max(3, person_id, $i) = 3",
                          "coalesce(person_id, 0) = $i", "$i = coalesce(null, person_id)", "min(person_id, -1) in (3, $i)", "(max(1, person_id)) <> ($i)",
                          "person_id = coalesce(3, $i)", "nullif(person_id, 3) is $i", "coalesce(person_id, min(3, $i)) = 3",
                          "case number when 1 then person_id else $i end = 3", "case when true then $i end = person_id",
                          "person_id = case when true then case when false then 3 else $i end end", "case person_id when $i then 1 else 2 end = 1",
                          "case when true then 3 when false then person_id end between 1 and $i", "$i in (case when true then person_id end)"):
            self.assert_given("PersonId", "int", f"-- name: x :many (i {{}})\nselect body from notes\nwhere {condition}",
                              3, "'i' is int where notes.person_id is PersonId")
        self.assert_given("PersonId", "int", "-- name: x :many (i {})\n-- column: first int\nselect min(number) as first from notes\n"
                                             "group by person_id having max(person_id) = $i", 4, "'i' is int where")
        self.assert_given("text?", "int", "-- name: x :exec (i {})\nupdate people\nset name = coalesce($i, name)", 3, "'i' is int where people.name")

    def test_a_subquery_that_stands_for_a_value_is_compared(self):
        for condition in ("(select person_id) = $i", "$i = (select id from people)", "person_id = (select $i)", "$i in (3, (select max(id) from people))",
                          "(select case when true then id else 3 end as c from people) = $i", "coalesce((select p.id from people as p), 3) = $i",
                          "$i in (select max(id) from people)", "(select c from (select coalesce(id, 3) as c from people) as q) = $i",
                          "$i < (with p as (select id from people) select id from p)"):
            self.assert_given("PersonId", "int", f"-- name: x :many (i {{}})\nselect body from notes\nwhere {condition}", 3, "'i' is int where")

    def test_the_text_for_postgres_is_checked_too(self):
        text = "-- name: x :many (i {})\n-- dialect: sqlite\nselect body from notes where person_id = $i + 0\n-- dialect: postgres\n" \
               "select body from notes\nwhere person_id = $i and number::text = 'x'"
        self.assert_given("PersonId", "int", text, 6, "'i' is int where notes.person_id is PersonId")

    def test_expressions_meet_nothing(self):
        for condition in ("1 + number = $i", "$i = number + 1", "length($i) = 3", "number + $i = 4", "abs(number) = $i", "(abs(number)) = ($i)",
                          "max(number, 1) = ($i + 1)", "abs(number) = (select $i)", "(select number + 1) = ($i)", "coalesce(number + 1, 2) = $i",
                          "coalesce(body, number + 1) = $i", "cast(number as text) = $i", "case when number = 1 then number + 1 end = $i",
                          "case number when 1 then $i else 'x' end = body", "exists (select number) = $i", "number in (select count(*) + 1) = $i"):
            self.function(f"-- name: x :many (i text)\nselect body from notes where {condition}")


del TypedTest

if __name__ == "__main__":
    unittest.main()
