"""Tests of the house rules: each with what it catches and what it leaves alone."""

import contextlib
import io
import pathlib
import tempfile
import unittest

import tidy

LAYERS = """\
# loadstone_layer(comment 0)
loadstone_layer(base 0 EXTERNAL fmt::fmt)
loadstone_layer(runtime 2 USES base)
loadstone_layer(store 4 USES runtime
    PRIVATE SQLite::SQLite3)
loadstone_layer(net 4 USES runtime)
loadstone_layer(jobs 5 USES store)
loadstone_layer(module 6 USES jobs net)
loadstone_layer(server 8 USES module)
"""


class Tree(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.root = pathlib.Path(self.temporary.name)
        self.write("cmake/layers.cmake", LAYERS)

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if path.endswith(".h") and "#pragma" not in text:
            text = "#pragma once\n" + text
        file.write_text(text, encoding="utf-8")

    def findings(self, files):
        for path, text in files.items():
            self.write(path, text)
        return [str(finding) for finding in tidy.check(self.root)]

    def assert_clean(self, files):
        self.assertEqual(self.findings(files), [])

    def assert_finds(self, files, *expected):
        found = self.findings(files)
        self.assertEqual(len(found), len(expected), found)
        for text, start in zip(found, expected):
            self.assertTrue(text.startswith(start[0]) and start[1] in text, f"{text}\nis not {start}")


class Layers(Tree):
    def test_lower_libraries_and_its_own_folder_may_be_included(self):
        self.assert_clean({"loadstone/jobs/a.cc": '#include "loadstone/jobs/a.h"\n#include "loadstone/base/b.h"\n'
                                                  '// #include "loadstone/server/s.h"\n'})

    def test_higher_layers_and_siblings_may_not(self):
        self.assert_finds({"loadstone/store/a.cc": '#include "loadstone/jobs/j.h"\n#include "loadstone/net/n.h"\n'},
                          ("loadstone/store/a.cc:1: layer: ", "store (layer 4) includes loadstone/jobs: layer 5 is not below"),
                          ("loadstone/store/a.cc:2: layer: ", "layer 4 is not below"))

    def test_a_lower_library_must_be_linked(self):
        self.assert_finds({"loadstone/jobs/a.cc": '#include "loadstone/net/n.h"\n'},
                          ("loadstone/jobs/a.cc:1: layer: ", "add it to USES in cmake/layers.cmake"))

    def test_the_framework_does_not_include_the_application(self):
        self.assert_finds({"loadstone/server/a.cc": '#include "campus/x/x.h"\n'}, ("loadstone/server/a.cc:1: layer: ", "campus/"))

    def test_libraries_are_declared(self):
        self.assert_finds({"loadstone/new/a.cc": "", "loadstone/base/b.cc": '#include "loadstone/nothing/x.h"'},
                          ("loadstone/base/b.cc:1: layer: ", "no library loadstone/nothing"),
                          ("loadstone/new/a.cc:1: layer: ", "give it a line there"))

    def test_internal_headers_are_private(self):
        files = {"loadstone/store/internal/x.h": "", "loadstone/store/sqlite/y.h": "",
                 "tests/conformance/x_test.cc": '#include "loadstone/store/internal/x.h"\n',
                 "loadstone/store/a.cc": '#include "loadstone/store/internal/x.h"\n#include "loadstone/store/sqlite/y.h"\n'}
        self.assert_clean(files)
        self.assert_finds({"loadstone/jobs/a.cc": '#include "loadstone/store/internal/x.h"\n',
                           "campus/x/a.cc": '#include "loadstone/store/sqlite/y.h"\n'},
                          ("campus/x/a.cc:1: internal: ", "private to loadstone/store/"),
                          ("loadstone/jobs/a.cc:1: internal: ", "private to loadstone/store/"))


class Modules(Tree):
    def module(self, name, *depends):
        names = ", ".join(f'"{other}"' for other in depends)
        return {f"campus/{name}/module.cc": f'Module module() {{\n    return {{.name = "{name}", .depends_on = {{{names}}}}};\n}}\n'}

    def test_a_declared_module_may_be_used_by_its_face(self):
        self.assert_clean({**self.module("a", "b"), **self.module("b"), "campus/a/x.cc": '#include "campus/b/b.h"\n',
                           "campus/main.cc": '#include "campus/a/a.h"\n#include "loadstone/server/s.h"\n'})

    def test_other_headers_and_undeclared_modules_may_not(self):
        self.assert_finds({**self.module("a"), **self.module("b"),
                           "campus/a/x.cc": '#include "campus/b/b.h"\n#include "campus/b/queries.h"\n'},
                          ("campus/a/x.cc:1: module: ", 'add "b" to depends_on in campus/a/module.cc'),
                          ("campus/a/x.cc:2: module: ", "include campus/b/b.h"))

    def test_the_server_is_for_main(self):
        self.assert_finds({**self.module("a"), "campus/a/x.cc": '#include "loadstone/server/s.h"\n'},
                          ("campus/a/x.cc:1: module: ", "only campus/main.cc"))

    def test_cycles_are_named(self):
        self.assert_finds({**self.module("a", "b"), **self.module("b", "c"), **self.module("c", "a")},
                          ("campus/a/module.cc:2: module: ", "a cycle: a -> b -> c -> a"))

    def test_dependencies_exist(self):
        self.assert_finds(self.module("a", "b"), ("campus/a/module.cc:2: module: ", "'b', which is no module"))


class Homes(Tree):
    def test_external_headers_stay_at_home(self):
        self.assert_clean({"loadstone/store/sqlite/a.cc": "#include <sqlite3.h>\n", "loadstone/net/a.cc": "#include <boost/beast.hpp>\n",
                           "loadstone/net/a_test.cc": "#include <gtest/gtest.h>\n", "tests/x/a.cc": "#include <sqlite3.h>\n",
                           "loadstone/jobs/testing.h": "#include <gtest/gtest.h>\n"})

    def test_elsewhere_the_replacement_is_named(self):
        self.assert_finds({"loadstone/store/a.cc": "#include <sqlite3.h>\n", "loadstone/jobs/b.cc": "#include <boost/beast/core.hpp>\n",
                           "loadstone/jobs/c.cc": "#include <gtest/gtest.h>\n"},
                          ("loadstone/jobs/b.cc:1: home: ", "belongs to loadstone/net/: use loadstone/net"),
                          ("loadstone/jobs/c.cc:1: home: ", "a *_test.cc file"),
                          ("loadstone/store/a.cc:1: home: ", "belongs to loadstone/store/sqlite/"))


class PublicHeaders(Tree):
    def test_boost_is_kept_out_but_for_awaitable(self):
        self.assert_clean({"loadstone/net/a.h": "#include <boost/asio/awaitable.hpp>\n",
                           "loadstone/net/internal/b.h": "#include <boost/asio.hpp>\n", "loadstone/net/c.cc": "#include <boost/asio.hpp>\n"})
        self.assert_finds({"loadstone/net/d.h": "#include <boost/asio.hpp>\n", "campus/x/x.h": "#include <boost/describe.hpp>\n"},
                          ("campus/x/x.h:2: public-header: ", "move it to the .cc file"),
                          ("loadstone/net/d.h:2: public-header: ", "of Boost only <boost/asio/awaitable.hpp>"))

    def test_what_they_include_counts_as_public(self):
        self.assert_finds({"loadstone/net/a.h": '#include "loadstone/net/internal/b.h"\n',
                           "loadstone/net/internal/b.h": '#include "loadstone/net/internal/c.h"\n',
                           "loadstone/net/internal/c.h": "#include <boost/asio.hpp>\n"},
                          ("loadstone/net/internal/c.h:2: public-header: ", "(included by loadstone/net/a.h)"))

    def test_external_and_generated_headers_are_kept_out(self):
        self.assert_finds({"loadstone/net/a.h": '#include <openssl/ssl.h>\n#include "loadstone/net/sql.h"\n'},
                          ("loadstone/net/a.h:2: public-header: ", "forward-declare"),
                          ("loadstone/net/a.h:3: public-header: ", "generated SQL"))


    def test_a_modules_own_headers_may_use_its_generated_sql_and_its_face_may_not(self):
        module = 'Module module() {\n    return {.name = "a"};\n}\n'
        self.assert_clean({"campus/a/module.cc": module, "campus/a/queries.h": '#pragma once\n#include "campus/a/sql.h"\n'})
        self.assert_finds({"campus/a/module.cc": module, "campus/a/a.h": '#pragma once\n#include "campus/a/sql.h"\n'},
                          ("campus/a/a.h:2: public-header: ", "generated SQL"))

    def test_begin_with_pragma_once_and_use_no_namespace(self):
        self.assert_clean({"loadstone/net/a.h": "// words\n#pragma once\nusing namespace std::chrono_literals;\n"})
        self.assert_finds({"loadstone/net/a.h": "int a;\n#pragma once\n", "loadstone/net/b.h": "using namespace loadstone;\n"},
                          ("loadstone/net/a.h:1: header: ", "#pragma once"), ("loadstone/net/b.h:2: header: ", "using namespace"))

    def test_exceptions_have_a_reason_and_are_used(self):
        self.write("tools/tidy/allowed", "# comment\npublic-header | loadstone/net/a.h | <boost/url.hpp> | it is light\n")
        self.assert_clean({"loadstone/net/a.h": "#include <boost/url.hpp>\n"})
        self.assert_finds({"loadstone/net/a.h": ""}, ("tools/tidy/allowed:2: allowed: ", "remove it"))
        self.assert_finds({"tools/tidy/allowed": "public-header | a.h | x |\n"}, ("tools/tidy/allowed:1: allowed: ", "reason"))


class Banned(Tree):
    def one(self, line, path="loadstone/jobs/a.cc"):
        return self.findings({path: line + "\n"})

    def test_each_names_its_replacement(self):
        for line, what in (
                ("thread.detach();", "joined"),
                ("co_spawn(e, f(), asio::detached);", "TaskScope::spawn"),
                ("std::this_thread::sleep_for(1s);", "wait_until"),
                ("usleep(5);", "wait_until"),
                ("int x = rand();", "random.h"),
                ("srand(1);", "random.h"),
                ("strcpy(a, b);", "std::string"),
                ("std::sprintf(a, b);", "std::string"),
                ("int x = std::stoi(text);", "std::from_chars"),
                ("std::regex r;", "parser"),
                ('std::printf("x");', "log.h"),
                ('fprintf(stderr, "x");', "log.h"),
                ("std::cout << 1;", "log.h"),
                ("out << std::endl;", "'\\n'"),
                ("assert(x);", "LOADSTONE_ASSERT"),
                ("auto f = std::async(g);", "a lane"),
                ("system(command);", "posix_spawn"),
                ("auto v = std::getenv(name);", "setting"),
                ("delete pointer;", "unique_ptr"),
                ("delete[] pointer;", "unique_ptr"),
                ("auto p = new Thing();", "make_unique"),
                ("static Log& log = *new Log;", "make_unique"),
                ("// TODO later", "TODO"),
                ("TEST(A, DISABLED_B) {}", "runs"),
                ("using namespace std;", "names")):
            with self.subTest(line=line):
                found = self.one(line)
                self.assertEqual(len(found), 1, found)
                self.assertTrue(found[0].startswith("loadstone/jobs/a.cc:1: banned: "), found)
                self.assertIn(what, found[0])

    def test_what_only_looks_alike_is_left_alone(self):
        for line in ("#include <new>", "A(const A&) = delete;", "void operator delete(void*) noexcept;", "::operator delete(p);",
                     "void* operator new(std::size_t);", "auto p = std::unique_ptr<T>(new T);", "p.reset(new T);",
                     "new (storage) T();", "std::shared_ptr<T> p(new T);", "static_assert(x);", "LOADSTONE_ASSERT(x);",
                     "// printf( and std::cout", 'log("new thread.detach() printf(");', "timer.sleep(1);", "grand(1);",
                     "std::snprintf(a, n, f);", "tx.system(1);", "co_await sleep_until(deadline);", "my_assert(x);",
                     "enum { delete_, get };", "sql::delete_session;", "char c = '\"'; int n = 1'000; // delete x",
                     'auto s = R"x(delete this; " )x";'):
            with self.subTest(line=line):
                self.assertEqual(self.one(line), [])

    def test_tests_may_parse_loosely(self):
        self.assertEqual(self.one("int x = std::stoi(text);", "loadstone/jobs/a_test.cc"), [])

    def test_the_server_may_print_and_read_the_environment(self):
        self.assertEqual(self.one("std::cout << std::getenv(name);", "loadstone/server/a.cc"), [])
        self.assertEqual(self.one("std::printf(name);", "bench/micro/a.cc"), [])


class Files(Tree):
    def test_vague_names(self):
        self.assert_clean({"loadstone/net/encoder.cc": "", "loadstone/net/scored.cc": ""})
        self.assert_finds({"loadstone/net/string_utils.cc": "", "loadstone/net/common/a.cc": "", "loadstone/net/lane_manager.h": "",
                           "loadstone/net/helper.cc": ""},
                          ("loadstone/net/common/a.cc:1: file-name: ", "'common'"),
                          ("loadstone/net/helper.cc:1: file-name: ", "'helper'"),
                          ("loadstone/net/lane_manager.h:1: file-name: ", "'lane_manager'"),
                          ("loadstone/net/string_utils.cc:1: file-name: ", "'string_utils'"))

    def test_size(self):
        self.assert_clean({"loadstone/net/a.cc": "\n" * 600})
        self.assert_finds({"loadstone/net/a.cc": "\n" * 601}, ("loadstone/net/a.cc:600: file-size: ", "601 lines"))


class Await(Tree):
    def one(self, line):
        return self.findings({"loadstone/jobs/a.cc": f"Task<void> f() {{\n    {line}\n}}\n"})

    def test_unnamed_objects_are_found(self):
        for line, what in (
                ("co_await g([x] { return x; });", "a capturing lambda"),
                ("auto y = co_await g(1, [&](int a) mutable -> int { return a; });", "a capturing lambda"),
                ("co_await g(Options{.a = 1});", "a braced temporary"),
                ("co_await g(std::vector<int>{1, 2});", "a braced temporary"),
                ("if (co_await g(Options{a})) return;", "a braced temporary"),
                ("co_return co_await g({1, 2});", "a braced list"),
                ("co_await g(ok ? a : b);", "a ternary"),
                ("auto y = ok ? co_await g() : 1;", "inside a ternary"),
                ("co_await g(\n        h(Options{1}));", "a braced temporary")):
            with self.subTest(line=line):
                found = self.one(line)
                self.assertEqual(len(found), 1, found)
                self.assertIn("name-before-await: ", found[0])
                self.assertIn(what, found[0])

    def test_named_ones_are_left_alone(self):
        for line in ("Options o{.a = 1};\n co_await g(o);", "co_await g(table[i], a[0]);", "if (co_await g()) { auto x = Options{1}; }",
                     "while (co_await g(1)) { h({1}); }", "co_await g(std::chrono::seconds{5});", "co_await g(Options{});",
                     "co_await g([](int a) { return Pair{a, 1}; });", "for (auto x : co_await g()) { y ? a : b; }",
                     'co_await g("a ? b : {c}");', "auto x = ok ? a : b;\n co_await g(x);", "co_await g(ids[n], ids[m] < 1);",
                     "co_await g(); // Options{1}"):
            with self.subTest(line=line):
                self.assertEqual(self.one(line), [])

    def test_coroutines_are_not_capturing_lambdas(self):
        self.assertIn("coroutine-lambda", self.one("spawn([x]() -> Task<void> { co_await g(x); });")[0])
        self.assertIn("coroutine-lambda", self.one("auto h = [this] { co_return; };")[0])
        self.assertEqual(self.one("spawn([](int x) -> Task<void> { co_await g(x); }, 1);"), [])
        self.assertEqual(self.one("run([x] { spawn([](int y) -> Task<void> { co_await g(y); }, x); });"), [])


class Tables(Tree):
    MIGRATIONS = {"campus/a/sql/migrations/0001_a.sql": "create table users (id int, other int references users (id));\n"
                                                        "create index users_by_other on users (other);\n",
                  "campus/b/sql/migrations/0001_b.sql": "create table courses (id int);\n",
                  "loadstone/jobs/sql/migrations/0001_j.sql": "create table if not exists loadstone_jobs (id int);\n",
                  "loadstone/store/sql/migrations/0001_s.sql": "create table loadstone_keys (id int);\n"}

    def sql(self, text, path="campus/a/sql/x.sql"):
        """Of a text that is PostgreSQL's alone: sqlgen prepares the others."""
        return self.findings({**self.MIGRATIONS, path: "-- name: x\n-- dialect: sqlite\nselect 1\n-- dialect: postgres\n" + text})

    def test_own_tables_functions_and_common_tables_are_fine(self):
        for text in ("select * from users u, users as v (a, b) join users w on u.id = w.id where exists (select 1 from users)",
                     "insert into users (id, other) values ($1, 2) on conflict (id) do update set other = 2",
                     "update users set id = 1 where other in (select value from json_each($1))",
                     "update or ignore users set id = 1", "delete from users where id = $1",
                     "with x (id) as (select id from users), y as materialized (select 1) select * from x, y",
                     "select extract(epoch from statement_timestamp()) from users for update skip locked",
                     "select 1 from users where id is not distinct from other",
                     "select substring('a' from 1 for 2), trim(both from x) from \"users\"",
                     "insert or replace into users select * from users",
                     "select name from sqlite_master union select relname from pg_catalog.pg_class, information_schema.tables",
                     "select * from generate_series(1, 2) with ordinality as g (a, b), users",
                     "select 1 from (select id from users) as s, lateral (select 2) t, users",
                     "select ' from courses' -- from courses\n"):
            with self.subTest(text=text):
                self.assertEqual(self.sql(text), [])

    def test_tables_of_others_are_found(self):
        for text in ("select * from courses", "select * from users, courses", "select * from users u join courses c on true",
                     "insert into courses values (1)", "update courses set id = 1", "delete from courses",
                     "delete from users using courses where true", "select * from users where id in (select id from courses)",
                     "with x as (select * from courses) select * from x", "select * from public.courses",
                     "select 1 from (select 1) s, courses"):
            with self.subTest(text=text):
                found = self.sql(text)
                self.assertEqual(len(found), 1, found)
                self.assertIn("table: 'courses' belongs to campus/b: call a function of its public header", found[0])
                self.assertTrue(found[0].startswith("campus/a/sql/x.sql:"), found)

    def test_what_is_prepared_on_sqlite_is_left_to_sqlgen(self):
        self.assertEqual(self.findings({**self.MIGRATIONS, "campus/a/sql/x.sql": "-- name: x\nselect 1 from courses"}), [])

    def test_the_line_is_that_of_the_table(self):
        self.assertTrue(self.sql("select *\nfrom\n  courses")[0].startswith("campus/a/sql/x.sql:7: "))

    def test_unknown_tables_are_found(self):
        self.assertIn("no migration of campus/a creates 'nothing'", self.sql("select * from nothing")[0])

    def test_modules_do_not_name_the_frameworks_tables(self):
        self.assertIn("belongs to loadstone/jobs", self.sql("select * from loadstone_jobs")[0])

    def test_libraries_may_name_those_below_them(self):
        self.assertEqual(self.sql("select * from loadstone_keys, loadstone_jobs", "loadstone/jobs/sql/x.sql"), [])
        (self.root / "loadstone/jobs/sql/x.sql").unlink()
        self.assertIn("belongs to loadstone/jobs", self.sql("select * from loadstone_jobs", "loadstone/store/sql/x.sql")[0])

    def test_names_in_migrations(self):
        self.assert_finds({**self.MIGRATIONS,
                           "loadstone/store/sql/migrations/0001_s.sql": "create table keys (id int);",
                           "campus/b/sql/migrations/0001_b.sql": "create table users (id int);\ncreate table loadstone_x (id int);\n"
                                                                 "create trigger t after update on courses begin select 1; end;"},
                          ("campus/b/sql/migrations/0001_b.sql:1: table: ", "'users' is already a table of campus/a"),
                          ("campus/b/sql/migrations/0001_b.sql:2: table: ", "belong to the framework"),
                          ("campus/b/sql/migrations/0001_b.sql:3: table: ", "creates 'courses'"),
                          ("loadstone/store/sql/migrations/0001_s.sql:1: table: ", "begin with loadstone_"))

    def test_renamed_tables_keep_their_owner(self):
        self.assert_clean({**self.MIGRATIONS, "campus/a/sql/migrations/0002_b.sql": "alter table users rename to people;\n",
                           "campus/a/sql/x.sql": "-- name: x\n-- dialect: sqlite\nselect 1\n-- dialect: postgres\nselect * from people"})

    def test_sql_stays_in_files(self):
        self.assert_finds({"campus/a/queries.cc": 'auto x = "select id from users where id = $1";\nlog("select a course");\n'},
                          ("campus/a/queries.cc:1: table: ", ".sql file"))

    def test_questions_stay_in_files(self):
        text = 'constexpr analytics::Query by_day{"a.by_day", "select 1"};\n'
        self.assert_clean({"campus/a/a_test.cc": text})
        self.assert_finds({"campus/a/a.cc": text}, ("campus/a/a.cc:1: table: ", "put it into sql/facts"))

    def test_tables_of_questions_are_compared_with_those_declared(self):
        tables = {"campus/a/sql/facts/tables.sql": "create table t (n bigint);\n"}
        self.assert_finds({**tables, "campus/b/facts.cc": "    facts.asked(facts_sql::tables);\n"},
                          ("campus/a/sql/facts/tables.sql:1: table: ", "'facts.asked(facts_sql::tables)'"))
        self.assert_clean({**tables, "campus/a/facts.cc": "    facts.asked(facts_sql::tables);\n"})


class Program(Tree):
    def test_exits_with_1_if_there_are_findings(self):
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(tidy.main([str(self.root)]), 0)
            self.write("loadstone/net/a.cc", "assert(x);\n")
            self.assertEqual(tidy.main([str(self.root)]), 1)
        self.assertIn("loadstone/net/a.cc:1: banned: assert()", out.getvalue())


if __name__ == "__main__":
    unittest.main()
