"""Tests of what the text of a page must be: run with `python3 pages_test.py`. typed_test.py has what becomes of it."""

import unittest

from typed_test import TypedTest

NOTES = "select person_id, number, body from notes "


class PagesTest(TypedTest):
    def page(self, order, sql, parameters=""):
        return f"-- name: x :page ({order}) ({parameters})\n{sql}"

    def assert_lost(self, order, sql, parameters=""):
        self.assert_error(self.page(order, sql, parameters), 1, "rows of the page may be alike in")
        self.function(self.page(order + " unique", sql, parameters))

    def test_are_not_cut_or_sorted_by_their_text(self):
        for end in ("limit 5", "order by name limit 5", "ORDER by name", "limit 5\noffset 3"):
            self.assert_error(self.page("id", f"select id, name from people\n{end}"), 3, f"'{end[:5]}' in the text of a page")
        self.assert_error(self.page("id", "-- dialect: sqlite\nselect id from people\n-- dialect: postgres\nselect id from people\nfetch first 3 rows only"),
                          6, "'fetch' in the text of a page")
        self.function(self.page("id", "select id, row_number() over (order by name) as place from people where id in "
                                      "(select person_id from notes order by number limit 5)").replace("\nselect", "\n-- column: place int\nselect"))

    def test_are_bounded_by_their_cursor_alone_on_its_side(self):
        for condition in ("$s < score", "$s <= p.score", "score between $s and 9", "p.score between $s and 9", "score > $s", "(score) >= ($s)",
                          "(score, id) > ($s, 5)", "($s, 5) < (score, id)", '"score" > $s', "P.Score > $s", "(name = 'x' and $s < score)"):
            text = self.page("score, id", f"select id, score from people as p\nwhere {condition}", "s real")
            self.assert_error(text, 3, "bounds the page from the side where its cursor does")
        self.assert_error(self.page("at desc, id", "select id, joined_at as at from people\nwhere $s > joined_at", "s timestamp"), 3, "'at <' bounds")
        for condition, kind in (("$s > score", "real"), ("score not between $s and 9", "real"), ("score < $s", "real"), ("id > $s", "PersonId"),
                                ("(id, score) > ($s, 5)", "PersonId"), ("id in (select person_id from notes as score where number > $s)", "int")):
            self.function(self.page("score, id", f"select id, score from people as p where {condition}", f"s {kind}"))

    def test_end_with_a_key(self):
        self.assert_lost("name", "select id, name from people")
        self.assert_lost("score desc, name", "select id, name, score from people")
        self.assert_lost("number", NOTES)
        self.function(self.page("name, id", "select id, name from people"))
        self.function(self.page("at, number, person_id", "select person_id, number, p.joined_at as at from notes as n join people as p on p.id = n.person_id"))

    def test_end_with_a_key_of_which_conditions_give_the_rest(self):
        self.function(self.page("number", NOTES + "where person_id = $p", "p PersonId"))
        self.function(self.page("number", NOTES + "where body = 'x' and $p = person_id", "p PersonId"))
        self.assert_lost("number", NOTES + "where person_id > $p", "p PersonId")
        self.assert_lost("number", NOTES + "where person_id {in p}", "p PersonId[]")
        self.assert_lost("number", NOTES + "where person_id = $p or body = 'x'", "p PersonId")
        self.assert_lost("number", NOTES + "where not person_id = $p", "p PersonId")

    def test_end_with_a_unique_index(self):
        more = "create unique index people_by_name on people (name); create unique index people_by_score on people (score) where id > 3; " \
               "create unique index people_by_all on people (name, lower(email)); create index people_by_time on people (joined_at);"
        self.write("campus/a/sql/migrations/0002_more.sql", more)
        self.function(self.page("name", "select id, name from people"))
        self.assert_lost("score", "select id, score from people")
        self.assert_lost("joined_at", "select id, joined_at from people")

    def test_have_each_row_once_in_a_join(self):
        join = "select p.id, n.number from people as p {} notes as n on n.person_id = p.id{}"
        self.assert_error(self.page("id", join.format("join", "")), 1, "rows of the page may be alike in id")
        self.function(self.page("id, number", join.format("join", "")))
        self.function(self.page("id", join.format("join", " and n.number = $n"), "n int"))
        self.function(self.page("id", "select p.id, n.body from people as p left join notes as n on n.person_id = p.id and n.number = $n", "n int"))
        self.assert_lost("id", "select p.id, n.body from people as p left join notes as n on n.person_id = p.id")
        self.assert_lost("id", "select p.id from people as p, notes as n where n.number = 3")
        self.function(self.page("person_id, number", "select n.person_id, n.number, p.name from notes as n join people as p on p.id = n.person_id"))
        self.function(self.page("id, number", "select p.id, n.number from notes as n join people as p on p.id = n.person_id"))
        self.function(self.page("id", "select p.id from {rows r} as r join people as p on p.id = r.id", "r (id PersonId)[]"))

    def test_have_each_row_once_in_groups(self):
        groups = "-- column: best real\nselect name, max(score) as best from people group by {}"
        self.function(self.page("name", groups.format("name")))
        self.assert_lost("name", groups.format("name, email"))
        self.function(self.page("name", "select distinct name from people"))
        self.assert_lost("name", "select distinct name, email from people")

    def test_of_what_is_not_understood_must_state_it(self):
        for sql in ("with c as (select id from people) select id from c", "select id from (select id from people) as q",
                    "select id from people natural join notes", "-- column: id PersonId\nselect id from people union select person_id from notes"):
            self.assert_lost("id", sql)
        self.assert_error(self.page("name unique, id", "select id, name from people"), 1, "'unique' stands behind the last column")


del TypedTest

if __name__ == "__main__":
    unittest.main()
