"""The column store is made anew from the tables while others write and servers are killed, and compared with them."""

import json
import random
import shutil
import threading

from harness.case import FULL, main
from harness.column_store import change
from harness.http_client import Lost
from harness.school import DAY, SchoolTest
from harness.waiting import wait_until

KILLS = 20 if FULL else 1
TOLD = """select (select count(*) from enrolments) + 2 * (select count(*) from departures)
    + (select count(*) from lesson_progress where completed_at is not null) + (select count(*) from quiz_attempts)
    + (select count(*) from completions) + (select count(*) from active_days)"""


class AnalyticsWorkTest(SchoolTest):
    def analytics(self, *words, check=True):
        return self.server.command("analytics", *words, check=check)

    def status(self):
        return json.loads(self.analytics("status", "--json").stdout)

    def carried(self):
        return self.tables.value("select count(*) from loadstone_facts") == 0

    def worked(self):
        rows = self.database.rows("select state, reason, facts from loadstone_fact_work")
        self.assertNotIn("failed", [row["state"] for row in rows], rows)
        return all(row["state"] == "done" for row in rows)

    def has_worked(self):
        return self.tables.value("select count(*) from loadstone_fact_work where state = 'done'") == 1 and self.worked()

    def verify(self):
        """The one table's line; wrong differences fail the test."""
        wait_until(self.worked, 30, "earlier work to be done")
        done = self.analytics("verify", "--json", check=False)
        (line,) = json.loads(done.stdout)
        self.assertEqual(done.returncode, 1 if line["totals"]["differing"] else 0, done.stderr)
        return line

    def expect_equal(self):
        wait_until(self.carried, 30, "all facts to be carried")
        line = self.verify()
        told = self.tables.value(TOLD)
        self.assertEqual((line["totals"]["told"], line["totals"]["stored"], line["differences"]), (told, told, []))

    def test_seeded_activity_shows(self):
        self.start()
        self.server.command("seed", "--users", "150", "--courses", "10", "--add", timeout_s=300)
        wait_until(self.has_worked, 30, "the back-fill")
        self.expect_equal()
        found = json.loads(self.analytics("query", "--json", "select count(*) as facts, count(distinct course) as courses, "
                                          "min(happened_at) as first from learning_activity").stdout)
        self.assertEqual(found["columns"], ["facts", "courses", "first"])
        self.assertEqual(found["rows"][0][0], self.tables.value(TOLD))
        self.assertRegex(found["rows"][0][2], r"^20\d\d-.*Z$")

        # One that is gone, one that is another.
        attempt = self.database.rows("select id, course_id, attempted_at from quiz_attempts order by id limit 1")[0]
        self.database.execute(f"update quiz_attempts set points = points + 1 where id = {attempt['id']}")
        progress = self.database.rows("select user_id, lesson_id, completed_at from lesson_progress where completed_at is not null "
                                      f"and completed_at / {DAY} <> {attempt['attempted_at'] // DAY} order by user_id, lesson_id limit 1")[0]
        self.database.execute("update lesson_progress set completed_at = null where "
                              f"user_id = {progress['user_id']} and lesson_id = {progress['lesson_id']}")
        line = self.verify()
        self.assertEqual(line["totals"]["differing"], 2)
        self.assertEqual(sorted(day["stored"] - day["told"] for day in line["differences"]), [0, 1])
        self.analytics("rebuild")
        self.expect_equal()
        self.check_questions()

    def change_store(self, *statements):
        self.assertEqual(self.server.terminate(), 0)
        change(self.folder / "data" / "analytics" / "facts.duckdb", *statements)
        self.server.start()
        wait_until(lambda: self.status()["servers"][0]["feed"]["is_carrying"], 20, "the feed")

    def test_rollups_are_compared_and_made_anew(self):
        self.start(analytics_rollup_recent_rows=50)
        self.server.command("seed", "--users", "150", "--courses", "10", "--add", timeout_s=300)
        wait_until(self.has_worked, 30, "the back-fill")
        self.expect_equal()
        wrong = "update loadstone_rolled_learning_progress set lessons = lessons + 1 where rowid % 7 = 0"
        self.change_store(wrong)
        compared = self.analytics("verify", check=False)
        self.assertEqual(compared.returncode, 1)
        self.assertRegex(compared.stderr, "rollup learning_progress differs from its facts in [0-9]+ rows with course from")
        self.analytics("rebuild")
        self.expect_equal()
        # A server that knew nothing of them has carried facts since.
        self.change_store(wrong, "update loadstone_rolled_up_to set position = '0 0 1'")
        self.expect_equal()
        # They are lost.
        self.change_store("drop view learning_progress", "delete from loadstone_rollups where name = 'learning_progress'")
        self.expect_equal()

    def failed_merges(self):
        return self.status()["servers"][0]["feed"]["failed_merges"]

    def test_merges_that_fail_are_counted(self):
        self.start(analytics_rollup_recent_rows=4)
        own = self.course(quizzes=((10, 1),), capacity=100)
        wait_until(self.carried, 30, "all facts to be carried")
        self.change_store("create unique index no_two on loadstone_rolled_learning_progress (course)")
        self.assertEqual(self.failed_merges(), 0)
        self.client.close()
        self.client = self.server.client()
        for who in self.people(6):
            self.client.request("POST", f"{own.path}/enrolment", cookie=who.cookie)
        wait_until(self.failed_merges, 30, "a merge that fails")
        self.assertRegex(self.client.get("/metrics").body.decode(), r"(?m)^loadstone_analytics_failed_merges_total [1-9]")
        self.assertRegex(self.analytics("status").stdout, "[1-9][0-9]* merges of rollups failed")
        self.expect_equal()  # nothing is wrong or lost
        self.change_store("drop index no_two")
        self.expect_equal()
        self.assertEqual(self.failed_merges(), 0)

    def check_questions(self):
        for statement in ("delete from learning_activity", "copy learning_activity to 'stolen.csv'", "select * from read_csv('/etc/passwd')",
                          "set memory_limit = '1TB'", "attach 'other.db'", "select 1; drop table learning_activity"):
            refused = self.analytics("query", statement, check=False)
            self.assertEqual(refused.returncode, 1, statement)
        bound = "select * from learning_activity limit 11"
        self.assertEqual(self.analytics("query", "--rows", "11", bound).returncode, 0)
        self.assertIn("more than 10 rows", self.analytics("query", "--rows", "10", bound, check=False).stderr)
        late = self.analytics("query", "--seconds", "1", "select count(*) from range(1000000) a, range(1000000) b", check=False)
        self.assertIn("deadline", late.stderr)
        status = self.status()
        (server,) = [line["feed"] for line in status["servers"]]
        self.assertTrue(server["is_carrying"])
        self.assertEqual((server["waiting"], server["restarts"]), (0, 0))
        self.assertGreater(server["file_bytes"], 0)
        self.assertEqual([work["state"] for work in status["work"]], ["done"])
        self.assertIn("loadstone-duckdb", self.analytics("status").stdout)
        self.assertIn("there is no table of facts nothing", self.analytics("rebuild", "nothing", check=False).stderr)

    def test_it_is_made_anew_while_others_write_and_servers_die(self):
        self.start(analytics_batch_facts=7)
        self.own = self.course(quizzes=((10, 1),) * 2, capacity=10_000)
        stop, written = threading.Event(), []

        def write(number):
            """Enrol, attempt, some leave, some come back."""
            dice = random.Random(number)
            learners = self.people(3)
            while not stop.is_set():
                client = self.server.client()
                try:
                    for who in learners:
                        client.request("POST", f"{self.own.path}/enrolment", cookie=who.cookie)
                        for quiz in self.own.quizzes:
                            if client.request("POST", f"{self.own.path}/quizzes/{quiz}/attempts", {"points": dice.randrange(10)},
                                              cookie=who.cookie).status < 300:
                                written.append(quiz)
                        if dice.random() < 0.5:
                            client.request("DELETE", f"{self.own.path}/enrolment", cookie=who.cookie)
                except (OSError, Lost):
                    pass  # killed
                finally:
                    client.close()
                if len(learners) < 60:
                    learners += self.people(1)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        try:
            for kill in range(KILLS):
                for _ in range(2):
                    self.analytics("rebuild")
                before = len(written)
                self.analytics("rebuild", "--no-wait")
                self.server.kill()
                self.server.start()
                wait_until(lambda: len(written) > before, 20, "others to write again")
                wait_until(self.worked, 30, "the work to be gone on with")
                line = self.verify()  # while they write
                self.assertEqual(line["differences"], [])
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.client.close()
        self.client = self.server.client()
        self.expect_equal()
        self.say(f"{self.tables.value(TOLD)} facts, {KILLS} kills")

    def test_without_a_server_it_is_said(self):
        self.start()
        self.assertEqual(self.server.terminate(), 0)
        self.assertIn("no server runs", self.analytics("status").stdout)
        asked = self.analytics("query", "select 1", check=False)
        self.assertIn("cannot be reached", asked.stderr)
        self.analytics("rebuild", "--no-wait")  # is done when one runs
        self.server.start()
        wait_until(self.has_worked, 30, "what was asked before")

    def lose_store(self):
        shutil.rmtree(self.folder / "data" / "analytics")

    def test_a_lost_store_is_made_anew(self):
        self.start()
        own = self.course(quizzes=((10, 1),), capacity=100)
        for who in self.people(3):
            self.client.request("POST", f"{own.path}/enrolment", cookie=who.cookie)
        self.expect_equal()
        self.assertEqual(self.server.terminate(), 0)
        self.lose_store()
        self.database.execute("delete from loadstone_fact_feed")
        self.server.start()
        wait_until(lambda: self.status()["servers"][0]["feed"]["is_carrying"], 20, "another store")
        self.assertEqual((self.verify()["totals"]["told"], self.verify()["totals"]["stored"]), (3, 0))
        self.analytics("rebuild")
        self.expect_equal()


if __name__ == "__main__":
    main()
