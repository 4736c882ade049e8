"""What an operator does with `campus jobs`, to a server that runs."""

import json
import re
import signal
import time

from harness.case import ProcessTest, main
from harness.storm import StormTest
from harness.terminal import Terminal
from harness.waiting import TimedOut, wait_until

LONG_MS = 120_000
SLOW_HOST = "slow.example"


class JobsCommandsTest(ProcessTest):
    def stats(self, campus):
        queues = json.loads(campus.command("jobs", "stats", "--json").stdout)
        return next((queue for queue in queues if queue["name"] == "accounts"), None)

    def test_a_paused_queue_holds_its_jobs_and_says_so(self):
        self.mail.start()
        campus = self.campus().start()
        self.assertIn("paused", campus.command("jobs", "pause", "accounts").stdout)
        wait_until(lambda: self.stats(campus)["is_paused"], 10, "the queue to be paused")
        job = wait_until(lambda: self.held(campus), 30, "a mail that is held")
        self.assertIn("is paused", campus.command("jobs", "why", job).stdout)
        self.assertGreater(self.stats(campus)["ready"], 0)
        self.assertIn("paused", campus.command("jobs", "stats").stdout)
        self.assertIn("goes on", campus.command("jobs", "resume", "accounts").stdout)
        self.wait_for_jobs(20)

    def held(self, campus):
        """A job that has waited for longer than a pause takes to be known everywhere; registers one if there is none."""
        waiting = [job for job in self.tables.jobs() if job["process"] is None]
        if not waiting:
            self.register_one(campus)
        old = [job["id"] for job in waiting if job["enqueued_at"] < (time.time() - 2) * 1e6]
        return old[0] if old else None

    def register_one(self, campus):
        self.number = getattr(self, "number", 0) + 1
        with campus.client() as client:
            self.assertEqual(client.register(f"reader{self.number}@example.org").status, 201)

    def test_a_waiting_job_is_cancelled_once(self):
        self.mail.start()
        self.mail.mode("reply code=554 stage=mail text=not_you")
        campus = self.campus().start()
        self.register_one(campus)
        wait_until(lambda: [job for job in self.tables.jobs() if job["last_error"]], 20, "the job to be put off")
        job = self.tables.jobs()[0]["id"]
        self.assertIn("scheduled for", campus.command("jobs", "why", job).stdout)
        wait_until(lambda: campus.command("jobs", "cancel", job, check=False).returncode == 0, 20, "it to be cancelled")
        self.assertEqual(self.tables.jobs(), [])
        refused = campus.command("jobs", "cancel", job, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("never enqueued, or it is done", refused.stderr)

        self.register_one(campus)
        self.mail.mode("ok")
        self.assertIn("nothing is put back", campus.command("jobs", "redrive", "--kind", "accounts.SendWelcomeEmail").stdout)
        self.wait_for_jobs(30)


class OperatedTest(StormTest):
    """The module tests/process/storm/operated.cc, which has limits, tenants, keys, progress and a schedule."""

    def start(self):
        self.program_ = self.storm("storm", "all").start()
        return self.program_

    def ask(self, *words):
        return json.loads(self.program_.command("jobs", *words, "--json").stdout)

    def refused(self, status, *words):
        done = self.program_.command("jobs", *words, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stderr

    def post(self, path, body=None):
        with self.program_.client() as client:
            answer = client.post(path, body)
            self.assertEqual(answer.status, 201, answer)
            return answer.json["ids"]

    def watched(self, name, host="a.example", tenant="acme", note="", takes_ms=LONG_MS):
        return self.post("/watched", {"tenant": tenant, "host": host, "name": name, "note": note,
                                      "takes_ms": takes_ms})[0]

    def limit(self, name):
        return next(limit for limit in self.ask("limits")["limits"] if limit["name"] == name)

    def running(self):
        return sorted(job["id"] for job in self.ask("list", "--state", "running"))

    def wait_running(self, *ids):
        try:
            wait_until(lambda: self.running() == sorted(ids), 20, f"jobs {ids} to run")
        except TimedOut as error:
            raise AssertionError([self.ask("show", job) for job in ids]) from error

    def end_all(self):
        for job in self.ask("list"):
            self.program_.command("jobs", "cancel", job["id"], check=False)
        wait_until(lambda: not self.ask("list"), 30, "all jobs to be cancelled")

    def test_what_is_of_no_effect_says_why(self):
        storm = self.start()
        self.assertIn('there is no queue "operatde": there are operated, storm', self.refused(1, "pause", "operatde"))
        self.assertNotIn("operatde", storm.command("jobs", "stats").stdout)
        self.assertIn("a tenant is to be named", self.refused(1, "share", "", "--weight", "2"))
        first, second = self.post("/pair", {"takes_ms": LONG_MS})
        self.wait_running(first)
        self.assertIn("it waits for 1 other jobs to end", self.refused(1, "retry", second))
        self.assertIn("it runs, in process", self.refused(1, "retry", first))
        self.end_all()

    def test_a_limit_is_shown_set_and_reset(self):
        storm = self.start()
        first, second, third = (self.watched(name) for name in "abc")
        self.wait_running(first, second)
        self.assertEqual(self.limit("host")["busiest"], [{"key": "a.example", "running": 2, "lent": 0, "next_in_us": 0}])
        self.assertIn("all of its 2 places", storm.command("jobs", "why", third).stdout)

        self.assertIn("3 at once (declared: 2 at once)", storm.command("jobs", "limit", "host", "--running", 3).stdout)
        self.wait_running(first, second, third)
        fourth = self.watched("d")
        self.assertIn("all of its 3 places", wait_until(
            lambda: (why := self.ask("show", fourth)["why"]).startswith("limit") and why, 10, "it to be held up"))
        text = storm.command("jobs", "limits").stdout
        for part in ("2 at once", "3 at once", "3 running", "one at a time, in order", "10 a second, bursts of 5"):
            self.assertIn(part, text)

        storm.command("jobs", "limit", "rate", "--per-second", "2.5")
        storm.command("jobs", "limit", "rate", "--burst", 7)
        self.assertEqual(self.limit("rate")["set"], {"running_max": None, "per_second": 2.5, "burst": 7})
        self.assertEqual(self.limit("rate")["now"], {"running_max": 0, "per_second": 2.5, "burst": 7})
        self.assertIn("as declared", storm.command("jobs", "limit", "rate", "--reset").stdout)
        self.assertIsNone(self.limit("rate")["set"])
        self.assertEqual(self.ask("limit", "host")["set"]["running_max"], 3)
        self.end_all()

    def test_what_makes_no_sense_is_refused(self):
        self.start()
        self.assertIn('there is no limit "nope": there are host, limited, operated.Ordered, rate, storm.Ordered, throttled',
                      self.refused(1, "limit", "nope", "--running", 3))
        self.assertIn("run in order", self.refused(1, "limit", "operated.Ordered", "--running", 2))
        for words in (("--running", -1), ("--per-second", -1), ("--per-second=-0.5",), ("--burst", 0), ("--burst", -3),
                      ("--per-second", "many"), ("--reset", "--burst", 2)):
            self.refused(2, "limit", "host", *words)
        for weight in (-1, 0, "heavy"):
            self.refused(2, "share", "acme", "--weight", weight)
        self.refused(2, "list", "--state", "asleep")
        self.refused(2, "watch", "--times", -1)
        self.assertIsNone(self.limit("host")["set"])
        self.assertEqual(self.ask("limits")["shares"], [])

    def test_dead_letters_are_put_back_no_faster_than_asked(self):
        web = self.storm("web", "web").start()
        numbers = self.order(web, "Transactional", 20)
        self.bury_what_waits()
        self.assertEqual(len(self.tables.dead_jobs()), 20)
        began = time.time()
        self.assertIn("20 dead jobs are ready again", web.command("jobs", "redrive", "--queue", "storm", "--rate", 10).stdout)
        self.assertEqual(self.tables.dead_jobs(), [])
        put_back = [row["run_at"] / 1e6 for row in self.database.rows("select run_at from loadstone_ready order by run_at")]
        self.assertEqual(len(put_back), 20)
        for at_once in range(2):  # the clock of SQLite is whole milliseconds
            self.assertGreater(put_back[10 * at_once] + 0.001, began + at_once, put_back)
        self.storm("work", "work").start()
        history = self.wait_for_end(20)
        self.check(history)
        self.assertEqual({effect["number"] for effect in history.effects}, set(numbers))

    def bury_what_waits(self):
        self.database.execute(
            "insert into loadstone_dead_jobs (id, queue, kind, arguments, idempotency_key, cause, priority, enqueued_at, "
            "buried_at, attempt, crashes, last_error) select seq, queue, kind, arguments, idempotency_key, cause, priority, "
            "enqueued_at, enqueued_at, 25, 0, 'gave up' from loadstone_ready")
        self.database.execute("delete from loadstone_ready")

    def test_a_process_that_cannot_claim_says_so(self):
        """For three times `jobs_dead_after_ms`. Its lease goes on, and it sees that jobs wait."""
        storm = self.start()
        self.assertEqual(self.not_pulling(), 0)
        self.database.execute("alter table loadstone_batches rename to hidden_batches")
        self.order(storm, "Transactional", 1)
        wait_until(lambda: self.not_pulling() == 1, 20, "the metric to say so")
        self.assertEqual(self.told("this process runs jobs and has not been able to claim any"), 1)
        self.assertEqual(self.told("jobs are claimed again"), 0)
        self.database.execute("alter table hidden_batches rename to loadstone_batches")
        wait_until(lambda: self.not_pulling() == 0, 20, "the metric to say that it is over")
        self.assertEqual(self.told("jobs are claimed again"), 1)
        self.check(self.wait_for_end(20))

    def not_pulling(self):
        with self.program_.client() as client:
            text = client.get("/metrics").body.decode()
        return int(re.search(r"(?m)^loadstone_jobs_not_pulling (\d+)$", text)[1])

    def told(self, event):
        return sum(line["event"] == event for line in self.program_.log_lines())

    def test_a_share_is_set_and_reset(self):
        storm = self.start()
        self.assertEqual(self.ask("share", "acme"), {"tenant": "acme", "weight": 1})
        self.assertIn("weight 2.5", storm.command("jobs", "share", "acme", "--weight", 2.5).stdout)
        self.assertEqual(self.ask("limits")["shares"], [{"tenant": "acme", "weight": 2.5}])
        self.assertIn("acme", storm.command("jobs", "limits").stdout)
        self.assertIn("weight 1", storm.command("jobs", "share", "acme", "--reset").stdout)
        self.assertEqual(self.ask("limits")["shares"], [])

    def test_a_job_shows_what_is_known_of_it(self):
        storm = self.start()
        job = self.watched("one", tenant="acme|x", note="half \x1b[31mway")
        shown = wait_until(lambda: (now := self.ask("show", job))["progress"] and now, 20, "progress")
        self.assertEqual(shown["progress"]["fraction"], 0.5)
        self.assertEqual((shown["state"], shown["tenant"], shown["partition_key"], shown["unique_key"]),
                         ("running", "acme|x", "acme%7Cx|host:a.example", "operated.Watched|one"))
        self.assertEqual(shown["cause"], "POST /watched")
        self.assertEqual((shown["limits"], shown["holds"]), (["host:a.example"], ["host:a.example"]))
        text = storm.command("jobs", "show", job).stdout
        self.assertIn("50 %: half ?[31mway", text)
        self.assertNotIn("\x1b", text)
        self.assertIn("holds            host:a.example", text)

        first, second = self.post("/pair", {"takes_ms": LONG_MS})
        self.assertEqual(self.ask("show", second)["waits_for"], [first])
        self.assertIn(f"waits for        {first}", storm.command("jobs", "show", second).stdout)
        self.assertEqual([row["id"] for row in self.ask("list", "--state", "blocked")], [second])
        self.assertEqual([row["id"] for row in self.ask("list", "--tenant", "acme|x")], [job])
        self.assertEqual([row["id"] for row in self.ask("list", "--partition", "acme%7Cx|host:a.example")], [job])
        self.assertEqual(self.ask("list", "--tenant", "acme"), [])
        self.end_all()

    def test_each_act_answers_in_json_too(self):
        self.start()
        first, second = self.post("/pair", {"takes_ms": LONG_MS})
        self.wait_running(first)
        self.assertEqual(self.ask("pause", "operated"), {"queue": "operated", "is_paused": True})
        self.assertEqual(self.ask("resume", "operated"), {"queue": "operated", "is_paused": False})
        self.assertEqual(self.ask("cancel", second), {"id": second, "was_dropped": True, "was_asked": False})
        self.assertEqual(self.ask("cancel", "--workflow", first), {"id": first, "dropped": 0, "asked": 1})
        wait_until(lambda: not self.ask("list"), 30, "it to end")
        self.assertEqual(self.ask("redrive"), {"jobs": 0, "left": 0})
        self.assertIn("no job", self.refused(1, "retry", first, "--json"))
        third = self.waiting("later", "loadstone_scheduled", run_at=self.day(1))
        self.assertEqual(self.ask("retry", third), {"id": third})
        self.end_all()

    def day(self, days):
        return int((time.time() + days * 86_400) * 1_000_000)

    def waiting(self, cause, table, run_at, attempt=0, error=""):
        """A job that waits there, of a queue of which nobody claims anything."""
        id = f"{', ' + str(900_000 + attempt) if table == 'loadstone_scheduled' else ''}"
        self.database.execute(
            f"insert into {table} (queue, partition_key, priority, kind, arguments, cause, enqueued_at, run_at, attempt, last_error"
            f"{', id' if id else ''}) values ('held', '', 0, 'other.Kind', '{{}}', '{cause}', 0, {run_at}, {attempt}, '{error}'{id})")
        return next(job["id"] for job in self.ask("list", "--queue", "held") if job["cause"] == cause)

    def test_what_waits_is_told_apart(self):
        storm = self.start()
        ready = self.waiting("ready", "loadstone_ready", 0)
        again = self.waiting("again", "loadstone_ready", 0, attempt=1, error="a host is away")
        later = self.waiting("later", "loadstone_scheduled", self.day(1))
        retried = self.waiting("retried", "loadstone_scheduled", self.day(1), attempt=2, error="a disk is full")

        def listed(*words):
            return sorted(job["id"] for job in self.ask("list", *words))
        self.assertEqual(listed("--state", "waiting"), sorted((ready, again, later, retried)))
        self.assertEqual(listed("--state", "ready"), sorted((ready, again)))
        self.assertEqual(listed("--state", "scheduled"), sorted((later, retried)))
        self.assertEqual(listed("--state", "retrying"), sorted((again, retried)))
        self.assertEqual(listed("--error", "is"), sorted((again, retried)))
        self.assertEqual(listed("--error", "disk", "--state", "retrying"), [retried])
        states = {line.split()[0]: line.split()[2] for line in storm.command("jobs", "list").stdout.splitlines()[1:]}
        self.assertEqual({job["id"]: job["place"] for job in self.ask("list")},
                         {ready: "ready", again: "ready", later: "scheduled", retried: "scheduled"})
        self.assertEqual(states, {str(ready): "ready", str(again): "retrying", str(later): "scheduled", str(retried): "retrying"})
        self.database.execute("delete from loadstone_ready")
        self.database.execute("delete from loadstone_scheduled")

    def test_figures_are_those_of_a_queue_or_a_kind(self):
        storm = self.start()
        first, second = self.watched("one"), self.post("/pair", {"takes_ms": LONG_MS})[0]
        self.wait_running(first, second)
        self.waiting("ready", "loadstone_ready", 0)
        self.assertEqual([queue["name"] for queue in self.ask("stats", "--queue", "held")], ["held"])
        of_kind, = self.ask("stats", "--kind", "operated.Watched")
        self.assertEqual((of_kind["name"], of_kind["running"], of_kind["ready"]), ("operated", 1, 0))
        self.assertEqual((of_kind["processes_counted"], of_kind["processes"]), (1, 1))
        look = self.ask("watch", "--times", 1, "--kind", "operated.Watched")
        self.assertEqual([job["id"] for job in look["running"]], [first])
        self.assertEqual([(queue["name"], queue["running"]) for queue in look["queues"]], [("operated", 1)])
        self.assertEqual(self.ask("watch", "--times", 1, "--queue", "held")["running"], [])
        # Of a kind that has run, and of which no job is there.
        self.post("/rated/a.example/3")
        idle, = wait_until(lambda: (now := self.ask("stats", "--kind", "operated.Rated")) and now[0]["ready"] == 0
                           and now[0]["kinds"][0]["runs"] == 3 and now, 20, "the rated ones to end")
        self.assertEqual((idle["name"], idle["running"], idle["dead"]), ("operated", 0, 0))
        self.assertEqual([kind["kind"] for kind in idle["kinds"]], ["operated.Rated"])
        self.assertIn("operated.Rated", storm.command("jobs", "stats", "--kind", "operated.Rated").stdout)
        look = self.ask("watch", "--times", 1, "--kind", "operated.Rated")
        self.assertEqual([(queue["name"], queue["ready"]) for queue in look["queues"]], [("operated", 0)])
        self.assertEqual(self.ask("stats", "--queue", "held", "--kind", "operated.Rated"), [])
        # Another machine's, which nobody can ask here.
        self.database.execute("insert into loadstone_processes (name, started_at, heartbeat_at) values "
                              f"('elsewhere:1', 0, {self.day(1)})")
        self.assertIn("1 of 2 processes that run jobs", storm.command("jobs", "stats").stdout)
        self.database.execute("delete from loadstone_ready")
        self.end_all()

    def test_schedules_are_listed(self):
        storm = self.start()
        schedule, = self.ask("schedules")
        self.assertEqual((schedule["name"], schedule["kind"], schedule["expression"], schedule["zone"], schedule["missed"]),
                         ("operated.new_year", "operated.Ordered", "0 0 1 1 *", "Europe/Berlin", "once"))
        self.assertIsNone(schedule["fired_at"])
        self.assertIn("-12-31T23:00:00", schedule["next_at"])
        wait_until(lambda: self.tables.count("loadstone_schedules"), 10, "the schedule to begin")
        # It was last here two new years ago.
        old = 1_000_000 * (int(time.time()) - 2 * 366 * 86_400)
        self.database.execute(f"update loadstone_schedules set fired_at = {old}")
        fired = wait_until(lambda: (now := self.ask("schedules")[0])["fired_at"] and now["fired_at"].endswith(
            "-12-31T23:00:00.000000Z") and now, 20, "it to fire what was missed")
        self.assertGreater(fired["next_at"], fired["fired_at"])
        self.assertIn("T23:00:00Z", storm.command("jobs", "schedules").stdout)

    def test_watching_without_a_terminal_gives_lines(self):
        storm = self.start()
        job = self.watched("one", note="on its\nway \x1b[2J")
        self.wait_running(job)
        self.post(f"/rated/{SLOW_HOST}/400")
        done = storm.command("jobs", "watch", "--times", 4, "--json")
        looks = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len(looks), 4)
        queues = [next(queue for queue in look["queues"] if queue["name"] == "operated") for look in looks]
        self.assertIsNone(queues[0]["done_per_second"], "there is nothing to compare with")
        rates = [queue["done_per_second"] for queue in queues[1:]]
        self.assertTrue(all(rate <= 25 for rate in rates) and max(rates) >= 5, rates)
        self.assertEqual(looks[-1]["running"][0]["id"], job)
        # Each tenth of a second one may start, and is not throttled.
        wait_until(lambda: any(key["key"] == SLOW_HOST and key["next_in_us"] > 0 for key in self.limit("rate")["busiest"]),
                   20, "the host to be throttled")
        wait_until(lambda: "throttled, the next in" in storm.command("jobs", "limit", "rate").stdout, 20, "it to be told")

        text = storm.command("jobs", "watch", "--times", 2).stdout
        self.assertNotIn("\x1b", text)
        lines = text.splitlines()
        self.assertTrue(any(f"job {job}  operated.Watched" in line and "50 %  on its way ?[2J" in line for line in lines), text)
        self.assertTrue(all(line[:2] == "20" for line in lines), text)
        self.database.execute("delete from loadstone_ready")
        self.end_all()

    def watch(self, **options):
        terminal = Terminal(self.program_.program, "jobs", "watch", *self.program_.database_flags, cwd=self.folder,
                            **options)
        self.addCleanup(terminal.close)
        return terminal

    def test_watching_is_live_in_a_terminal(self):
        self.start()
        job = self.watched("one", note="on its\nway \x1b[2J\x1b]0;title\x07")
        self.wait_running(job)
        self.post(f"/rated/{SLOW_HOST}/600")
        terminal = self.watch(width=100, height=20)
        terminal.wait_for(lambda t: "[#####.....]  50 %  on its way ?[2J?]0;title?" in t.screen, 20, "the progress")
        terminal.wait_for(lambda t: t.frames >= 4, 20, "more looks")
        self.assertTrue(terminal.modes["1049"])
        self.assertFalse(terminal.modes["25"], "the cursor is hidden")
        row = next(line.split() for line in terminal.screen.splitlines() if line.startswith("operated"))
        self.assertEqual(len(row), 7, terminal.screen)
        self.assertGreater(int(row[1]), 100, "ready")
        self.assertTrue(1 <= float(row[4]) <= 25, f"done per second: {row}")
        self.assertIn(str(job), terminal.screen)

        terminal.resize(44, 8)
        terminal.signal(signal.SIGWINCH)
        frames = terminal.frames
        terminal.wait_for(lambda t: t.frames >= frames + 2, 20, "the small screen")
        self.assertIn("READY", terminal.screen)
        self.assertNotIn("RETRYING", terminal.screen, "what is needed least makes room")
        self.assertIn(str(job), terminal.screen)

        terminal.press("x")
        terminal.press("q")
        self.assertEqual(terminal.ended(), 0)
        self.assertTrue(terminal.is_as_before())
        self.assertEqual(terminal.text.strip(), "")

        for how in ("\x03", signal.SIGTERM, signal.SIGHUP):
            with self.subTest(how=how):
                terminal = self.watch()
                terminal.wait_for(lambda t: "QUEUE" in t.screen, 20, "the first look")
                terminal.press(how) if isinstance(how, str) else terminal.signal(how)
                self.assertEqual(terminal.ended(), 0)
                self.assertTrue(terminal.is_as_before())
        self.database.execute("delete from loadstone_ready")
        self.end_all()


if __name__ == "__main__":
    main()
