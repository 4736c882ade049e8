"""What analytics_test and analytics_work_test show of DuckDB, with a real ClickHouse: killed, as the server is and PostgreSQL."""

import json
import os
import pathlib
import signal

import analytics_export_test
import analytics_test
import analytics_work_test
from harness.case import FULL, ProcessTest, main
from harness.clickhouse import DATABASE, PASSWORD, ClickHouse
from harness.parquet import ACTIVITY, Parquet
from harness.waiting import wait_until


class WithClickHouse(ProcessTest):
    def setUp(self):
        super().setUp()
        self.clickhouse = ClickHouse(self.folder / "clickhouse")
        self.addCleanup(self.clickhouse.stop)
        self.store_settings = {"analytics_store": self.clickhouse.url, "analytics_lease_ms": 1000}

    def expect_no_password(self):
        for log in self.folder.glob("campus*.log"):
            self.assertNotIn(PASSWORD, log.read_text(errors="replace"))
        shown = self.server.command("settings").stdout
        self.assertIn("campus:***@127.0.0.1", shown)
        self.assertNotIn(PASSWORD, shown)


class AnalyticsInClickHouseTest(WithClickHouse, analytics_test.AnalyticsTest):
    rounds = analytics_test.ROUNDS if FULL else 3  # each kind of kill once
    test_the_store_ends_with_its_server = None
    test_the_store_holds_no_socket_of_its_server = None

    def kill_store(self):
        self.clickhouse.kill()
        self.clickhouse.start()

    def test_nothing_is_lost_or_doubled(self):
        super().test_nothing_is_lost_or_doubled()
        line, = json.loads(self.server.command("analytics", "verify", "--json").stdout)
        told = self.tables.value(analytics_work_test.TOLD)
        self.assertEqual((line["totals"]["told"], line["totals"]["stored"], line["differences"]), (told, told, []))
        self.assertEqual(self.clickhouse.value("select count() from learning_activity"), told)
        self.check_questions()
        self.expect_no_password()

    def check_unknown_scores(self, before):
        """Attempts of which it is not known what their quiz has are in no band."""
        self.database.execute("update quiz_attempts set points_max = null where id % 3 = 0")
        self.server.command("analytics", "rebuild")
        attempts, unknown = (self.tables.value(f"select count(*) from quiz_attempts {where}") for where in ("", "where points_max is null"))
        self.assertGreater(unknown, 0)
        found = self.client.get("/api/dashboards/instructor/analytics", cookie=self.teacher)
        self.assertEqual(found.status, 200, found)
        after = found.json["scores"]
        self.assertEqual((before["unknown"], after["unknown"]), (0, unknown))
        self.assertEqual((sum(before["bands"]), sum(after["bands"])), (attempts, attempts - unknown))

    def check_questions(self):
        found = self.client.get("/api/dashboards/instructor/analytics", cookie=self.teacher)
        self.assertEqual(found.status, 200, found)
        learners = self.tables.value("select count(distinct user_id) from enrolments")
        funnel, top = found.json["funnel"]["learners"], found.json["top_courses"]["courses"]
        self.assertEqual((funnel["enrolled"], funnel["attempted"], funnel["completed"]), (learners, learners, 0))
        self.assertEqual([(line["course"], line["learners"]) for line in top], [(self.own.id, learners)])
        self.assertEqual(sum(day["attempts"] for day in found.json["activity"]["days"]), self.tables.value("select count(*) from quiz_attempts"))
        self.assertEqual(found.json["at_risk"]["total"], 0)
        self.check_unknown_scores(found.json["scores"])
        asked = self.client.post("/api/reports", {"kind": "activity_csv"}, cookie=self.teacher)
        self.assertEqual(asked.status, 202, asked)
        report = wait_until(lambda: (shown := self.client.get(f"/api/reports/{asked.json['id']}", cookie=self.teacher).json)["state"]
                            in ("done", "failed") and shown, 30, "the report")
        told = self.tables.value(analytics_work_test.TOLD)
        self.assertEqual((report["state"], report["rows"]), ("done", told))
        lines = self.client.get(report["file"], cookie=self.teacher).body.decode().splitlines()
        self.assertEqual(lines[0], "happened_at,course,learner,kind,lesson,quiz,points")
        self.assertEqual(len(lines), told + 1)
        typed = json.loads(self.server.command("analytics", "query", "--json", "select count() as facts from learning_activity").stdout)
        self.assertEqual((typed["columns"], typed["rows"]), (["facts"], [[told]]))
        nothing = self.server.command("analytics", "query", "select course, kind from learning_activity where course = 0").stdout
        self.assertEqual(nothing.splitlines()[0].split(), ["course", "kind"])
        for statement in ("drop table learning_activity", "insert into loadstone_epochs values (1, 9, [])", "set max_memory_usage = 0",
                          "select * from url('http://127.0.0.1:1/', 'TSV', 'a String')", "select 1; select 2"):
            refused = self.server.command("analytics", "query", statement, check=False)
            self.assertEqual(refused.returncode, 1, statement)
            self.assertIn("ClickHouse: ", refused.stderr)
        self.assertIn("ClickHouse at 127.0.0.1", self.server.command("analytics", "status").stdout)


class AnalyticsWorkInClickHouseTest(WithClickHouse, analytics_work_test.AnalyticsWorkTest):
    test_seeded_activity_shows = None
    test_rollups_are_compared_and_made_anew = None
    test_merges_that_fail_are_counted = None
    test_without_a_server_it_is_said = None

    def lose_store(self):
        for verb in ("drop", "create"):
            self.clickhouse.run(f"{verb} database {DATABASE}", database="default")


class ExportsFromClickHouseTest(WithClickHouse, analytics_export_test.AnalyticsExportTest):
    test_a_year_is_one_file = None
    test_a_year_of_a_large_school_is_one_file = None
    test_one_that_may_kill_its_process_is_made_in_a_sandbox = None

    def setUp(self):
        super().setUp()
        self.start()
        course = self.course(quizzes=((10, 1),) * 2, capacity=100)
        for who in self.people(7):
            self.client.request("POST", f"{course.path}/enrolment", cookie=who.cookie)
            for quiz in course.quizzes:
                self.client.request("POST", f"{course.path}/quizzes/{quiz}/attempts", {"points": 7}, cookie=who.cookie)
        self.facts = 7 * 4
        wait_until(lambda: self.tables.value("select count(*) from loadstone_facts") == 0, 30, "facts to be carried")

    def copy(self, asked, name):
        report = self.finished(asked)
        self.assertEqual((report["state"], report["rows"]), ("done", self.facts), report)
        path = self.folder / name
        path.write_bytes(self.client.get(report["file"], cookie=self.teacher).body)
        self.assertEqual(path.stat().st_size, report["bytes"])
        return path

    def check_nothing_is_left(self):
        self.assertEqual(list((self.folder / "data/analytics/exports").iterdir()), [])

    def test_files_are_those_of_duckdb(self):
        file, copies = Parquet(), {}
        copies["clickhouse"] = [self.copy(self.order(f"activity_{kind}"), f"clickhouse.{kind}") for kind in ("csv", "parquet")]
        self.check_nothing_is_left()
        self.server.terminate()
        self.database.execute("delete from loadstone_fact_feed")
        self.store_settings = {}
        self.server = self.campus("duckdb", role="all", data=self.folder / "data").start()
        self.client = self.server.client()
        self.addCleanup(self.client.close)
        self.server.command("analytics", "rebuild", timeout_s=60)
        copies["duckdb"] = [self.copy(self.order(f"activity_{kind}"), f"duckdb.{kind}") for kind in ("csv", "parquet")]
        for csv, parquet in copies.values():
            self.assertEqual(file.rows(f"select column_name, column_type from (describe from '{parquet}')"), ACTIVITY)
            self.assertEqual(file.value(f"select count(*) from '{parquet}'"), self.facts)
            self.assertEqual(file.rows(f"(from '{parquet}' except all from '{csv}') union all (from '{csv}' except all from '{parquet}')"), [])
        self.assertEqual(*(file.rows(f"from '{parquet}'") for _, parquet in copies.values()))
        self.assertEqual(*(csv.read_text() for csv, _ in copies.values()))

    def hold(self):
        """Asks for a file while ClickHouse stands still; gives the report and the process that is to write the file."""
        os.kill(self.clickhouse.process.pid, signal.SIGSTOP)
        asked = self.order("activity_parquet")
        return asked, wait_until(self.store_process, 20, "the process that writes it")

    def go_on(self):
        os.kill(self.clickhouse.process.pid, signal.SIGCONT)

    def test_whoever_is_killed_leaves_nothing(self):
        asked, writer = self.hold()
        os.kill(writer, signal.SIGKILL)
        self.go_on()
        self.copy(asked, "writer.parquet")
        asked, writer = self.hold()
        self.server.kill()
        self.client.close()
        state = pathlib.Path(f"/proc/{writer}/status")
        wait_until(lambda: not state.exists() or "State:\tZ" in state.read_text(), 20, "the writer to end with its server")
        self.check_nothing_is_left()
        self.go_on()
        self.server.start()
        self.client = self.server.client()
        self.addCleanup(self.client.close)
        self.copy(asked, "server.parquet")
        self.check_nothing_is_left()


if __name__ == "__main__":
    main()
