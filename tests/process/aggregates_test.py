"""What aggregates keep is what would be counted, and no view is stale, whoever dies meanwhile; what was made wrong is found, and mended
while writes go on."""

import collections
import datetime
import itertools
import json
import random
import threading
import time

from harness.case import DATABASE, FULL, main
from harness.http_client import Lost
from harness.school import SchoolTest
from harness.waiting import wait_until

LEARNERS = 2_000 if FULL else 150
KILLS = 30 if FULL else 4


def micros(text):
    """"2026-01-31T12:00:00.000001Z" -> microseconds."""
    return round(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1e6)


class Completions:
    """Learners who complete lessons, as many as may, until nothing is left; each asks until it has its answer."""

    def __init__(self, test, pairs, clients=6, allowed=None):
        self.test, self.pairs, self.all = test, iter(pairs), len(pairs)
        self.allowed = threading.Semaphore(self.all if allowed is None else allowed)
        self.lock = threading.Lock()
        self.done = 0
        self.begun, self.acknowledged = collections.Counter(), collections.Counter()  # by course
        self.position = "0-0"  # of what was acknowledged last
        self.refused = []
        self.threads = [threading.Thread(target=self.run) for _ in range(clients)]

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def run(self):
        client = self.test.server.client()
        while True:
            self.allowed.acquire()
            with self.lock:
                pair = next(self.pairs, None)
            if pair is None:
                break
            course, learner = pair
            with self.lock:
                self.begun[course.id] += 1
            while True:
                try:
                    answer = client.post(f"{course.path}/lessons/{course.lessons[0]}/progress", {"position_s": 60},
                                         headers={"Loadstone-Position": self.position}, cookie=learner.cookie)
                    status = answer.status
                except (Lost, OSError):
                    status = None
                    client.close()
                    client = self.test.server.client()
                if status == 200:
                    break
                if status not in (None, 503, 504):
                    self.refused.append(status)
                    break
                time.sleep(0.05)  # as a client would
            with self.lock:
                self.done += 1
                self.acknowledged[course.id] += 1
                self.position = answer.headers["Loadstone-Position"] or self.position
            time.sleep(0.01)  # so that all of it is not done at once
        client.close()

    def finish(self):
        self.allowed.release(self.all + len(self.threads))
        for thread in self.threads:
            thread.join(120)
        self.test.assertEqual(self.refused, [])


class Readers:
    """Look at both dashboards on a node that lives, until they are told to stop, with the position of what was acknowledged: an answer
    shows all of that, and nothing that had not been begun when it came."""

    def __init__(self, test, server, load):
        self.test, self.server, self.load = test, server, load
        self.reads = 0
        self.wrong = []
        self.stopping = False
        self.thread = threading.Thread(target=self.run)

    def run(self):
        with self.server.client() as client:
            for course in itertools.cycle(self.test.courses):
                if self.stopping:
                    return
                with self.load.lock:
                    least = self.load.acknowledged[course.id]
                    seen = {"headers": {"Loadstone-Position": self.load.position}, "cookie": self.test.teacher}
                view = client.get(f"/api/dashboards/courses/{course.id}", **seen).json["funnel"][0]["completed"]
                page = client.get("/api/dashboards/instructor", **seen).json["courses"]
                kept = next(line["completed"] for line in page if line["course"] == course.id)
                most = self.load.begun[course.id]
                self.reads += 1
                if not least <= view <= most or not least <= kept <= most:
                    self.wrong.append((course.id, least, view, kept, most))

    def start(self):
        self.thread.start()
        return self

    def finish(self):
        self.stopping = True
        self.thread.join(60)
        self.test.assertEqual(self.wrong, [], "(course, acknowledged before, view, aggregate, begun after)")


class AggregatesTest(SchoolTest):
    def setUp(self):
        super().setUp()
        self.start()
        self.courses = [self.course(f"Course {number}", capacity=10_000) for number in range(3)]
        self.learners = self.people(LEARNERS)
        self.pairs = list(itertools.product(self.courses, self.learners))
        random.shuffle(self.pairs)
        self.at_once(lambda client, course=course, learner=learner: client.post(f"{course.path}/enrolment", cookie=learner.cookie)
                     for course, learner in self.pairs)

    def verify(self, *words, status=0):
        done = self.server.command("views", "verify", *words, "--json", check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return {one["aggregate"]: one for one in json.loads(done.stdout)}

    def wait_built(self):
        wait_until(lambda: self.tables.count("loadstone_aggregates_built") == 6, 20, "the aggregates to be built")

    def completed(self):
        with self.server.client() as client:
            lines = self.ask("GET", "/api/dashboards/instructor", cookie=self.teacher, client=client).json["courses"]
        return {line["course"]: line["completed"] for line in lines}

    def test_kept_is_what_is_counted_whoever_dies(self):
        other = self.campus("other", role="web", data=self.folder / "data").start()
        load = Completions(self, self.pairs, allowed=0).start()
        readers = Readers(self, other, load).start()
        instants = random.Random(seed := random.randrange(1 << 32))
        self.say(f"seed {seed}")
        share = len(self.pairs) // KILLS
        at_work = allowed = 0
        for _ in range(KILLS):
            until = load.done + instants.randrange(1, share // 2)
            load.allowed.release(share)
            allowed += share
            wait_until(lambda: load.done >= until, 60, "the load to go on")
            at_work += load.done < allowed
            self.server.kill()
            self.verify()
            self.server.start()
            self.verify()
        load.finish()
        readers.finish()
        self.say(f"{readers.reads} reads of another node")
        self.assertGreater(readers.reads, 10)
        self.assertGreater(at_work, 1, "it was killed at work")
        self.wait_built()
        kept = self.verify()
        self.assertEqual(kept["learning.completions"]["keys"], len(self.courses))
        self.assertEqual(self.completed(), {course.id: LEARNERS for course in self.courses})

    def test_what_is_wrong_is_found_and_mended_while_writes_go_on(self):
        self.wait_built()
        course = self.courses[0]
        load = Completions(self, self.pairs, clients=3).start()
        wait_until(lambda: load.done > 5, 30, "the load to begin")
        self.database.execute("insert into loadstone_aggregates (aggregate, key, shard, value) values "
                              f"('learning.completions', {course.id}, 1000, 7), ('learning.graded', 4711, 0, 2)")
        found = self.verify(status=1)
        wrong, = found["learning.completions"]["differences"]
        self.assertEqual((wrong["key"], wrong["kept"] - wrong["true_value"]), (course.id, 7))
        self.assertEqual(found["learning.graded"]["differences"],
                         [{"key": 4711, "kept": 2, "true_value": None, "kept_group": None, "true_group": None}])
        self.assertEqual((found["learning.grade_sum"]["different"], found["learning.enrolled"]["different"]), (0, 0))
        text = self.server.command("views", "verify", "learning.graded", check=False)
        self.assertEqual((text.returncode, text.stdout),
                         (1, "learning.graded: 1 keys, 1 differ\n  key 4711: kept 2, true none\n"))
        self.assertIn("1 keys differ", text.stderr)
        mended = self.verify("--rebuild")
        self.assertEqual({name: one["mended"] for name, one in mended.items()},
                         {"learning.completions": 1, "learning.first_completion": 0, "learning.last_completion": 0,
                          "learning.graded": 1, "learning.grade_sum": 0, "learning.enrolled": 0})
        self.verify()
        load.finish()
        self.verify()
        self.assertEqual(self.completed(), {course.id: LEARNERS for course in self.courses})
        unknown = self.server.command("views", "verify", "learning.nothing", check=False)
        self.assertEqual((unknown.returncode, unknown.stdout), (1, ""))
        self.assertIn("no module declares an aggregate learning.nothing", unknown.stderr)

    def test_the_first_and_the_last_completion_are_kept(self):
        self.wait_built()
        with self.server.client() as client:
            lines = self.ask("GET", "/api/dashboards/instructor", cookie=self.teacher, client=client).json["courses"]
        self.assertEqual({(line["first_completed_at"], line["last_completed_at"]) for line in lines}, {(None, None)})
        Completions(self, self.pairs[:60]).start().finish()
        found = {row["course_id"]: (row["first"], row["last"]) for row in self.database.rows(
            "select course_id, min(completed_at) as first, max(completed_at) as last from completions group by course_id")}
        with self.server.client() as client:
            lines = self.ask("GET", "/api/dashboards/instructor", cookie=self.teacher, client=client).json["courses"]
        shown = {line["course"]: (micros(line["first_completed_at"]), micros(line["last_completed_at"]))
                 for line in lines if line["completed"]}
        self.assertEqual(shown, found)
        self.verify()
        # An hour too early and too late: found, and mended.
        course = next(iter(found))
        self.database.execute("update loadstone_aggregates set value = value - 3600000000 where aggregate = 'learning.first_completion' "
                              f"and key = {course}")
        self.database.execute("update loadstone_aggregates set value = value + 3600000000 where aggregate = 'learning.last_completion' "
                              f"and key = {course}")
        wrong = self.verify(status=1)
        for name, true in zip(("learning.first_completion", "learning.last_completion"), found[course]):
            self.assertEqual([(one["key"], one["true_value"]) for one in wrong[name]["differences"]], [(course, true)])
        self.verify("--rebuild")
        self.verify()

    def popular(self, limit=20):
        with self.server.client() as client:
            found = self.ask("GET", f"/api/courses/popular?limit={limit}", client=client).json["courses"]
        return [(one["enrolled"], one["id"]) for one in found]

    def test_popular_courses_are_those_with_most_learners(self):
        """While learners come and go on two nodes, of which one is killed."""
        other = self.campus("other", role="web", data=self.folder / "data").start()
        courses = self.courses + [self.course("Nobody is in it", capacity=10_000)]
        self.wait_built()
        self.assertEqual(self.popular(), [(LEARNERS, course.id) for course in self.courses])
        # As many leave each course as its place in the list; some of them twice.
        for place, course in enumerate(reversed(self.courses)):
            leaving = self.learners[:10 * place]
            self.at_once(lambda client, course=course, learner=learner: client.request(
                "DELETE", f"{course.path}/enrolment", cookie=learner.cookie) for learner in leaving + leaving[:3])
        counted = [(row["n"], row["course_id"]) for row in self.database.rows(
            "select course_id, count(*) as n from enrolments group by course_id order by n desc, course_id")]
        self.assertEqual([count for count, _ in counted], [LEARNERS, LEARNERS - 10, LEARNERS - 20])
        self.assertEqual(self.popular(), counted)
        self.assertEqual(self.popular(limit=1), counted[:1])
        self.server.kill()
        with other.client() as client:
            self.assertEqual([one["id"] for one in client.get("/api/courses/popular").json["courses"]], [id for _, id in counted])
            for learner in self.learners[:5]:
                client.post(f"{courses[-1].path}/enrolment", cookie=learner.cookie)
        self.verify()
        self.server.start()
        self.assertEqual(self.popular(), counted + [(5, courses[-1].id)])
        table = "loadstone_rank_deltas" if DATABASE == "postgres" else "loadstone_ranks where value < 0"
        wait_until(lambda: self.tables.value(f"select count(*) from {table}") == 0, 20, "the deltas to be folded")
        self.assertEqual(self.popular(), counted + [(5, courses[-1].id)])
        self.database.execute(f"update loadstone_ranks set value = value + 1000, of_group = 7 where key = {courses[-1].id}")
        wrong, = self.verify(status=1)["learning.enrolled"]["differences"]
        self.assertEqual(wrong, {"key": courses[-1].id, "kept": 1005, "true_value": 5, "kept_group": 7, "true_group": None})
        text = self.server.command("views", "verify", "learning.enrolled", check=False).stdout
        self.assertIn(f"key {courses[-1].id}: kept 1005 in group 7, true 5\n", text)
        self.verify("--rebuild")
        self.assertEqual(self.popular(), counted + [(5, courses[-1].id)])
        with self.server.client() as client:
            self.ask("GET", "/api/courses/popular?limit=101", status=422, client=client)

    def test_old_rows_are_counted_when_an_aggregate_is_new(self):
        """As after an update of the program: there are rows, and nothing is kept of them."""
        Completions(self, self.pairs[:40]).start().finish()
        self.server.terminate()
        for table in ("aggregates", "aggregates_built", "ranks"):
            self.database.execute(f"delete from loadstone_{table}")
        self.server.start()
        self.wait_built()
        self.verify()
        counted = {row["course_id"]: row["n"] for row in
                   self.database.rows("select course_id, count(*) as n from completions group by course_id")}
        self.assertEqual({id: count for id, count in self.completed().items() if count}, counted)
        self.assertEqual(self.popular(), [(LEARNERS, course.id) for course in self.courses])


if __name__ == "__main__":
    main()
