"""Reports: the file is right byte for byte, whoever dies while it is written; its owner's alone."""

import calendar
import email
import email.policy
import os
import pathlib
import re
import signal
import time

from harness.case import SHORT_LEASE, ProcessTest, main
from harness.small_disk import SmallDisk, enter_namespace
from harness.waiting import wait_until

ROWS = 120_000


def micros(text):
    """"2026-01-31T12:00:00.000001Z" -> microseconds."""
    seconds, fraction = text.rstrip("Z").split(".")
    return calendar.timegm(time.strptime(seconds, "%Y-%m-%dT%H:%M:%S")) * 1_000_000 + int(fraction)


def rfc3339(value):
    seconds, fraction = divmod(value, 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{fraction:06}Z"


def cell(text):
    if text and text[0] in "=+-@\t\r":
        text = "'" + text
    if any(c in text for c in ",\"\r\n"):
        text = '"' + text.replace('"', '""') + '"'
    return text


class ReportsTest(ProcessTest):
    def setUp(self):
        super().setUp()
        self.mail.start()
        self.files = self.folder / "files"
        self.shared = {"files": self.files, "public_url": "https://campus.example.org/"}
        self.web = self.campus("web", role="web", **self.shared).start()
        self.client = self.web.client()
        self.addCleanup(self.client.close)
        self.cookie = self.client.register("ada@example.org").cookie
        self.eve = self.client.register("eve@example.org").cookie

    def worker(self, name="work", data="data2", crashes_max=10):
        return self.campus(name, role="work", data=self.folder / data, jobs_crashes_max=crashes_max, **self.shared,
                           **SHORT_LEASE).start()

    def fill(self, rows, user=1):
        """Entries of a user, several of one instant, with what CSV must quote and spreadsheets must not run."""
        details = ["a plain sentence", "with, comma", 'with "quotes"', "two\nlines", "=1+1", "+49 30 1", "-1", "@home",
                   "Zürich, “quoted”", "=HYPERLINK(\"http://a\")"]
        cases = " ".join(f"when {number} then '{text}'" for number, text in enumerate(details))
        self.database.execute(
            f"with recursive n(i) as (select 0 union all select i + 1 from n where i + 1 < {rows}) "
            "insert into audit_events (user_id, action, detail, address, happened_at) "
            f"select {user}, 'test.entry', case i % 10 {cases} end, '192.0.2.' || (i % 250), "
            f"1600000000000000 + cast(i / 7 as bigint) * 1000003 from n")

    def ask(self, cookie=None, **wanted):
        return self.client.post("/api/reports", {"kind": "audit", **wanted}, cookie=cookie or self.cookie)

    def show(self, report, cookie=None):
        answer = self.client.get(f"/api/reports/{report}", cookie=cookie or self.cookie)
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def wait_done(self, report, timeout_s=120, cookie=None):
        def ended():
            shown = self.show(report, cookie)
            self.assertNotEqual(shown["state"], "failed", shown)
            return shown if shown["state"] == "done" else None
        return wait_until(ended, timeout_s, f"report {report} to be done")

    def expected(self, shown, user=1):
        rows = self.database.rows(
            f"select id, happened_at, action, detail, address from audit_events where user_id = {user} and "
            f"happened_at >= {micros(shown['from'])} and happened_at < {micros(shown['to'])} order by happened_at, id")
        text = "id,happened_at,action,detail,address\r\n" + "".join(
            ",".join(cell(value) for value in (str(row["id"]), rfc3339(row["happened_at"]), row["action"],
                                               row["detail"], row["address"])) + "\r\n" for row in rows)
        return text.encode(), len(rows)

    def in_folder(self):
        return sorted(path.name for path in (self.files / "reports").glob("*"))

    def part_bytes(self):
        return max((path.stat().st_size for path in (self.files / "reports").glob("*.part")), default=0)

    def remove_old(self):
        self.database.execute(
            "insert into loadstone_ready (queue, priority, kind, arguments, cause, enqueued_at, run_at) "
            f"values ('reports', 0, 'reports.RemoveOldReports', '{{}}', 'test', 0, 0)")

    def fired_at(self):
        return self.tables.value("select fired_at from loadstone_schedules where name = 'reports.removal'")

    def saved_steps(self):
        return self.tables.count("loadstone_steps")

    def link_mails(self):
        texts = [email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
                 for file in self.mail.store.glob("*.eml")]
        return [text for text in texts if text["Subject"] == "Your report is ready"]

    def test_a_killed_worker_goes_on_where_it_was(self):
        self.fill(ROWS)
        work = self.worker()
        answer = self.ask()
        self.assertEqual(answer.status, 202, answer)
        report = answer.json["id"]
        self.assertEqual(answer.headers["Location"], f"/api/reports/{report}")
        went_on_from = []
        for _ in range(2):
            enough = max(went_on_from, default=0) + 600_000
            wait_until(lambda: self.part_bytes() > enough, 60, "the file to grow")
            self.assertEqual(self.saved_steps(), 1)
            work.kill()
            shown = self.show(report)
            self.assertEqual(shown["state"], "running", "it was killed in the middle")
            self.assertIsNone(shown["file"])
            self.assertEqual(self.client.get(f"/api/reports/{report}/file", cookie=self.cookie).status, 404)
            work.start()
            line = wait_until(lambda: next((line for line in work.log_lines()
                                            if line.get("event") == "a report goes on where it was"), None), 30,
                              "the report to go on")
            went_on_from.append(line["bytes"])
        shown = self.wait_done(report)
        self.assertGreater(went_on_from[0], 0)
        self.assertGreater(went_on_from[1], went_on_from[0])
        expected, rows = self.expected(shown)
        self.assertEqual(rows, shown["rows"])
        self.assertGreaterEqual(rows, ROWS)
        self.assertEqual(shown["bytes"], len(expected))
        peak = self.peak_memory(self.web)
        file = self.client.get(shown["file"], cookie=self.cookie)
        self.assertEqual(file.status, 200)
        self.assertTrue(file.body == expected, "the file is not what the table holds")
        self.assertEqual(file.headers["Content-Type"], "text/csv; charset=utf-8")
        self.assertEqual(file.headers["Content-Disposition"], f'attachment; filename="audit-{report}.csv"')
        grown = self.peak_memory(self.web) - peak
        self.say(f"{rows} rows, {len(expected) >> 20} MiB, went on from {went_on_from}; the download cost {grown >> 10} KiB")
        self.assertLess(grown, len(expected) // 4, "the file was not in memory")
        self.assertEqual(len(self.in_folder()), 1, self.in_folder())
        self.wait_for_jobs(60)
        mail, = self.link_mails()
        self.assertEqual(mail["To"], "Ada Lovelace <ada@example.org>")
        self.assertIn(f"https://campus.example.org/api/reports/{report}/file", mail.get_content())
        self.assertEqual(self.tables.count("deliveries", "subject = 'Your report is ready'"), 1)
        self.assertEqual(self.saved_steps(), 0, "what was saved is forgotten")

    def test_a_worker_that_only_stood_still_spoils_nothing(self):
        self.fill(ROWS)
        slow = self.worker("slow", "data2")
        report = self.ask().json["id"]
        wait_until(lambda: self.part_bytes() > 600_000, 60, "the file to grow")
        slow.signal(signal.SIGSTOP)
        self.assertEqual(self.show(report)["state"], "running")
        other = self.worker("other", "data3")
        shown = self.wait_done(report)
        self.assertIn("a report goes on where it was", [line.get("event") for line in other.log_lines()])
        slow.signal(signal.SIGCONT)
        wait_until(lambda: any("running jobs are stopped" in event or "declared dead" in event
                               for event in (line.get("event", "") for line in slow.log_lines())), 30, "it to notice")
        self.wait_for_jobs(30)
        self.assertEqual(slow.terminate(), 0)
        self.assertEqual(other.terminate(), 0)
        expected, _ = self.expected(shown)
        self.assertTrue(self.client.get(shown["file"], cookie=self.cookie).body == expected)
        self.assertEqual(len([name for name in self.in_folder() if not name.endswith(".part")]), 1, self.in_folder())
        self.assertEqual(len(self.link_mails()), 1)

    @staticmethod
    def peak_memory(campus):
        status = pathlib.Path(f"/proc/{campus.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) << 10

    def test_a_report_is_its_owners_alone(self):
        self.fill(50)
        self.worker()
        report = self.ask().json["id"]
        shown = self.wait_done(report)
        for path in (f"/api/reports/{report}", f"/api/reports/{report}/file"):
            self.assertEqual(self.client.get(path).status, 401)
            self.assertEqual(self.client.get(path, cookie=self.eve).status, 404)
            self.assertEqual(self.client.get(path, cookie=self.cookie).status, 200)
        self.assertEqual(self.client.request("DELETE", f"/api/reports/{report}", cookie=self.eve).status, 404)
        self.assertEqual(self.client.get("/api/reports", cookie=self.eve).json["reports"], [])
        own = self.client.get("/api/reports", cookie=self.cookie).json
        self.assertEqual([each["id"] for each in own["reports"]], [report])
        theirs = self.ask(cookie=self.eve).json["id"]
        shown = self.wait_done(theirs, cookie=self.eve)
        expected, rows = self.expected(shown, user=2)
        self.assertEqual(self.client.get(shown["file"], cookie=self.eve).body, expected)
        self.assertNotIn(b"test.entry", expected, "what another did is not in it")
        head = self.client.request("HEAD", shown["file"], cookie=self.eve)
        self.assertEqual(int(head.headers["Content-Length"]), len(expected))
        self.assertEqual(self.client.request("DELETE", f"/api/reports/{report}", cookie=self.cookie).status, 204)
        self.assertEqual(self.client.get(f"/api/reports/{report}", cookie=self.cookie).status, 404)
        self.assertEqual(len(self.in_folder()), 1, "the file went with it")

    def test_the_period_is_what_was_asked_for(self):
        self.fill(1000)
        self.worker()
        first, last = 1600000000000000 + 10 * 1000003, 1600000000000000 + 20 * 1000003
        shown = self.wait_done(self.ask(**{"from": rfc3339(first), "to": rfc3339(last)}).json["id"])
        self.assertEqual(shown["rows"], 70, "its end is not in it")
        expected, _ = self.expected(shown)
        self.assertEqual(self.client.get(shown["file"], cookie=self.cookie).body, expected)
        shown = self.wait_done(self.ask(**{"from": rfc3339(0), "to": rfc3339(1)}).json["id"])
        self.assertEqual(shown["rows"], 0)
        self.assertEqual(self.client.get(shown["file"], cookie=self.cookie).body,
                         b"id,happened_at,action,detail,address\r\n")

    def test_what_waits_is_not_asked_for_twice_and_can_be_dropped(self):
        first = self.ask()
        self.assertEqual(self.ask().json, first.json, "the same request is the same report")
        other = self.ask(to="2026-01-31T12:00:00.000000Z").json["id"]
        self.assertNotEqual(other, first.json["id"])
        self.assertNotEqual(self.ask(cookie=self.eve).json["id"], first.json["id"], "another's is another")
        own = self.client.get("/api/reports?limit=1", cookie=self.cookie).json
        self.assertEqual([each["id"] for each in own["reports"]], [other])
        rest = self.client.get(f"/api/reports?limit=1&before={own['next_before']}", cookie=self.cookie).json
        self.assertEqual([(each["id"], each["state"]) for each in rest["reports"]], [(first.json["id"], "waiting")])
        self.assertIsNone(rest["next_before"])
        waiting = len(self.tables.jobs())
        self.assertEqual(self.client.request("DELETE", f"/api/reports/{other}", cookie=self.cookie).status, 204)
        self.assertEqual(len(self.tables.jobs()), waiting - 1, "its job is gone with it")
        self.assertEqual(self.client.get(f"/api/reports/{other}", cookie=self.cookie).status, 404)
        for wanted in ({"kind": "grades"}, {"from": "yesterday"},
                       {"from": "2026-01-31T12:00:00Z", "to": "2026-01-31T11:00:00Z"}):
            self.assertEqual(self.ask(**wanted).status, 422, wanted)
        self.assertEqual(self.client.post("/api/reports", {"kind": "audit"}).status, 401)
        for number in range(19):
            self.assertEqual(self.ask(to=f"2026-01-31T12:00:{number + 10}.000000Z").status, 202)
        refused = self.ask(to="2026-01-31T13:00:00.000000Z")
        self.assertEqual(refused.status, 429)
        self.assertGreater(int(refused.headers["Retry-After"]), 0)

    def test_beyond_the_bound_of_its_queue_none_is_taken(self):
        narrow = self.campus("narrow", role="web", jobs_bounds="reports=3", **self.shared).start()
        with narrow.client() as client:
            def ask(number=0):
                return client.post("/api/reports", {"kind": "audit", "to": f"2026-01-31T12:00:0{number}.000000Z"}, cookie=self.cookie)
            reports = [ask(number) for number in range(4)]
            self.assertEqual({answer.status for answer in reports}, {202})
            # It is counted once a second.
            refused = wait_until(lambda: answer if (answer := ask()).status == 503 else None, 10, "the queue to be over its bound")
            self.assertEqual(refused.headers["Retry-After"], "30")
            self.assertNotIn("reports", refused.json["detail"], "why is said in the log")
            self.assertIn("queue reports holds more than 3 ready jobs", narrow.log_text())
            self.assertEqual(ask(9).status, 503)
            self.assertEqual(self.tables.count("reports"), 4)
            self.assertEqual(self.tables.count("audit_events", "action = 'report.requested'"), 4)
            self.worker()
            for answer in reports:
                self.wait_done(answer.json["id"])
            wait_until(lambda: ask(9).status == 202, 10, "room")

    def test_one_that_runs_can_be_cancelled(self):
        self.fill(ROWS)
        self.worker()
        report = self.ask().json["id"]
        wait_until(lambda: any(name.endswith(".part") for name in self.in_folder()), 30, "it to be written")
        self.assertEqual(self.client.request("DELETE", f"/api/reports/{report}", cookie=self.cookie).status, 204)
        self.assertEqual(self.client.get(f"/api/reports/{report}", cookie=self.cookie).status, 404)
        self.wait_for_jobs(30)
        self.assertEqual(self.in_folder(), [])
        self.assertEqual(self.link_mails(), [])
        self.wait_done(self.ask(to="2020-10-01T00:00:00.000000Z").json["id"])

    def test_one_whose_processes_die_has_failed_and_can_be_put_back(self):
        self.fill(ROWS)
        first = self.worker(crashes_max=1)
        report = self.ask().json["id"]
        wait_until(lambda: any(name.endswith(".part") for name in self.in_folder()), 30, "it to be written")
        wait_until(lambda: len(self.tables.jobs()) == 1, 10, "nothing but it to be under way: what dies once is given up here")
        first.kill()
        second = self.worker("second", "data3", crashes_max=1)
        shown = wait_until(lambda: s if (s := self.show(report))["state"] == "failed" else None, 20, "it to be given up")
        dead, = self.tables.dead_jobs()
        self.assertIn(str(dead["id"]), shown["reason"])
        wait_until(lambda: not self.tables.jobs(), 10, "whoever was told to end")
        second.command("jobs", "retry", dead["id"])
        wait_until(lambda: self.show(report)["state"] == "done", 120, "it to be done")

    def test_one_of_a_user_runs_at_a_time(self):
        self.fill(60_000)
        self.fill(60_000, user=2)
        reports = {self.ask(to=f"2026-01-31T12:00:0{number}.000000Z", cookie=cookie).json["id"]: cookie
                   for number in range(3) for cookie in (self.cookie, self.eve)}
        self.worker()
        most = [0, 0]

        def running(cookie):
            return {report for report, owner in reports.items() if owner == cookie and self.show(report, owner)["state"] == "running"}

        def all_done():
            # One may end and the next begin between two questions: at once are those that were running before and after.
            for at, cookie in enumerate((self.cookie, self.eve)):
                most[at] = max(most[at], len(running(cookie) & running(cookie)))
            return all(self.show(report, cookie)["state"] == "done" for report, cookie in reports.items())
        wait_until(all_done, 120, "six reports")
        self.assertEqual(most, [1, 1])

    def test_a_full_disk_puts_it_off(self):
        self.fill(60_000)
        folder = self.files / "reports"
        folder.mkdir(mode=0o700)
        disk = SmallDisk(folder, megabytes=8)
        self.addCleanup(disk.unmount)
        disk.fill()
        self.worker()
        report = self.ask().json["id"]
        wait_until(lambda: any(job["last_error"] for job in self.tables.jobs()), 20, "it to be put off")
        job, = self.tables.jobs()
        self.assertIn("No space left on device", job["last_error"])
        self.assertEqual(job["attempt"], 0, "that is no attempt")
        wait_until(lambda: self.in_folder() == ["ballast"], 10, "nothing of it to be left")
        disk.make_room()
        shown = self.wait_done(report)
        expected, _ = self.expected(shown)
        self.assertEqual(self.client.get(shown["file"], cookie=self.cookie).body, expected)

    def test_old_ones_and_stray_files_are_removed(self):
        self.fill(10)
        self.worker()
        old, kept = self.ask().json["id"], self.ask(to="2026-01-31T12:00:00.000000Z").json["id"]
        self.wait_done(old)
        self.wait_done(kept)
        self.wait_for_jobs(30)
        lost = self.files / "reports" / "99-99.csv.part"
        lost.write_text("of a process that died")
        os.utime(lost, (time.time() - 3 * 3600,) * 2)
        self.database.execute(f"update reports set requested_at = requested_at - {8 * 24 * 3600 * 1_000_000} where id = {old}")
        self.database.execute("insert into reports (owner_id, kind, period_from, period_to, state, reason, job, file, "
                              f"row_count, byte_count, requested_at) select owner_id, kind, period_from, period_to, 'waiting', "
                              f"'', 987654321, '', 0, 0, requested_at - 3600000000 from reports where id = {kept}")
        stranded = self.tables.value("select max(id) from reports")
        self.remove_old()
        wait_until(lambda: self.client.get(f"/api/reports/{old}", cookie=self.cookie).status == 404, 20, "it to be removed")
        wait_until(lambda: len(self.in_folder()) == 1, 20, "the stray file to go")
        self.assertEqual(self.show(kept)["state"], "done")
        shown = wait_until(lambda: s if (s := self.show(stranded))["state"] == "failed" else None, 20, "it to be given up")
        self.assertEqual(shown["reason"], "it was not begun in time")

    def test_a_removal_that_was_missed_is_not_made_up(self):
        work = self.worker()
        wait_until(lambda: self.fired_at() is not None, 20, "the schedule to be known")
        work.terminate()
        lost = self.files / "reports" / "99-99.csv.part"
        lost.parent.mkdir(exist_ok=True)
        lost.write_text("of a process that died")
        os.utime(lost, (time.time() - 3 * 3600,) * 2)
        # One that is a minute late at most would fire.
        wait_until(lambda: 60 < time.time() % 600 < 540, 130, "minutes in which none fires")
        self.database.execute("update loadstone_schedules set fired_at = fired_at - 3600000000 where name = 'reports.removal'")
        missed = self.fired_at()
        work.start()
        wait_until(lambda: self.fired_at() > missed, 20, "the schedule to be looked at")
        self.wait_for_jobs(20)
        self.assertTrue(lost.exists())
        self.remove_old()
        wait_until(lambda: not lost.exists(), 20, "the next one to find it")


if __name__ == "__main__":
    enter_namespace()
    main()
