"""What an operator asks with `campus db`, of a server that runs."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import threading

from harness import case
from harness.case import ProcessTest, main
from harness.postgres import Postgres
from harness.statements import ExpectStatements, top
from harness.waiting import wait_until

ME = "GET /api/me"
USER = "accounts.user_by_id"


class DbTest(ProcessTest, ExpectStatements):
    extensions = ()

    def setUp(self):
        super().setUp()
        if case.DATABASE == "postgres":
            loaded = ",".join(self.extensions)
            self._database = Postgres(self.folder / "postgres", f"shared_preload_libraries = '{loaded}'")
            for extension in self.extensions:
                self.database.psql(f"create extension {extension}")
        self.mail.start()

    @property
    def is_sqlite(self):
        return case.DATABASE == "sqlite"

    def start(self, **settings):
        campus = self.campus_ = self.campus(**{"postgres_sample_every_ms": 50, **settings}).start()
        self.client_ = campus.client()
        self.addCleanup(self.client_.close)
        registered = self.client_.register("ada@example.org")
        self.assertEqual(registered.status, 201, registered)
        self.cookie, self.user = registered.cookie, registered.json["id"]
        self.me()
        return campus

    def me(self):
        self.assertEqual(self.client_.get("/api/me", cookie=self.cookie).status, 200)

    def line(self, campus, statement, activity):
        return next((line for line in top(campus)["statements"]
                     if (line["statement"], line["activity"]) == (statement, activity)), None)

    def refused(self, campus, *words):
        done = campus.command("db", *words, check=False)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        return done.stderr


class DbCommandsTest(DbTest):
    def test_top_tells_each_statement_of_each_route(self):
        campus = self.start()
        for _ in range(9):
            self.me()
        line = self.line(campus, USER, ME)
        self.assertEqual((line["calls"], line["rows"], line["failures"]), (10, 10, 0))
        self.assertGreater(line["total_us"], 0)
        self.assertLessEqual(line["p50_us"], line["p95_us"])
        self.assertLessEqual(line["p95_us"], line["p99_us"])
        self.assertIsNotNone(self.line(campus, "accounts.insert_user", "POST /api/register"))
        self.expect_statements(campus, ME, 2, self.me, times=5)

        self.assertEqual(line["lock_waits_seen"], None if self.is_sqlite else 0)
        table = campus.command("db", "top", "--limit", 1000).stdout
        for part in ("STATEMENT", "P99", "READ/ROW", "POOL", "LOCK", USER, ME):
            self.assertIn(part, table)
        if self.is_sqlite:
            self.assertEqual(line["scanned_per_row"], 0)  # by its index
            self.assertIsNotNone(line["lock_wait_us"])
        else:
            self.assertIsNone(line["lock_wait_us"])  # only that it waits is seen
            self.assertIn("pg_stat_statements is not installed", table)
            self.assertIn("pg_stat_kcache is not installed", top(campus)["advice"])
        self.assertEqual(len(json.loads(campus.command("db", "top", "--limit", 1, "--json").stdout)["statements"]), 1)

    def test_top_of_several_processes_names_them(self):
        campus = self.start()
        other = self.campus("other", role="web").start()
        with other.client() as client:
            self.assertEqual(client.get("/api/me", cookie=self.cookie).status, 200)
        lines = [line for line in top(campus)["statements"] if (line["statement"], line["activity"]) == (USER, ME)]
        self.assertEqual({line["process"] for line in lines}, {str(campus.pid), str(other.pid)})
        table = campus.command("db", "top", "--limit", 1000).stdout
        self.assertTrue(table.startswith("PROCESS "), table[:100])
        for pid in (campus.pid, other.pid):
            self.assertRegex(table, rf"(?m)^{pid} +{USER} +{ME} ")

    def test_who_is_over_a_budget_is_counted_for_its_module(self):
        campus = self.start(store_rows_max=64)
        made = self.client_.post("/api/courses", {"title": "Tides", "description": "", "capacity": 10}, cookie=self.cookie)
        path = f"/api/courses/{made.json['id']}"
        for number in range(65):
            lesson = {"title": f"Ebb {number}", "length_s": 60}
            self.assertEqual(self.client_.post(f"{path}/lessons", lesson, cookie=self.cookie).status, 201)
        self.assertEqual(self.client_.get(path, cookie=self.cookie).status, 500)
        text = self.client_.get("/metrics").body.decode()
        counted = [line for line in text.splitlines() if line.startswith("loadstone_store_over_budget_total") and not line.endswith(" 0")]
        self.assertEqual(counted, ['loadstone_store_over_budget_total{module="courses",budget="rows"} 1'])

    def test_top_names_what_is_for_the_column_store(self):
        campus = self.start(store_analytic_rows=1)

        def told():
            self.assertEqual(self.client_.post("/api/reports", {"kind": "audit"}, cookie=self.cookie).status, 202)
            return next((line for line in top(campus)["analytic"] if line["statement"] == "audit.count_in_period"), None)
        line = wait_until(told, 30, "a count to be told of")
        self.assertEqual(line["activity"], "reports.MakeReport")
        self.assertRegex(line["place"], r"^campus/audit/\w+\.(cc|h):\d+$")
        self.assertGreaterEqual(line["read"], 1)
        self.assertIn("for the column store: audit.count_in_period read ", campus.command("db", "top").stdout)
        said = [one for one in campus.log_lines() if "question for the column store" in str(one)]
        self.assertEqual(len([one for one in said if "audit.count_in_period" in str(one)]), 1, said)

    def test_slow_tells_where_it_was_and_no_values(self):
        campus = self.start(store_slow_ms=0)
        slow = json.loads(campus.command("db", "slow", "--limit", 1000, "--json").stdout)
        user = next(each for each in slow if (each["statement"], each["activity"]) == (USER, ME))
        self.assertRegex(user["place"], r"^campus/accounts/\w+\.(cc|h):\d+$")
        self.assertGreater(user["span"], 0)
        text = campus.command("db", "slow").stdout
        self.assertIn("CALLED FROM", text)
        for secret in ("ada@example.org", "Lovelace"):
            self.assertNotIn(secret, text + json.dumps(slow))

    def test_slow_says_that_nothing_was(self):
        campus = self.start(store_slow_ms=60_000)
        self.assertIn("no statement took longer", campus.command("db", "slow").stdout)

    def test_explain_puts_estimated_and_real_rows_side_by_side(self):
        campus = self.start()
        plan = json.loads(campus.command("db", "explain", "user_by_id", "--json").stdout)
        self.assertEqual(plan["statement"], USER)
        self.assertFalse(plan["is_analyzed"])
        self.assertTrue(plan["steps"])
        real = json.loads(campus.command("db", "explain", USER, self.user, "--analyze", "--json").stdout)
        self.assertEqual((real["is_analyzed"], real["rows"]), (True, 1))
        self.assertEqual(real["steps"][0]["rows"], None if self.is_sqlite else 1)  # SQLite does not tell
        if self.is_sqlite:
            self.assertGreater(real["program_steps"], 0)
            self.assertEqual((real["scanned"], real["sorts"], real["auto_index_rows"], real["temp_bytes"]), (0, 0, 0, None))
        else:
            self.assertEqual((real["scanned"], real["temp_bytes"], real["program_steps"]), (1, 0, None))
        self.assertEqual(real["steps"][0]["estimated_rows"], None if self.is_sqlite else 1)
        text = campus.command("db", "explain", USER, self.user, "--analyze").stdout
        for part in ("ESTIMATED", "REAL", "1 rows given back", "users"):
            self.assertIn(part, text)

        users = len(self.tables.users())
        self.assertIn("it is explained, never run", self.refused(campus, "explain", "insert_user", "--analyze"))
        write = json.loads(campus.command("db", "explain", "insert_user", "--json").stdout)
        self.assertEqual((write["statement"], write["is_analyzed"]), ("accounts.insert_user", False))
        self.assertIn("insert into users", write["sql"])
        steps = [step["step"] for step in write["steps"]]
        self.assertTrue(any("Insert on users" in step for step in steps) or (self.is_sqlite and not steps), steps)
        self.assertEqual(len(self.tables.users()), users)
        self.assertIn("no running server has run a statement nothing_by_id", self.refused(campus, "explain", "nothing_by_id"))
        for value in ("abc", "99999999999999999999"):
            self.assertRegex(self.refused(campus, "explain", USER, value, "--analyze"),
                             "its value 1 is .*, and an int of 64 bits is needed" if self.is_sqlite else value)
        self.assertIn("has 1 parameters, 2 values were given", self.refused(campus, "explain", USER, "1", "2"))
        self.assertIn("has 1 parameters, 0 values were given", self.refused(campus, "explain", USER, "--analyze"))

    def test_a_process_that_is_stuck_is_named_and_the_others_are_told(self):
        campus = self.start()
        stuck = self.campus("stuck", role="web").start()
        stuck.process.send_signal(signal.SIGSTOP)
        try:
            named = f"process {stuck.pid} is left out: no answer"
            for words in (("top",), ("slow",), ("connections",), ("explain", USER), *([("locks",)] if self.is_sqlite else [])):
                done = campus.command("db", *words)
                if words[0] != "explain":
                    self.assertIn(named, done.stdout + done.stderr, words)
            self.assertIn(USER, campus.command("db", "top", "--limit", 1000).stdout)
            silent = json.loads(campus.command("db", "top", "--json").stdout)["silent"]
            self.assertEqual([each["process"] for each in silent], [str(stuck.pid)])
            self.assertIn(f"process {stuck.pid}", self.refused(campus, "explain", "nothing_by_id"))
        finally:
            stuck.process.send_signal(signal.SIGCONT)

    def test_a_lock_of_another_program_is_told(self):
        campus = self.start()
        if not self.is_sqlite:
            return
        outside = sqlite3.connect(self.database.path, isolation_level=None)
        self.addCleanup(outside.close)
        outside.execute("begin immediate")
        program = subprocess.run(["cat", f"/proc/{os.getpid()}/comm"], capture_output=True, text=True).stdout.strip()
        writing = threading.Thread(target=self.write_once)
        writing.start()
        try:
            # What the server writes by itself waits beside the request, and each gives up after a while.
            def locks():
                report = json.loads(campus.command("db", "locks", "--json").stdout)
                return report if report["writers"][0]["waiting"] >= 1 else None
            report = wait_until(locks, 20, "the write to wait")
            self.assertEqual(report["holder"], {"process": str(os.getpid()), "program": program, "is_server": False})
            said = rf"process {campus.pid}: the file's write lock is another's, [1-9]\d* wait\n"
            def told():
                text = campus.command("db", "locks").stdout
                return text if re.search(said, text) else None
            text = wait_until(told, 20, "the wait to be told")
            self.assertIn(f"process {os.getpid()} ({program}), no server that answers here, has the file's write lock", text)
        finally:
            outside.execute("rollback")
            writing.join()
        self.assertNotIn("has the file's write lock", campus.command("db", "locks").stdout)

    def write_once(self):
        with self.campus_.client() as client:
            client.post("/api/courses", {"title": "Tides", "description": "", "capacity": 10}, cookie=self.cookie)

    def test_locks_tell_who_waits_for_whom(self):
        campus = self.start()
        if self.is_sqlite:
            writers = json.loads(campus.command("db", "locks", "--json").stdout)["writers"]
            self.assertEqual([writer["process"] for writer in writers], [str(campus.pid)])
            self.assertIn(f"process {campus.pid}: ", campus.command("db", "locks").stdout)
            return
        self.assertIn("nobody waits", campus.command("db", "locks").stdout)
        with self.database.session("begin; lock table users; select pg_sleep(60)"), self.database.session("update users set name = name"):
            # Campus' own reads of users, its sampled plans among them, may wait beside it.
            wait = wait_until(lambda: next((wait for wait in json.loads(campus.command("db", "locks", "--json").stdout)["waits"]
                                            if wait["waiter_statement"].startswith("update users")), None),
                              20, "the session that waits")
            self.assertIn("pg_sleep", wait["holder_statement"])
            self.assertIn("relation users", wait["lock"])
            text = campus.command("db", "locks").stdout
            for part in ("update users", "pg_sleep", "has it"):
                self.assertIn(part, text)

    def test_a_wait_is_told_from_when_it_began(self):
        campus = self.start()
        if self.is_sqlite:
            return
        late = "do $$ begin perform pg_sleep(2); update users set name = name; end $$"
        with self.database.session("begin; lock table users; select pg_sleep(60)"), self.database.session(late, quote="$q$"):
            def waits():
                return [wait for wait in json.loads(campus.command("db", "locks", "--json").stdout)["waits"]
                        if wait["waiter_statement"] == late]
            wait = wait_until(waits, 20, "the session that waits")[0]
            real = self.database.rows("select extract(epoch from clock_timestamp() - l.waitstart) as s from pg_locks l join "
                                      f"pg_stat_activity a using (pid) where not l.granted and a.query = $q${late}$q$")
            self.assertLessEqual(wait["waited_s"], float(real[0]["s"]))

    def test_bloat_tells_of_dead_rows_and_free_pages(self):
        campus = self.start()
        space = json.loads(campus.command("db", "bloat", "--json").stdout)
        text = campus.command("db", "bloat").stdout
        if self.is_sqlite:
            self.assertGreater(space["file"]["pages"], 1)
            self.assertIn("free pages", text)
        else:
            self.assertIn("users", [table["table"] for table in space["tables"]])
            self.assertTrue(space["indexes"])
            for part in ("DEAD", "VACUUMED", "no statement has used"):
                self.assertIn(part, text)

    def test_connections_tell_who_may_have_how_many(self):
        campus = self.start(store_shares="reports=40/60")
        report = json.loads(campus.command("db", "connections", "--json").stdout)
        shared = {"process": str(campus.pid), "name": "loadstone_store_module_waits_total",
                  "labels": 'module="dashboards",direction="heavy_reads"', "value": "0"}
        self.assertIn(shared, report["processes"])
        self.assertRegex(campus.command("db", "connections").stdout,
                         rf"process {campus.pid}\n(.*\n)*  module direction +refused +waits\n(.*\n)*  dashboards heavy_reads +0 +0\n")
        if self.is_sqlite:
            self.assertIn("no connections to share", campus.command("db", "connections").stdout)
            return
        holder = report["server"]["holders"][0]
        self.assertGreaterEqual(holder["declared"], 10)
        self.assertGreaterEqual(report["server"]["max"], report["server"]["open"])
        self.assertIn(f"{holder['name']} may have {holder['declared']}", campus.command("db", "connections").stdout)

    def test_replicas_tell_the_role(self):
        campus = self.start()
        self.assertEqual(json.loads(campus.command("db", "replicas", "--json").stdout)["replication"]["role"], "single")
        self.assertIn("no replicas", campus.command("db", "replicas").stdout)

    def test_without_a_server_it_says_so(self):
        campus = self.start()
        self.assertEqual(campus.terminate(), 0)
        for words in (("top",), ("slow",), ("explain", USER)):
            self.assertIn("no server runs on the data folder", self.refused(campus, *words))
        self.assertEqual(campus.command("db", "bloat", check=False).returncode, 0)  # the database can be asked

    def test_metrics_name_statements_and_no_routes(self):
        self.start()
        text = self.client_.get("/metrics").body.decode()
        series = [line for line in text.splitlines() if line.startswith("loadstone_statement_")]
        self.assertTrue([line for line in series if f'statement="{USER}"' in line])
        self.assertFalse([line for line in series if ME in line])


class SampledTest(DbTest):
    def test_postgres_tells_what_a_read_reads(self):
        campus = self.start()
        if self.is_sqlite:
            self.assertEqual(self.line(campus, USER, ME)["temp_bytes"], -1)  # SQLite does not tell
            return

        def sampled():
            self.me()
            line = self.line(campus, USER, ME)
            return line if line["scanned_per_row"] >= 0 else None
        line = wait_until(sampled, 30, "a read to be sampled")
        self.assertEqual(line["scanned_per_row"], 1)
        self.assertEqual(line["temp_bytes"], 0)


class WithStatementsTest(DbTest):
    """With pg_stat_statements loaded."""
    extensions = ("pg_stat_statements",)

    def test_top_has_the_servers_own_figures(self):
        campus = self.start(postgres_sample_plans="off")
        line = self.line(campus, USER, ME)
        advice = top(campus)["advice"]
        if self.is_sqlite:
            self.assertEqual(advice, "")
            return
        self.assertEqual(line["temp_bytes"], 0)  # known
        self.assertEqual((line["lock_wait_us"], line["lock_waits_seen"]), (None, None))  # nobody looks
        self.assertNotIn("pg_stat_statements is not installed", advice)
        self.assertIn("pg_stat_kcache is not installed", advice)

    def test_statements_with_literals_have_figures_too(self):
        campus = self.start(postgres_sample_plans="off")
        course = {"title": "Tides", "description": "", "capacity": 10}
        made = self.client_.post("/api/courses", course, cookie=self.cookie)
        self.assertEqual(made.status, 201, made)
        lesson = {"title": "Ebb", "length_s": 60}
        self.assertEqual(self.client_.post(f"/api/courses/{made.json['id']}/lessons", lesson, cookie=self.cookie).status, 201)
        self.assertEqual(self.client_.post(f"/api/courses/{made.json['id']}/publish", {}, cookie=self.cookie).status, 204)
        self.assertEqual(self.client_.post(f"/api/courses/{made.json['id']}/enrolment", {}, cookie=self.cookie).status, 201)
        for path in ("/api/courses", "/api/enrolments", "/api/dashboards/instructor", f"/api/courses/{made.json['id']}/progress"):
            self.assertEqual(self.client_.get(path, cookie=self.cookie).status, 200, path)
        if self.is_sqlite:
            return
        lines = [line for line in top(campus)["statements"] if not line["statement"].startswith("loadstone.")]
        self.assertGreater(len(lines), 30)
        self.assertEqual({line["statement"] for line in lines if line["temp_bytes"] < 0}, set())


class WithKcacheTest(DbTest):
    """With pg_stat_kcache loaded too."""
    extensions = ("pg_stat_statements", "pg_stat_kcache")

    def test_top_has_the_servers_cpu_and_reads_from_disk(self):
        campus = self.start(postgres_sample_plans="off")
        line = self.line(campus, USER, ME)
        text = campus.command("db", "top", "--limit", 1000).stdout
        self.assertRegex(text, r"TEMP +CPU +DISK")
        shown = next(shown for shown in text.splitlines() if shown.startswith(USER) and ME in shown)
        self.assertEqual(top(campus)["advice"], "")
        if self.is_sqlite:
            self.assertEqual((line["server_cpu_ms"], line["server_disk_bytes"]), (-1, -1))
            self.assertRegex(shown, r" - +- *$")
            return
        # The kernel's clock is coarser than one short statement: many have a time.
        self.assertGreaterEqual(line["server_cpu_ms"], 0)
        self.assertGreaterEqual(line["server_disk_bytes"], 0)
        self.assertRegex(shown, r" [\d.]+(us|ms|s) +\d+(kB|MB) *$")

        def has_grown():
            for _ in range(100):
                self.me()
            return self.line(campus, USER, ME)["server_cpu_ms"] > line["server_cpu_ms"]
        wait_until(has_grown, 30, "a statement's CPU time to be counted")


if __name__ == "__main__":
    main()
