"""Rosters of others: everybody is invited once, whoever dies, and their servers are asked as they wish."""

from harness.case import SHORT_LEASE, ProcessTest, main
from harness.roster_server import RosterServer
from harness.waiting import wait_until


def people(count, first=0):
    return [(f"reader{number}@example.org", f"Zoë Nr. {number}") for number in range(first, first + count)]


class RosterTest(ProcessTest):
    def setUp(self):
        super().setUp()
        self.mail.start()
        self.server = self.campus("campus", jobs_crashes_max=100, **SHORT_LEASE).start()
        self.client = self.server.client()
        self.addCleanup(self.client.close)
        self.cookie = self.client.register("ada@example.org").cookie
        self.roster = self.other()

    def other(self):
        roster = RosterServer()
        self.addCleanup(roster.stop)
        return roster

    def add(self, name="school", url=None):
        self.server.command("roster", "add", name, url or self.roster.url)

    def shown(self, name="school"):
        answer = self.client.get("/api/rosters", cookie=self.cookie)
        self.assertEqual(answer.status, 200, answer)
        return next(roster for roster in answer.json["rosters"] if roster["name"] == name)

    def wait_synced(self, after=None, name="school", timeout_s=30):
        def synced():
            shown = self.shown(name)
            return shown if shown["synced_at"] and (after is None or shown["synced_at"] > after["synced_at"]) else None
        return wait_until(synced, timeout_s, f"roster {name} to be read")

    def wait_failed(self, name="school"):
        return wait_until(lambda: s if (s := self.shown(name))["error"] else None, 20, f"roster {name} to fail")["error"]

    def invited(self):
        return [(row["email"], row["name"]) for row in
                self.database.rows("select email, name from invitations order by id")]

    def test_everybody_is_invited_once_and_renamed_when_they_are(self):
        self.roster.people = people(250) + [("no address", "Nobody"), ("READER7@example.org", "Zoë Nr. 7")]
        self.add()
        first = self.wait_synced()
        self.assertEqual({name: first[name] for name in ("people", "added", "changed", "skipped", "invitations", "error")},
                         {"people": 251, "added": 250, "changed": 0, "skipped": 1, "invitations": 250, "error": None})
        self.assertEqual(first["host"], self.roster.host)
        self.assertNotIn("url", first)
        self.assertEqual(sorted(self.invited()), sorted(people(250)))
        self.assertEqual([path for _, path in self.roster.asked()],
                         ["/people", "/people?page=from%20100%26on", "/people?page=from%20200%26on"])
        self.roster.people = people(249, first=1)[:-1] + [("reader249@example.org", "Married"), ("new@example.org", "New")]
        self.server.command("roster", "sync", "school")
        second = self.wait_synced(after=first)
        self.assertEqual((second["added"], second["changed"], second["invitations"]), (1, 1, 251))
        self.assertIn(("reader249@example.org", "Married"), self.invited())
        self.assertEqual(self.tables.count("users"), 1, "nobody has an account by it")
        listed = self.server.command("roster").stdout
        self.assertIn(self.roster.url, listed)
        self.wait_for_jobs(10)

    def test_a_killed_process_goes_on_with_the_page_it_was_at(self):
        self.roster.people = people(3000)
        self.roster.page_seconds = 0.05
        self.add()
        for pages in (8, 16):
            wait_until(lambda: len(self.roster.asked()) >= pages, 20, f"{pages} pages")
            self.server.kill()
            self.server.start(wait=False)
        self.server.wait_ready()
        self.client.close()
        shown = self.wait_synced()
        self.assertEqual((shown["people"], shown["added"], shown["changed"]), (3000, 3000, 0))
        self.assertEqual(sorted(self.invited()), sorted(people(3000)))
        asked = [path for _, path in self.roster.asked()]
        self.say(f"30 pages in {len(asked)} requests with two kills")
        self.assertLessEqual(len(asked), 30 + 2, "only the page under way is asked for again")
        self.assertEqual(asked.count("/people"), 1)
        self.wait_for_jobs(10)

    def test_a_server_that_throttles_is_left_alone_as_long_as_it_asks(self):
        self.roster.people = people(300)
        self.roster.replies = [None, (429, {"Retry-After": "2"}, b""), (503, {"Retry-After": "1"}, b""), None]
        self.add()
        error = self.wait_failed()
        self.assertEqual(error, f"{self.roster.host} answers 429: put off for 2 s")
        shown = self.wait_synced()
        self.assertIsNone(shown["error"], "it has gone well since")
        times = [at for at, _ in self.roster.asked()]
        self.assertEqual([path for _, path in self.roster.asked()][1:4], ["/people?page=from%20100%26on"] * 3)
        self.assertGreaterEqual(times[2] - times[1], 2)
        self.assertGreaterEqual(times[3] - times[2], 1)
        self.assertEqual((shown["people"], shown["added"]), (300, 300), "what was read before counts")
        self.assertEqual(self.tables.dead_jobs(), [])
        self.wait_for_jobs(10)

    def test_what_is_no_roster_is_said_and_not_asked_again(self):
        for number, (reply, error) in enumerate((
                ((404, {}, b""), "answers 404"),
                ((302, {"Location": "http://127.0.0.1:1/"}, b""), "answers 302"),
                ((200, {}, b" " * (1024 * 1024 + 1)), "the answer is larger than 1048576 bytes"))):
            self.roster.replies = [reply]
            asked = len(self.roster.asked())
            self.add(f"r{number}")
            self.assertIn(error, self.wait_failed(f"r{number}"))
            self.wait_for_jobs(10)
            self.assertEqual(len(self.roster.asked()), asked + 1)
        self.roster.replies = [(200, {}, {"people": [], "next": "again"}), (200, {}, {"people": [], "next": "again"})]
        self.add("loop")
        self.assertIn("page 2 names itself as the next", self.wait_failed("loop"))
        self.wait_for_jobs(10)
        self.assertEqual(self.invited(), [])

    def test_a_page_that_is_damaged_is_asked_for_again(self):
        self.roster.people = people(250)
        for name, reply, error in (("cut", b'{"people": [{"em', "page 2 is none: "), ("proxy", b"<html>", "page 2 is none: "),
                                   ("long", {"people": [], "next": "x" * 1001}, "page 2 is none: next: 1001 bytes, more than 1000")):
            self.roster.replies = [None, (200, {}, reply), None]
            asked = len(self.roster.asked())
            self.add(name)
            self.assertIn(error, self.wait_failed(name))
            job = wait_until(lambda: next((job for job in self.tables.jobs() if job["attempt"] == 1), None), 10, "it to be put off")
            self.assertIn("data_loss", job["last_error"])
            self.server.command("roster", "sync", name)
            self.assertEqual(self.wait_synced(name=name)["added"], 250)
            self.assertEqual([path for _, path in self.roster.asked()][asked:],
                             ["/people"] + ["/people?page=from%20100%26on"] * 2 + ["/people?page=from%20200%26on"])
            self.wait_for_jobs(10)

    def test_a_server_that_is_away_is_asked_again(self):
        self.roster.people = people(10)
        self.roster.replies = [(500, {}, b""), None]
        self.add()
        self.assertEqual(self.wait_failed(), f"{self.roster.host} answers 500")
        self.add("gone", "http://127.0.0.1:1/people")
        self.assertIn("127.0.0.1:1: Failed to connect", self.wait_failed("gone"))
        wait_until(lambda: len(self.tables.jobs()) == 2 and self.tables.running() == 0, 10, "both to be put off")
        job = next(job for job in self.tables.jobs() if "500" in job["last_error"])
        self.assertEqual(job["attempt"], 1, "it counts")
        self.server.command("roster", "sync", "school")
        self.assertEqual(self.wait_synced()["added"], 10)
        self.server.command("roster", "remove", "gone")
        self.assertEqual([roster["name"] for roster in
                          self.client.get("/api/rosters", cookie=self.cookie).json["rosters"]], ["school"])

    def test_a_host_has_one_sync_at_a_time_and_hosts_do_not_wait_for_each_other(self):
        slow, quick = self.roster, self.other()
        slow.people, slow.page_seconds = people(500), 0.3
        quick.people = people(10)
        for name in ("a", "b", "c"):
            self.add(name, f"{slow.url}?list={name}")
        self.add("quick", quick.url)
        self.wait_synced(name="quick", timeout_s=5)
        for name in ("a", "b", "c"):
            self.wait_synced(name=name, timeout_s=60)
        self.assertEqual(slow.at_once_max, 1)
        self.assertEqual(self.tables.count("invitations"), 1510, "each roster has its own")

    def test_all_are_read_each_hour(self):
        self.roster.people = people(5)
        self.add()
        first = self.wait_synced()
        self.database.execute("update loadstone_schedules set fired_at = fired_at - 3600000000 where name = 'integrations.hourly'")
        self.wait_synced(after=first)
        self.assertEqual(len(self.roster.asked()), 2)
        self.wait_for_jobs(10)

    def sync(self, method="POST", name="school", status=202, cookie=None, **options):
        answer = self.client.request(method, f"/api/rosters/{name}/sync", cookie=cookie or self.cookie, **options)
        self.assertEqual(answer.status, status, answer)
        return answer

    def state(self, name="school"):
        return self.sync("GET", name, status=200).json

    def test_admins_ask_for_a_sync_and_see_how_far_it_is(self):
        self.roster.people = people(500)
        self.add()
        before = self.wait_synced()
        self.wait_for_jobs(10)
        self.assertEqual(self.client.post("/api/rosters/school/sync").status, 401)
        self.sync(status=403)
        self.sync("GET", status=403)
        self.server.command("organisations", "add", "Acme", "ada@example.org")
        self.sync(name="nobody", status=404)
        self.sync("GET", name="nobody", status=404)
        self.sync(status=403, headers={"Origin": "https://elsewhere.example"})
        self.assertEqual(self.tables.jobs(), [])
        self.assertEqual((self.state()["state"], self.state()["error"]), ("done", None))

        self.roster.people = people(600)
        self.roster.hold("/people?page=from%20300%26on")
        asked = self.sync(key="sync-once-0001")
        self.assertEqual((asked.json["is_new"], asked.headers["Location"]), (True, "/api/rosters/school/sync"))
        job = asked.json["job"]
        replayed = self.sync(key="sync-once-0001")
        self.assertEqual((replayed.json, replayed.headers["Idempotency-Replayed"]), (asked.json, "true"))
        shown = wait_until(lambda: s if (s := self.state())["progress"] and s["progress"]["fraction"] == 0.5 else None,
                           20, "it to tell how far it is")
        self.assertEqual((shown["roster"], shown["job"], shown["state"]), ("school", job, "running"))
        self.assertEqual(shown["progress"]["note"], "300 people in 3 pages")
        again = self.sync()
        self.assertEqual(again.json, {"job": job, "is_new": False})
        self.assertEqual(len(self.tables.jobs()), 1)
        self.roster.release()
        self.wait_synced(after=before)
        self.assertEqual(self.state(), {"roster": "school", "job": job, "state": "done", "due_at": None, "progress": None, "error": None})
        actions = self.database.rows("select action from audit_events where action like 'roster.%'")
        self.assertEqual([row["action"] for row in actions], ["roster.sync_requested"])

    def test_what_becomes_of_a_sync_is_told(self):
        self.server.command("organisations", "add", "Acme", "ada@example.org")
        self.roster.replies = [(503, {"Retry-After": "3600"}, b""), (404, {}, b"")]
        self.add()
        error = self.wait_failed()
        shown = wait_until(lambda: s if (s := self.state())["state"] == "waiting" else None, 10, "it to be put off")
        self.assertEqual(shown["error"], error)
        self.assertEqual(self.sync().json, {"job": shown["job"], "is_new": False})
        self.assertEqual(self.state()["due_at"], shown["due_at"], "its server is asked when it has said")
        self.server.command("jobs", "cancel", str(shown["job"]))
        self.assertEqual(self.state()["state"], "cancelled")
        self.assertTrue(self.sync().json["is_new"])
        shown = wait_until(lambda: s if (s := self.state())["state"] == "failed" else None, 20, "it to fail")
        self.assertEqual(shown["error"], f"{self.roster.host} answers 404")

    def bury(self, job):
        columns = "id, queue, partition_key, priority, kind, arguments, idempotency_key, cause, enqueued_at"
        self.database.execute(f"insert into loadstone_dead_jobs ({columns}, buried_at, attempt, crashes, last_error, extra) "
                              f"select {columns}, enqueued_at, 5, 0, 'a secret', extra from loadstone_scheduled where id = {job}")
        self.database.execute(f"delete from loadstone_scheduled where id = {job}")
        self.database.execute(f"delete from loadstone_unique where job = {job}")

    def test_a_dead_letter_that_is_put_back_is_the_last_sync(self):
        self.server.command("organisations", "add", "Acme", "ada@example.org")
        self.roster.people = people(10)
        self.roster.replies = [(503, {"Retry-After": "3600"}, b"")]
        self.add()
        old = wait_until(lambda: s if (s := self.state())["state"] == "waiting" and s["error"] else None, 20, "it to be put off")["job"]
        wait_until(lambda: self.tables.count("loadstone_scheduled"), 20, "it to wait for its time")
        self.bury(old)
        shown = self.state()
        self.assertEqual((shown["job"], shown["state"]), (old, "failed"))
        self.assertIn("given up", shown["error"])
        self.assertNotIn("secret", shown["error"])

        new = self.sync().json
        self.assertEqual((new["is_new"], new["job"] > old), (True, True))
        wait_until(lambda: self.state()["state"] == "done", 20, "the new one to end")
        self.roster.hold("/people")
        self.server.command("jobs", "retry", str(old))
        wait_until(lambda: len(self.roster.asked()) == 3, 20, "the old one to run")
        self.assertEqual(self.sync().json, {"job": old, "is_new": False})
        self.assertEqual((self.state()["job"], self.state()["state"]), (old, "running"))
        self.roster.release()
        wait_until(lambda: self.state()["state"] == "done", 20, "the old one to end")
        self.assertTrue(self.sync().json["is_new"])
        wait_until(lambda: self.state()["state"] == "done", 20, "the newest to end")
        self.assertEqual(self.tables.dead_jobs(), [])

    def test_the_operators_words_are_checked(self):
        self.add()
        for words, error in ((("add", "school", self.roster.url), "already"),
                             (("add", "School", self.roster.url), "small letters"),
                             (("add", "x", "ftp://example.org/"), "another scheme"),
                             (("add", "x", "http://ada:secret@example.org/"), "a user or a password"),
                             (("add", "x"), "expected roster"), (("sync", "nobody"), "no roster"),
                             (("remove", "nobody"), "no roster"), (("sing",), "expected roster")):
            done = self.server.command("roster", *words, check=False)
            self.assertEqual(done.returncode, 1, words)
            self.assertIn(error, done.stderr)
            self.assertNotIn("secret", done.stderr)
        self.assertEqual(self.client.get("/api/rosters").status, 401)


if __name__ == "__main__":
    main()
