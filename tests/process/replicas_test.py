"""Two web nodes and a worker on a primary with two replicas: whoever registers on one node is known on the other at
once, whatever the replicas do, and gets the mail."""

import datetime
import json
import re
import shlex
import signal

from harness import browser as chromium
from harness.case import ProcessTest, main
from harness.postgres import Postgres
from harness.waiting import wait_until

USERS = 60


class Browser:
    """Sends back the cookies that it is given."""

    def __init__(self, *nodes):
        self.clients = [node.client() for node in nodes]
        self.cookies = {}

    def close(self):
        for client in self.clients:
            client.close()

    def ask(self, node, method, path, body=None):
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self.clients[node].request(method, path, body, cookie=cookie)
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = line.split(";")[0].partition("=")
            self.cookies[name] = value
        return answer


class ReplicasTest(ProcessTest):
    def setUp(self):
        super().setUp()
        self.mail.start()
        primary = self.database
        self.replicas = []
        for number in (1, 2):
            self.replicas.append(Postgres(self.folder / f"replica{number}", replica_of=primary))
            self.addCleanup(self.replicas[-1].stop)
        urls = [replica.url for replica in self.replicas]
        self.web = [self.campus(f"web{number}", role="web", replica=urls).start() for number in (1, 2)]
        self.work = self.campus("work", role="work", replica=urls).start()
        wait_until(lambda: all(self.metric(web, "usable") == 2 for web in self.web), 20, "the replicas to be known")

    @staticmethod
    def metric(node, name, part=""):
        with node.client() as client:
            text = client.get("/metrics").body.decode()
        values = re.findall(rf"^loadstone_store_replica_{name}(?:\{{(.*)\}})? (\S+)$", text, re.MULTILINE)
        return sum(float(value) for labels, value in values if part in labels)

    def register_and_read_back(self, prefix, users=USERS):
        """On one node, and at once on the other."""
        for number in range(users):
            browser = Browser(*self.web)
            email = f"{prefix}{number}@example.org"
            answer = browser.ask(number % 2, "POST", "/api/register",
                                 {"name": "Ada Lovelace", "email": email, "password": "correct horse battery"})
            self.assertEqual(answer.status, 201, answer)
            self.assertIn("position", browser.cookies)
            for node in (0, 1):
                me = browser.ask(1 - node, "GET", "/api/me")
                self.assertEqual((me.status, me.json.get("email")), (200, email), me)
            browser.close()

    def test_who_registers_is_known_on_the_other_node_at_once(self):
        self.register_and_read_back("healthy")
        served = sum(self.metric(web, "reads_total") for web in self.web)
        primary = sum(self.metric(web, "primary_reads_total", "fallback") for web in self.web)
        self.say(f"{served:.0f} reads by replicas, {primary:.0f} by the primary")
        self.assertGreater(served, 0)
        # What may write reads at the primary: nothing that keeps replicas busy holds it up.
        browser = Browser(*self.web)
        registered = {"name": "Ada Lovelace", "email": "ada@example.org", "password": "correct horse battery"}
        self.assertEqual(browser.ask(0, "POST", "/api/register", registered).status, 201)
        self.assertEqual(browser.ask(1, "GET", "/api/me").status, 200)
        latest = sum(self.metric(web, "primary_reads_total", "latest") for web in self.web)
        for node in (0, 1):
            served = self.metric(self.web[node], "reads_total")
            course = {"title": f"Tides {node}", "description": "", "capacity": 10}
            self.assertEqual(browser.ask(node, "POST", "/api/courses", course).status, 201)
            self.assertEqual(self.metric(self.web[node], "reads_total"), served)
        browser.close()
        self.assertGreaterEqual(sum(self.metric(web, "primary_reads_total", "latest") for web in self.web), latest + 2)
        for replica in self.replicas:
            replica.psql("select pg_wal_replay_pause()")
        self.register_and_read_back("paused")
        self.mail.wait_for(2 * USERS + 1, 60)
        self.wait_for_jobs(30)
        self.assertGreater(sum(self.metric(web, "primary_reads_total", "fallback") for web in self.web), primary)

    def test_a_read_that_overlaps_a_write_does_not_take_it_back(self):
        browser = Browser(*self.web)
        registered = {"name": "Ada Lovelace", "email": "ada@example.org", "password": "correct horse battery"}
        self.assertEqual(browser.ask(0, "GET", "/api/courses").status, 200)
        early = dict(browser.cookies)  # of an answer that comes after that to the write
        for replica in self.replicas:
            replica.psql("select pg_wal_replay_pause()")
            wait_until(lambda paused=replica: paused.psql("select pg_get_wal_replay_pause_state()").strip() == "paused", 10, "a pause")
        self.assertEqual(browser.ask(0, "POST", "/api/register", registered).status, 201)
        browser.cookies.update(early)
        for node in (0, 1):
            self.assertEqual(browser.ask(node, "GET", "/api/me").status, 200)
        browser.close()
        self.mail.wait_for(1, 30)

    def test_replicas_tell_their_role_and_lag(self):
        def replication(node):
            return json.loads(node.command("db", "replicas", "--json").stdout)["replication"]

        web = self.web[0]
        told = replication(web)
        self.assertEqual((told["role"], [each["state"] for each in told["replicas"]]), ("primary", ["streaming"] * 2))
        self.assertIn("the primary of:", web.command("db", "replicas").stdout)

        def used():  # of each server, by which processes
            lines = [each for each in json.loads(web.command("db", "replicas", "--json").stdout)["routing"]
                     if each["name"] == "loadstone_postgres_replica_connections_granted"]
            return sorted(sum(float(each["value"]) > 0 for each in lines if each["labels"] == labels)
                          for labels in {each["labels"] for each in lines})
        wait_until(lambda: used() == [0, 3, 3], 20, "connections to both replicas; the primary is nobody's")
        self.assertIn("connections_granted", web.command("db", "replicas").stdout)
        self.assertIn("replica_connections_granted", web.command("db", "connections").stdout)
        standby = self.campus("standby", database=self.replicas[0].url)  # not started: its commands ask the database
        told = replication(standby)
        self.assertEqual((told["role"], told["replicas"]), ("standby", []))
        self.assertIn("a standby; its last transaction is", standby.command("db", "replicas").stdout)

        self.replicas[0].psql("select pg_wal_replay_pause()")
        self.register_and_read_back("lag", 5)

        def lags():
            return sorted(each["lag_bytes"] for each in replication(web)["replicas"])
        wait_until(lambda: lags()[0] < 1000 < lags()[1], 20, "one replica to be behind, the other not")
        self.replicas[0].psql("select pg_wal_replay_resume()")
        wait_until(lambda: lags()[1] < 1000, 20, "it to have caught up")
        self.mail.wait_for(5, 30)

    def test_the_greeting_names_each_replica(self):
        line = next(line for line in self.web[0].log_text().splitlines() if " jobs list " in line)
        words = shlex.split(line.split("   ")[0])
        named = [url for word, url in zip(words, words[1:]) if word == "--replica"]
        self.assertEqual(named, [replica.url for replica in self.replicas])

    def test_a_failover_is_followed(self):
        self.register_and_read_back("before", 5)
        self.database.shut_down("fast")
        self.replicas[0].psql("select pg_promote()")
        wait_until(lambda: all(self.metric(web, "failovers_total") == 1 for web in self.web), 30, "the failover")
        self.register_and_read_back("after", 20)
        self.mail.wait_for(25, 60)
        self.expect_commands_at_the_primary("after")
        # The old one is back as a standby of the new one.
        (self.database.cluster / "standby.signal").touch()
        with open(self.database.cluster / "postgresql.auto.conf", "a") as settings:
            settings.write(f"primary_conninfo='host=127.0.0.1 port={self.replicas[0].port} user=campus'\n")
        self.database.start()
        self.expect_commands_at_the_primary("with the old one as a standby")

    def test_commands_find_the_primary_beside_a_server_that_is_stuck(self):
        self.register_and_read_back("before", 1)
        self.mail.wait_for(1, 30)
        self.database.process.send_signal(signal.SIGSTOP)
        try:
            self.replicas[0].psql("select pg_promote()")
            self.expect_commands_at_the_primary("beside one that does not answer")
        finally:
            self.database.process.send_signal(signal.SIGCONT)

    def expect_commands_at_the_primary(self, when):
        web = self.web[0]
        for words in (("replicas",), ("locks",), ("bloat",), ("connections",), ("explain", "insert_user")):
            done = web.command("db", *words, check=False)
            self.assertEqual(done.returncode, 0, f"{when}: {words}: {done.stdout}{done.stderr}")
        told = json.loads(web.command("db", "replicas", "--json").stdout)["replication"]
        self.assertIn(told["role"], ("primary", "single"), when)


class SampledReplicasTest(ProcessTest):
    """Which server a sample of a read is run on."""

    def setUp(self):
        super().setUp()
        self.mail.start()
        self._database = Postgres(self.folder / "postgres", "log_statement = 'all'")
        self.replicas = []
        for number in (1, 2):
            self.replicas.append(Postgres(self.folder / f"replica{number}", replica_of=self.database))
            self.addCleanup(self.replicas[-1].stop)
        self.web = self.campus("web", replica=[each.url for each in self.replicas], postgres_sample_every_ms=50).start()
        wait_until(lambda: ReplicasTest.metric(self.web, "usable") == 2, 20, "the replicas to be known")
        self.browser = Browser(self.web)
        self.addCleanup(self.browser.close)
        registered = {"name": "Ada Lovelace", "email": "ada@example.org", "password": "correct horse battery"}
        self.assertEqual(self.browser.ask(0, "POST", "/api/register", registered).status, 201)

    @staticmethod
    def explained(server, table):
        return [line for line in server.log.read_text().splitlines() if "explain (" in line and table in line]

    def samples(self):
        with self.web.client() as client:
            text = client.get("/metrics").body.decode()
        return float(re.search(r"^loadstone_postgres_plan_samples_total (\S+)$", text, re.MULTILINE).group(1))

    def test_a_heavy_read_is_sampled_where_it_ran(self):
        course = {"title": "Tides", "description": "", "capacity": 10}
        self.assertEqual(self.browser.ask(0, "POST", "/api/courses", course).status, 201)
        figures = "select b.aggregate, f.key"  # of the dashboard alone, which asks for them each time

        def sampled():
            for _ in range(10):
                self.assertEqual(self.browser.ask(0, "GET", "/api/dashboards/instructor").status, 200)
            return any(self.explained(each, figures) for each in self.replicas)
        wait_until(sampled, 30, "a read of the dashboard to be sampled")
        self.assertEqual(self.explained(self.database, figures), [])

    def test_sampling_goes_on_after_a_failover(self):
        def grows(by):
            before = self.samples()

            def has_grown():
                self.browser.ask(0, "GET", "/api/me")
                return self.samples() >= before + by
            return has_grown
        wait_until(grows(2), 30, "samples")
        self.database.shut_down("fast")
        self.replicas[0].psql("select pg_promote()")
        wait_until(lambda: ReplicasTest.metric(self.web, "failovers_total") == 1, 30, "the failover")
        wait_until(grows(5), 30, "samples after the failover")


class StaleAnswersTest(ProcessTest):
    """What is shown while replay is paused on both replicas, or the primary is away."""

    def setUp(self):
        super().setUp()
        self.mail.start()
        self.replicas = []
        for number in (1, 2):
            self.replicas.append(Postgres(self.folder / f"replica{number}", replica_of=self.database))
            self.addCleanup(self.replicas[-1].stop)

    def start(self, **settings):
        self.web = self.campus("web", replica=[each.url for each in self.replicas], replicas_heavy_wait_max_ms=200, **settings).start()
        wait_until(lambda: ReplicasTest.metric(self.web, "usable") == 2, 20, "the replicas to be known")
        self.browser = Browser(self.web)
        self.addCleanup(self.browser.close)
        self.ask("POST", "/api/register", {"name": "Ada Lovelace", "email": "ada@example.org", "password": "correct horse battery"}, status=201)

    def ask(self, method, path, body=None, status=200):
        answer = self.browser.ask(0, method, path, body)
        self.assertEqual(answer.status, status, answer)
        return answer

    def course(self, title):
        """The path of one that is published."""
        made = self.ask("POST", "/api/courses", {"title": title, "description": "", "capacity": 10}, 201)
        self.ask("POST", made.headers["Location"] + "/lessons", {"title": "One", "length_s": 60}, 201)
        self.ask("POST", made.headers["Location"] + "/publish", status=204)
        return made.headers["Location"]

    def test_dashboards_are_shown_while_the_primary_is_away(self):
        """By replicas, which have it all: nobody can tell what has changed, and nothing changes."""
        self.start(postgres_outage_patience_ms=200)
        tides = self.course("Tides")
        dashboard, of_course = "/api/dashboards/instructor", f"/api/dashboards/courses/{tides.rpartition('/')[2]}"
        wait_until(lambda: self.titles(dashboard)[:2] == (["Tides"], None), 20, "the course")
        self.database.shut_down("fast")  # so that replicas have all that has been seen
        answer = wait_until(lambda: (found := self.browser.ask(0, "GET", dashboard)).status == 200 and found, 20, "the dashboard")
        self.assertEqual([course["title"] for course in answer.json["courses"]], ["Tides"])
        self.ask("GET", dashboard + "/analytics")
        for path in (of_course, dashboard, of_course):
            answer = self.ask("GET", path)
            now, as_of = datetime.datetime.now(datetime.timezone.utc), answer.headers["Loadstone-As-Of"]
            said = now - datetime.datetime.fromisoformat(as_of.replace("Z", "+00:00"))
            self.assertLess(abs(said.total_seconds() - float(answer.headers["Loadstone-Stale"] or 0)), 2, path)
        self.ask("GET", "/api/dashboards/organisation", status=503)
        self.database.start()
        wait_until(lambda: self.browser.ask(0, "POST", "/api/courses", {"title": "Ebb", "description": "", "capacity": 10}).status == 201,
                   30, "the primary")
        # While replicas connect to it again they are behind, and that is said.
        wait_until(lambda: self.titles(dashboard)[:2] == (["Ebb", "Tides"], None), 30, "the dashboard as it is now")

    def pause(self):
        for replica in self.replicas:
            replica.psql("select pg_wal_replay_pause()")
            wait_until(lambda paused=replica: paused.psql("select pg_get_wal_replay_pause_state()").strip() == "paused", 10, "a pause")

    def titles(self, path, **kwargs):
        """And how old they are said to be at most; None if they are as fresh as was asked for."""
        answer = self.ask("GET", path, **kwargs)
        stale = answer.headers["Loadstone-Stale"]
        return [course["title"] for course in answer.json["courses"]], None if stale is None else float(stale), answer

    def test_dashboards_are_shown_as_they_were(self):
        self.start()
        tides = self.course("Tides")
        dashboard, of_course = "/api/dashboards/instructor", f"/api/dashboards/courses/{tides.rpartition('/')[2]}"
        wait_until(lambda: self.titles(dashboard)[:2] == (["Tides"], None), 20, "the course")
        analytics = dashboard + "/analytics"
        wait_until(lambda: self.browser.ask(0, "GET", analytics).status == 200, 20, "the column store")
        self.pause()
        # Who signs in only now is known, and what was made since is not said not to be there.
        self.browser.cookies.clear()
        self.ask("POST", "/api/login", {"email": "ada@example.org", "password": "correct horse battery"})
        ebb = self.course("Ebb")
        began = datetime.datetime.now(datetime.timezone.utc)
        titles, age, answer = self.titles(dashboard)
        self.assertEqual(titles, ["Tides"])
        self.assertGreater(age, 0)
        self.assertLess(datetime.datetime.fromisoformat(answer.json["as_of"].replace("Z", "+00:00")), began)
        self.assertEqual(answer.headers["Loadstone-As-Of"], answer.json["as_of"])
        # A cache that kept it would keep the mark, too, when the figures are the same later.
        self.assertEqual((answer.headers["ETag"], answer.headers["Cache-Control"]), (None, "no-store"))
        self.assertEqual(self.ask("GET", of_course).json["title"], "Tides")
        # Whose course it is is read for certain, and of its figures none is known yet.
        answer = self.ask("GET", f"/api/dashboards/courses/{ebb.rpartition('/')[2]}")
        self.assertEqual((answer.json["title"], answer.headers["Loadstone-Stale"] is not None), ("Ebb", True))
        self.assertEqual({lesson["begun"] for lesson in answer.json["funnel"]}, {0})
        answer = self.ask("GET", analytics)
        as_of = datetime.datetime.fromisoformat(answer.headers["Loadstone-As-Of"].replace("Z", "+00:00"))
        self.assertEqual(answer.json["courses"], 1)
        age = datetime.timedelta(seconds=float(answer.headers["Loadstone-Stale"]) - 0.1)
        self.assertLess(as_of, datetime.datetime.now(datetime.timezone.utc) - age)
        self.assertEqual(self.ask("GET", ebb).json["title"], "Ebb")  # at the primary
        self.assertEqual(self.ask("GET", "/api/dashboards/organisation", status=403).headers["Loadstone-Stale"], None)
        self.check_page()
        for replica in self.replicas:
            replica.psql("select pg_wal_replay_resume()")
        wait_until(lambda: self.titles(dashboard)[:2] == (["Ebb", "Tides"], None), 20, "both courses")
        self.assertNotEqual(self.titles(dashboard)[2].headers["ETag"], None)
        self.mail.wait_for(1, 30)

    def check_page(self):
        """That the figures are as they were is said where they are shown."""
        page = chromium.Browser(self.folder)
        self.addCleanup(page.close)
        page.go(f"http://127.0.0.1:{self.web.port}/dashboards")
        wait_until(lambda: page.run("document.getElementById('sign-in')?.checkVisibility() === true"), 30, "the form to sign in")
        page.run("document.getElementById('email').focus()")
        page.type("ada@example.org")
        page.tab()
        page.type("correct horse battery")
        page.key("Enter", 13, "\r")
        def told():
            text = page.run("document.body.innerText") or ""
            return "shown as they were" in text or (None, text)[0]
        try:
            wait_until(told, 30, "what is said of it")
        except AssertionError:
            self.say(page.run("document.body.innerText"))
            raise
        self.assertRegex(page.run("document.getElementById('now-fresh').textContent"), r"^As of .* UTC, \d+ (s|min) ago$")

    def test_the_catalogue_is_shown_as_it_was_where_the_primary_has_no_room(self):
        self.start(replicas_fallback_max=0)
        tides = self.course("Tides")
        wait_until(lambda: self.titles("/api/courses")[:2] == (["Tides"], None), 20, "the course")
        self.pause()
        self.course("Ebb")
        self.ask("GET", "/api/me", status=503)  # who asks is not looked up where it may be stale
        titles, age, _ = self.titles("/api/courses")
        self.assertEqual((titles, age is not None), (["Tides"], True))

        def seen_by_others():
            self.browser.cookies.clear()
            titles, age, _ = self.titles("/api/courses")
            self.assertEqual(titles, ["Tides"])
            return age
        # Whoever has seen nothing is given it unmarked, until that is too long ago.
        wait_until(seen_by_others, 20, "five seconds to be over")
        self.assertGreaterEqual(seen_by_others(), 5)
        self.assertEqual(self.ask("GET", tides).json["title"], "Tides")
        self.mail.wait_for(1, 30)

    def test_the_catalogue_is_shown_while_the_primary_is_away(self):
        self.start()
        tides = self.course("Tides")
        wait_until(lambda: self.titles("/api/courses")[0] == ["Tides"], 20, "the course")
        self.mail.wait_for(1, 30)
        self.wait_for_jobs(30)
        self.browser.cookies.clear()
        self.database.shut_down("fast")
        try:
            wait_until(lambda: self.titles("/api/courses")[1] is not None, 30, "it to be marked")
            for path in ("/api/courses", "/api/courses/popular"):
                titles, age, _ = self.titles(path)
                self.assertEqual((path, age is not None), (path, True))
            self.assertEqual(self.ask("GET", tides).json["title"], "Tides")
            self.assertEqual(self.titles("/api/courses")[0], ["Tides"])
        finally:
            self.database.start()


if __name__ == "__main__":
    main()
