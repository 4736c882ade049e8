"""A year of activity as a file, made by the column store: CSV and Parquet, once, whoever is killed while it is made."""

import csv
import json
import os
import pathlib
import re
import signal
import time
import unittest

from harness.case import FULL, main
from harness.parquet import ACTIVITY, Parquet
from harness.school import SchoolTest
from harness.waiting import wait_until


USERS = 100_000  # whose year is exported in full
# What the settings give the column store, and what it and the server may take besides, MiB.
STORE_MB, STORE_BESIDE_MB, SERVER_MB = 512, 256, 200


def peak_mb(pid):
    return int(re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024


class AnalyticsExportTest(SchoolTest):
    def order(self, kind, cookie=None, **wanted):
        answer = self.client.post("/api/reports", {"kind": kind, **wanted}, cookie=cookie or self.teacher)
        self.assertEqual(answer.status, 202, answer)
        return answer.json["id"]

    def shown(self, report, cookie=None):
        return self.client.get(f"/api/reports/{report}", cookie=cookie or self.teacher).json

    def finished(self, report, cookie=None):
        return wait_until(lambda: (found := self.shown(report, cookie))["state"] in ("done", "failed") and found, 60, "the report")

    def files(self):
        return sorted(path.name for path in (self.folder / "data" / "files" / "reports").iterdir())

    def test_a_year_is_one_file(self):
        self.start()
        course = self.course(quizzes=((10, 1),) * 2, capacity=100)
        learners = self.people(5)
        for who in learners:
            self.client.request("POST", f"{course.path}/enrolment", cookie=who.cookie)
            for quiz in course.quizzes:
                self.client.request("POST", f"{course.path}/quizzes/{quiz}/attempts", {"points": 7}, cookie=who.cookie)
        wait_until(lambda: self.tables.value("select count(*) from loadstone_facts") == 0, 30, "facts to be carried")
        store = wait_until(self.store_process, 20, "the column store")

        report = self.finished(self.order("activity_csv"))
        self.assertEqual((report["state"], report["rows"]), ("done", 20), report)
        answer = self.client.get(report["file"], cookie=self.teacher)
        self.assertEqual(answer.headers["Content-Type"], "text/csv; charset=utf-8")
        self.assertEqual(len(answer.body), report["bytes"])
        rows = list(csv.DictReader(answer.body.decode().splitlines()))
        self.assertEqual([(int(row["course"]), row["points"]) for row in rows if row["kind"] == "quiz_attempted"], [(course.id, "7")] * 10)
        self.assertEqual({int(row["learner"]) for row in rows}, {who.id for who in learners})
        self.assertEqual([row["happened_at"] for row in rows], sorted(row["happened_at"] for row in rows))

        # The store stands still in the midst, and both die; whoever comes next makes the file.
        os.kill(store, signal.SIGSTOP)
        asked = self.order("activity_parquet")
        wait_until(lambda: self.shown(asked)["state"] == "running", 20, "it to be begun")
        self.server.kill()
        os.kill(store, signal.SIGKILL)
        self.server.start()
        self.client.close()
        self.client = self.server.client()
        report = self.finished(asked)
        self.assertEqual((report["state"], report["rows"]), ("done", 20), report)
        answer = self.client.get(report["file"], cookie=self.teacher)
        self.assertEqual(answer.headers["Content-Type"], "application/vnd.apache.parquet")
        self.assertIn(".parquet", answer.headers["Content-Disposition"])
        copy = self.folder / "copy.parquet"
        copy.write_bytes(answer.body)
        file = Parquet()
        self.assertEqual(file.rows(f"select column_name, column_type from (describe from '{copy}')"), ACTIVITY)
        self.assertEqual(file.value(f"select count(*) from '{copy}'"), 20)
        self.assertEqual(file.value(f"select sum(points) from '{copy}' where kind = 'quiz_attempted' and course = {course.id}"), 70)
        self.assertEqual([name.rpartition(".")[2] for name in self.files()], ["csv", "parquet"])
        self.assertEqual(list((self.folder / "data" / "analytics" / "exports").iterdir()), [])

        # Of others' courses nothing; of a period what is in it.
        self.assertEqual(self.finished(self.order("activity_csv", self.eve), self.eve)["rows"], 0)
        # An admin has the organisation's too; another role does not.
        self.database.execute("insert into organisations (name, admin_count, created_at) values ('School', 1, 0)")
        organisation = self.tables.value("select id from organisations")
        self.database.execute(f"update courses set organisation_id = {organisation}")
        self.database.execute("insert into memberships (user_id, organisation_id, role, joined_at) "
                              f"select id, {organisation}, 'instructor', 0 from users where email = 'eve@example.org'")
        for role, rows, end in (("instructor", 0, "2100-01-01T00:00:00Z"), ("admin", 20, "2100-01-02T00:00:00Z")):
            self.database.execute(f"update memberships set role = '{role}'")
            report = self.finished(self.order("activity_csv", self.eve, to=end), self.eve)
            self.assertEqual((report["state"], report["rows"]), ("done", rows), role)
        past = {"from": "2020-01-01T00:00:00Z", "to": "2021-01-01T00:00:00Z"}
        self.assertEqual(self.finished(self.order("activity_csv", **past))["rows"], 0)
        self.assertEqual(self.client.post("/api/reports", {"kind": "activity"}, cookie=self.teacher).status, 422)

    def test_one_that_may_kill_its_process_is_made_in_a_sandbox(self):
        self.start()
        course = self.course(quizzes=((10, 1),), capacity=100)
        who, = self.people(1)
        self.client.request("POST", f"{course.path}/enrolment", cookie=who.cookie)
        wait_until(lambda: self.tables.value("select count(*) from loadstone_facts") == 0, 30, "facts to be carried")
        queue = "reports"
        self.server.command("jobs", "pause", queue)
        asked = self.order("activity_csv")
        self.database.execute(f"update loadstone_ready set partition_key = partition_key || '|loadstone.suspect:' || queue where queue = '{queue}'")
        self.server.command("jobs", "resume", queue)
        report = self.finished(asked)
        self.assertEqual((report["state"], report["rows"]), ("done", 1), report)
        events = [line["event"] for line in self.server.log_lines()]
        self.assertIn("jobs that may kill their process run in a sandbox", events)

    @unittest.skipUnless(FULL, "the year of 100,000 users")
    def test_a_year_of_a_large_school_is_one_file(self):
        school = self.campus("campus", role="all")
        school.command("migrate")
        school.command("seed", "--users", USERS, timeout_s=1_800)
        self.start(analytics_memory_mb=STORE_MB)
        # All courses are one's own.
        self.database.execute("update courses set instructor_id = (select id from users where email = 'ada@example.org')")

        def rebuilt():
            work = json.loads(self.server.command("analytics", "status", "--json").stdout)["work"]
            return work and all(one["state"] == "done" for one in work) and work
        facts = sum(one["facts"] for one in wait_until(rebuilt, 900, "the facts to be made"))
        store = wait_until(self.store_process, 20, "the column store")
        before = {"server": peak_mb(self.server.pid), "store": peak_mb(store)}
        copies, file = {}, Parquet()
        for kind in ("csv", "parquet"):
            for pid in (self.server.pid, store):
                pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew
            began = time.monotonic()
            asked = self.order(f"activity_{kind}")
            report = wait_until(lambda: (found := self.shown(asked))["state"] in ("done", "failed") and found, 600, "the report")
            took = time.monotonic() - began
            self.assertEqual((report["state"], report["rows"]), ("done", facts), report)
            peaks = {"server": peak_mb(self.server.pid), "store": peak_mb(store)}
            self.say(f"{USERS:,} users, {kind}: {report['rows']:,} rows, {report['bytes']:,} bytes, {took:.1f} s; peak RSS, MiB: server "
                     f"{peaks['server']:.0f}, store {peaks['store']:.0f} (before the export {before['server']:.0f} and {before['store']:.0f})")
            self.assertLess(peaks["server"], SERVER_MB)
            self.assertLess(peaks["store"], STORE_MB + STORE_BESIDE_MB)
            copies[kind] = next((self.folder / "data" / "files" / "reports").glob(f"*.{kind}"))
            self.assertEqual(copies[kind].stat().st_size, report["bytes"])
        sums = "count(*) + 7 * sum(course) + 11 * sum(learner) + 13 * sum(coalesce(points, 0)) + sum(epoch_us(happened_at)) % 1000003"
        self.assertEqual(file.value(f"select {sums} from read_csv('{copies['csv']}')"), file.value(f"select {sums} from '{copies['parquet']}'"))


if __name__ == "__main__":
    main()
