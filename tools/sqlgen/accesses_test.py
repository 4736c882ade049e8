"""Tests of what statements read and write: run with `python3 accesses_test.py`."""

import unittest

import folder as folders
from typed_test import HEAD, TypedTest


class AccessesTest(TypedTest):
    def accesses(self, text):
        """{table: columns that are bound}, and which tables are written, of one statement."""
        self.write("campus/a/sql/a.sql", HEAD + "-- name: it " + text)
        read = folders.Reader(self.root, "campus/a").folder
        found, written = {}, set()
        for access in read.functions[0].sent[0].accesses:
            columns = found.setdefault(access.table, {})
            if access.column:
                columns[access.column] = (access.parameter, access.is_array)
            if access.writes:
                written.add(access.table)
        read.schema.scratch.close()
        return found, written

    def read(self, text):
        found, written = self.accesses(text)
        self.assertEqual(written, set())
        return found

    def test_a_column_that_equals_a_parameter_is_bound(self):
        self.assertEqual(self.read(":many (id PersonId)\nselect body from notes where $id = person_id and number > 3"),
                         {"notes": {"person_id": (1, False)}})

    def test_a_list_is_bound_as_one(self):
        self.assertEqual(self.read(":many (ids PersonId[])\nselect body from notes where person_id {in ids}"),
                         {"notes": {"person_id": (1, True)}})

    def test_what_follows_from_equal_columns_is_bound(self):
        found = self.read(":many (id PersonId)\nselect n.body from people as p join notes as n on n.person_id = p.id where p.id = $id")
        self.assertEqual(found, {"people": {"id": (1, False)}, "notes": {"person_id": (1, False)}})

    def test_the_condition_of_an_outer_join_says_nothing_of_its_left_side(self):
        found = self.read(":many (id PersonId)\n-- column: body text?\n"
                          "select n.body from people as p left join notes as n on n.person_id = p.id and p.id = $id")
        self.assertEqual(found["people"], {})

    def test_or_not_case_and_between_bind_nothing(self):
        for condition in ("id = $id or name = 'x'", "not id = $id", "case when id = $id then true else true end",
                          "score between 1 and 2 and id = $id"):
            self.assertEqual(self.read(f":many (id PersonId)\nselect name from people where {condition}"), {"people": {}}, condition)

    def test_each_use_of_a_table_counts(self):
        found = self.read(":many (id PersonId)\nselect name from people where id = $id and score > (select min(score) from people)")
        self.assertEqual(found, {"people": {}})
        found = self.read(":many (id PersonId)\nselect p.name from people as p where p.id = $id and exists "
                          "(select 1 from notes as n where n.person_id = p.id)")
        self.assertEqual(found, {"people": {"id": (1, False)}, "notes": {"person_id": (1, False)}})

    def test_a_with_binds_nothing(self):
        found = self.read(":many (id PersonId)\n-- column: name text\nwith x as (select name from people where id = $id) select name from x")
        self.assertEqual(found, {"people": {}})

    def test_each_part_of_a_union_counts(self):
        part = "select name from people where id = "
        self.assertEqual(self.read(f":many (id PersonId)\n-- column: name text\n{part} $id union {part} $id"),
                         {"people": {"id": (1, False)}})
        self.assertEqual(self.read(f":many (id PersonId)\n-- column: name text\n{part} $id union {part} 3"), {"people": {}})

    def test_an_insert_binds_what_it_inserts(self):
        found, written = self.accesses(":exec (id PersonId, number int)\n"
                                       "insert into notes (person_id, number, body) values ($id, $number + 1, 'x')")
        self.assertEqual((found, written), ({"notes": {"person_id": (1, False)}}, {"notes"}))

    def test_an_upsert_binds_what_it_collides_in(self):
        insert = ":exec (id PersonId, number int)\ninsert into notes (person_id, number, body) values ($id, $number, '') "
        self.assertEqual(self.accesses(insert + "on conflict (person_id, number) do update set body = 'x'")[0],
                         {"notes": {"person_id": (1, False), "number": (2, False)}})
        self.assertEqual(self.accesses(insert + "on conflict (person_id, number) do update set number = 7")[0],
                         {"notes": {"person_id": (1, False)}})

    def test_an_insert_of_a_select_binds_what_its_condition_does(self):
        insert = ":exec (ids PersonId[], rows Row(person_id PersonId, number int)[], number int)\n" \
                 "insert into notes (person_id, number, body) select r.person_id, r.number, '' from {rows rows} as r "
        upsert = " on conflict (person_id, number) do update set body = 'x' where notes.number < excluded.number"
        both = " r.person_id {in ids} and r.number = $number"
        self.assertEqual(self.accesses(insert + "where" + both + upsert)[0], {"notes": {"person_id": (1, True), "number": (3, False)}})
        self.assertEqual(self.accesses(insert + "where" + both + " or true" + upsert)[0], {"notes": {}})
        for other in ("union all", "except", "intersect"):
            two = f"where true {other} select r.person_id, r.number, '' from {{rows rows}} as r where"
            self.assertEqual(self.accesses(insert + two + both)[0]["notes"], {})
        found, written = self.accesses(":exec (id PersonId)\ninsert into notes (person_id, number, body) "
                                       "select n.person_id, n.number + 1, p.name from notes as n join people as p on p.id = n.person_id "
                                       "where n.person_id = $id")
        self.assertEqual((found["notes"], written), ({"person_id": (1, False)}, {"notes"}))

    def test_an_update_binds_what_it_finds_rows_by_and_leaves_alone(self):
        found, written = self.accesses(":exec (id PersonId, number int)\nupdate notes set body = 'x' where person_id = $id and number = $number")
        self.assertEqual((found, written), ({"notes": {"person_id": (1, False), "number": (2, False)}}, {"notes"}))
        found, _ = self.accesses(":exec (id PersonId, other PersonId)\nupdate notes set person_id = $other where person_id = $id")
        self.assertEqual(found, {"notes": {}})

    def test_beside_a_view_nothing_is_bound(self):
        self.write("campus/a/sql/migrations/0002_more.sql", "create view named as select id, name from people;")
        found = self.read(":many (id PersonId)\n-- column: name text\n"
                          "select p.name from people as p join named as n on n.name = p.name where p.id = $id")
        self.assertEqual(found, {"people": {}, "named": {}})

    def test_what_postgres_alone_reads_is_read(self):
        both = ":many (id PersonId)\n-- dialect: sqlite\nselect name from people where id = $id\n-- dialect: postgres\n"
        for more in ("exists (select 1 from notes as n where n.person_id = $id)", 'id in (select person_id from "notes")',
                     "id in (with n as (select * from notes) select person_id from n)"):
            self.assertEqual(self.read(f"{both}select name from people where id = $id and {more}"),
                             {"people": {"id": (1, False)}, "notes": {}}, more)
        self.write("campus/a/sql/migrations/0002_more.sql",
                   "create table marks (id integer primary key); create view marked as select p.id from people as p join marks as m on m.id = p.id;")
        both = both.replace("\n", "\n-- column: name text\n", 1)  # of a view it is not known
        self.assertEqual(self.read(both + "select name from people where id = $id and id in (select id from marked)"),
                         {"people": {}, "marks": {}, "marked": {}})

    def test_what_postgres_alone_writes_is_written(self):
        both = ":exec (id PersonId)\n-- dialect: sqlite\ndelete from notes where person_id = $id\n-- dialect: postgres\nwith w as ({} returning id) " \
               "delete from notes where person_id = $id and exists (select 1 from w)"
        for write in ("delete from people where id = $id", "update people set name = 'x' where id = $id", "UPDATE People set name = 'x'",
                      'insert into "people" (name, score, joined_at) values (\'x\', 1, 2)'):
            found, written = self.accesses(both.format(write))
            self.assertEqual((found["people"], written), ({}, {"notes", "people"}), write)
        found, written = self.accesses(both.format("select id from people where id = $id for update").replace(" returning id", ""))
        self.assertEqual((found["people"], written), ({}, {"notes"}))

    def test_a_delete_binds_what_it_finds_rows_by(self):
        self.assertEqual(self.accesses(":exec (id PersonId)\ndelete from notes where person_id = $id")[0],
                         {"notes": {"person_id": (1, False)}})
        self.assertEqual(self.accesses(":exec (id PersonId)\ndelete from notes where person_id < $id")[0], {"notes": {}})


del TypedTest

if __name__ == "__main__":
    unittest.main()
