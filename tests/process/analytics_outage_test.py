"""The column store is out of order, is another database's, or has another history: facts wait within their bound, and no question is
answered with what is not so."""

import json
import os
import re
import shutil
import signal
import subprocess
import unittest

from harness.case import DATABASE, SHORT_LEASE, main
from harness.postgres import as_user
from harness.school import SchoolTest
from harness.waiting import wait_until

BOUND = 1_000
WAIT_EVENT = "facts wait: they cannot be carried to the column store"


class AnalyticsOutageTest(SchoolTest):
    def folder_of(self, name):
        (self.folder / name).mkdir(exist_ok=True)
        return self.folder / name

    def node(self, name, role="all"):
        return self.campus(name, role=role, data=self.folder_of(name), files=self.folder / "files", public_url="https://campus.example.org",
                           **SHORT_LEASE)

    def metric(self, name, server=None):
        with (server or self.server).client() as client:
            text = client.get("/metrics").body.decode()
        return float(re.search(rf"^loadstone_analytics_{name}(?:{{.*}})? (\S+)$", text, re.M).group(1))

    def enrolment(self, client=None):
        who, = self.people(1)
        return (client or self.client).request("POST", f"{self.own.path}/enrolment", cookie=who.cookie).status

    def carried(self):
        return self.tables.value("select count(*) from loadstone_facts") == 0

    def activity(self, server=None):
        with (server or self.server).client() as client:
            return client.get(f"/api/dashboards/courses/{self.own.id}/activity", cookie=self.teacher)

    def use(self, server):
        self.client.close()
        self.client = server.client()
        self.addCleanup(self.client.close)

    def fill(self):
        """With copies of those that wait."""
        while self.tables.value("select count(*) from loadstone_facts") < BOUND:
            self.database.execute("insert into loadstone_facts (form, body) select form, body from loadstone_facts")

    def check_bound(self):
        self.assertEqual(self.enrolment(), 201, "within the bound")
        self.fill()
        wait_until(lambda: self.enrolment() == 429, 10, "a refusal")
        self.assertGreater(self.metric("facts_refused_total"), 0)
        self.assertGreaterEqual(self.metric("facts_waiting"), BOUND)
        self.assertGreater(self.metric("lag_seconds"), 0)
        status = json.loads(self.server.command("analytics", "status", "--json").stdout)
        self.assertGreaterEqual(status["waiting"], BOUND)
        self.assertGreaterEqual(status["servers"][0]["feed"]["waiting"], BOUND)
        return self.server.command("analytics", "status").stdout

    def test_the_bound_holds_while_the_store_cannot_be_started(self):
        self.start(analytics_program="/nonexistent", analytics_waiting_max=BOUND)
        self.own = self.course(capacity=100_000)
        text = self.check_bound()
        self.assertIn("/nonexistent cannot be started", text)
        self.assertNotIn("another server", text)
        self.server.kill()
        self.server.start()
        self.use(self.server)
        wait_until(lambda: self.enrolment() == 429, 10, "a refusal after a restart")

    def test_the_bound_holds_while_the_store_stands_still(self):
        self.start(analytics_waiting_max=BOUND)
        self.own = self.course(capacity=100_000)
        self.assertEqual(self.enrolment(), 201)
        wait_until(self.carried, 20, "facts to be carried")
        store = self.store_process()
        os.kill(store, signal.SIGSTOP)
        self.check_bound()
        os.kill(store, signal.SIGCONT)
        wait_until(self.carried, 20, "facts to be carried")
        wait_until(lambda: self.enrolment() == 201, 10, "writes to be taken again")

    # A database that is put back.

    def copy_of_database(self, back=False):
        """While nobody has it open: kept, or put back."""
        kept = self.folder / "kept"
        if DATABASE == "sqlite":
            names = (kept, self.folder / "data" / "campus.db")
            self.assertFalse((self.folder / "data" / "campus.db-wal").exists())
            shutil.copyfile(*(names if back else reversed(names)))
            return
        self.database.shut_down("fast")
        if back:
            shutil.rmtree(self.database.cluster)
        subprocess.run(as_user(["cp", "-a", kept if back else self.database.cluster, self.database.cluster if back else kept]),
                       check=True, cwd="/")
        self.database.start()

    def check_put_back(self, lost):
        self.start()
        self.own = self.course(capacity=100_000)
        self.assertEqual(self.enrolment(), 201)
        wait_until(self.carried, 20, "facts to be carried")
        self.server.terminate()
        if DATABASE == "postgres":
            own_folder = self.database.folder
            own_folder.parent.chmod(0o777)  # where PostgreSQL's user puts its copy
        self.copy_of_database()
        self.server.start()
        self.use(self.server)
        for _ in range(lost):
            self.assertEqual(self.enrolment(), 201)
            wait_until(self.carried, 20, "facts to be carried")
        self.server.terminate()
        self.copy_of_database(back=True)
        self.server.start()
        self.use(self.server)
        for _ in range(lost + 5):  # beyond the number that the store has had
            self.assertEqual(self.enrolment(), 201)
        refused = self.log_line(self.server, WAIT_EVENT)
        self.assertIn("put back to an earlier day", refused["error"])
        # Again, with all that has been written since.
        self.server.terminate()
        self.server.start()
        self.use(self.server)
        self.assertIn("rebuild", self.log_line(self.server, WAIT_EVENT)["error"])
        wait_until(lambda: self.metric("feed_failures_total") >= 2, 30, "another try")
        self.assertFalse(self.carried())
        self.assertEqual(self.activity().status, 503, "of a history that is not the database's")
        # What the log says helps.
        self.server.terminate()
        shutil.rmtree(self.folder / "data" / "analytics")
        self.database.execute("delete from loadstone_fact_feed")
        self.server.start()
        self.server.command("analytics", "rebuild")
        self.server.command("analytics", "verify")

    def log_line(self, server, event):
        def found():
            return next((line for line in server.log_lines() if line.get("event") == event), None)
        return wait_until(found, 20, event)

    def test_a_database_that_was_put_back_is_refused_for_good(self):
        self.check_put_back(lost=4)

    def test_a_database_that_was_put_back_by_one_batch_is_refused_for_good(self):
        self.check_put_back(lost=1)

    # Servers with folders of their own.

    @unittest.skipUnless(DATABASE == "postgres", "SQLite has one machine")
    def test_who_has_not_the_store_of_the_database_answers_nothing(self):
        self.start()
        self.own = self.course(capacity=100_000)
        self.assertEqual(self.enrolment(), 201)
        wait_until(self.carried, 20, "facts to be carried")
        self.assertEqual(wait_until(lambda: (found := self.activity()).status == 200 and found, 10, "an answer").status, 200)
        self.server.terminate()
        self.database.execute("delete from loadstone_fact_feed")
        second = self.node("second").start()
        self.use(second)
        self.assertEqual(self.enrolment(), 201)
        wait_until(self.carried, 20, "facts to be carried")
        self.server.start()
        told = self.log_line(self.server, "another server has the column store with the facts of this database")
        self.assertIn("second", told["holder"])
        for _ in range(5):
            self.assertEqual(self.activity().status, 503)
        self.assertIsNone(self.store_process(), "a process that nobody may ask")
        self.assertEqual(self.activity(second).status, 200)
        self.assertNotEqual(self.server.command("analytics", "query", "select 1 as one", check=False).returncode, 0)
        self.assertNotIn(WAIT_EVENT, [line.get("event") for line in self.server.log_lines()])

    @unittest.skipUnless(DATABASE == "postgres", "SQLite has one machine")
    def test_of_two_with_empty_folders_one_has_the_store(self):
        self.start(role="web")
        self.own = self.course(capacity=100_000)
        nodes = [self.node("first"), self.node("second")]
        for node in nodes:
            node.start(wait=False)
        for node in nodes:
            node.wait_ready()
        self.assertEqual(self.enrolment(), 201)
        wait_until(self.carried, 20, "facts to be carried")
        feeds = {}

        def one_carries():
            for node in nodes:
                feeds[node.name] = json.loads(node.command("analytics", "status", "--json").stdout)["servers"][0]["feed"]
            return sorted(feed["is_carrying"] for feed in feeds.values()) == [False, True]
        wait_until(one_carries, 20, "one to have the store")
        for node in nodes:
            self.assertNotIn(WAIT_EVENT, [line.get("event") for line in node.log_lines()])
            self.assertEqual(self.activity(node).status, 200 if feeds[node.name]["is_carrying"] else 503)
            self.assertEqual(feeds[node.name]["failures"], 0)

    @unittest.skipUnless(DATABASE == "postgres", "SQLite has one machine")
    def test_a_report_is_made_where_the_store_is(self):
        self.start(role="web", files=self.folder / "files")
        self.own = self.course(capacity=100_000)
        workers = [self.node("first", "work").start(), self.node("second", "work").start()]
        self.assertEqual(self.enrolment(), 201)
        wait_until(self.carried, 20, "facts to be carried")
        for kind in ("activity_csv", "activity_parquet"):
            asked = self.client.post("/api/reports", {"kind": kind}, cookie=self.teacher).json["id"]
            report = wait_until(lambda: (found := self.client.get(f"/api/reports/{asked}", cookie=self.teacher).json)["state"]
                                in ("done", "failed") and found, 30, "the report")
            self.assertEqual((report["state"], report["rows"]), ("done", 1), report)
        self.assertEqual(len(workers), 2)
        self.assertEqual(self.activity().status, 503, "two folders")
        self.assertIn("one data folder", self.log_line(self.server, "another server has the column store with the facts of this database")["remedy"])

    # A statement that takes too much.

    def query(self, text, *words):
        return self.server.command("analytics", "query", text, *words, check=False)

    def answers(self):
        return self.query("select 1 as one").returncode == 0

    def test_a_value_cannot_take_the_machine(self):
        self.start(analytics_memory_mb=64)
        wait_until(self.answers, 20, "the store")
        done = self.query("select repeat('x', 2000000000) as x")
        self.assertNotEqual(done.returncode, 0)
        self.assertNotIn("in time", done.stderr)
        wait_until(self.answers, 20, "the next answer")

    def test_a_statement_that_does_not_end_is_ended(self):
        self.start()
        wait_until(self.answers, 20, "the store")
        before = self.store_process()
        stuck = "select levenshtein(repeat('x', 1000000), repeat('y', 1000000)) as x"
        self.assertNotEqual(self.query(stuck, "--seconds", 1).returncode, 0)
        wait_until(lambda: self.store_process() not in (None, before), 30, "another process")
        wait_until(self.answers, 20, "the next answer")

    def test_a_column_without_a_name_is_told_so(self):
        self.start()
        wait_until(self.answers, 20, "the store")
        done = self.query("select 1, count(*)")
        self.assertIn('column 1 of the result is called "1"', done.stderr)
        self.assertIn("as ", done.stderr)


if __name__ == "__main__":
    main()
