"""Pings of learners, coalesced, while servers die: what was acknowledged is kept, and nobody goes back."""

import itertools
import random
import threading

from harness.case import FULL, main
from harness.http_client import Client, Lost
from harness.school import SchoolTest

LEARNERS, LESSONS, LENGTH = (40, 3, 60) if FULL else (12, 3, 40)
CLIENTS = 32
KILLS = 12 if FULL else 2
PATIENCE_S = 90
PAUSE_S = 0.02  # a client's own, before it asks again
ASK_AGAIN = {502, 503, 504}


def coalesced(client):
    """{what: count} of /metrics; empty before the first."""
    name = "loadstone_store_coalesced_"
    lines = client.get("/metrics").body.decode().splitlines()
    return {line[len(name):line.index("_total")]: int(float(line.split()[-1])) for line in lines
            if line.startswith(name) and "_total{" in line and "learning.pings" in line}


class Watching:
    """Clients that send all of `pings`, (learner, lesson, position), each at any node until it is answered."""

    def __init__(self, course, nodes, pings):
        self.course, self.ports, self.pings = course, [node.port for node in nodes], list(reversed(pings))
        self.changed = threading.Condition()
        self.kept = {}  # (learner, lesson): the greatest position that was told
        self.answered = self.lost = 0
        self.broken = []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def wait_for(self, answered):
        with self.changed:
            reached = self.changed.wait_for(lambda: self.broken or self.answered >= answered, PATIENCE_S)
        assert reached and not self.broken, self.broken or f"{answered} are not answered after {PATIENCE_S} s"

    def finish(self):
        for thread in self.threads:
            thread.join(PATIENCE_S)
        alive = sum(thread.is_alive() for thread in self.threads)
        self.stopping.set()
        assert not alive and not self.broken, self.broken or f"{alive} clients have no answer after {PATIENCE_S} s"

    def _run(self):
        try:
            while True:
                with self.changed:
                    if not self.pings or self.stopping.is_set():
                        return
                    learner, lesson, position = self.pings.pop()
                self._ping(learner, lesson, position)
        except Exception as error:  # told by the test's own thread
            with self.changed:
                self.broken.append(error)
                self.changed.notify_all()

    def _ping(self, learner, lesson, position):
        key = (learner.id, lesson)
        while not self.stopping.is_set():
            with self.changed:
                least = max(position, self.kept.get(key, 0))
            try:
                with Client(random.choice(self.ports)) as client:
                    answer = client.post(f"{self.course.path}/lessons/{lesson}/progress", {"position_s": position}, cookie=learner.cookie)
            except Lost:
                with self.changed:
                    self.lost += 1
                self.stopping.wait(PAUSE_S)
                continue
            if answer.status in ASK_AGAIN:
                self.stopping.wait(PAUSE_S)
                continue
            assert answer.status == 200, answer
            told = answer.json["position_s"]
            assert told >= least, f"{key} went back to {told} from {least}"
            with self.changed:
                self.kept[key] = max(told, self.kept.get(key, 0))
                self.answered += 1
                self.changed.notify_all()
            return


class PingsTest(SchoolTest):
    def test_many_at_once_share_transactions(self):
        self.start()
        course = self.course(lessons=[LENGTH] * LESSONS)
        learners = self.people(LEARNERS)
        for learner in learners[1:]:
            self.enrol(course, learner)

        def ping(learner, lesson, position):
            return lambda client: (learner, position, client.post(
                f"{course.path}/lessons/{lesson}/progress", {"position_s": position}, cookie=learner.cookie))
        pings = [ping(learner, lesson, position) for position in range(1, 20) for lesson in course.lessons for learner in learners]
        answers = self.at_once(pings, clients=CLIENTS)
        for learner, position, answer in answers:
            if learner is learners[0]:
                self.assertEqual(answer.status, 403, "who is not enrolled is told so, and nobody else")
            else:
                self.assertEqual(answer.status, 200, answer)
                self.assertGreaterEqual(answer.json["position_s"], position)
        kept = self.database.rows("select position_s, completed_at from lesson_progress")
        self.assertEqual([(row["position_s"], row["completed_at"]) for row in kept], [(19, None)] * (LESSONS * (LEARNERS - 1)))
        counts = coalesced(self.client)
        self.assertEqual(counts["rows"], len(pings))
        self.assertLess(counts["batches"], len(pings))
        self.say(f"{counts['rows']} pings in {counts['batches']} transactions, {counts['merged']} merged")

    def test_whoever_dies_what_was_acknowledged_is_kept(self):
        self.start()
        nodes = [self.server, self.campus("web2", role="web", data=self.folder / "data").start()]
        course = self.course(lessons=[LENGTH] * LESSONS)
        learners = self.people(LEARNERS)
        for learner in learners:
            self.enrol(course, learner)
        # About in order, as players send them; the last one of each completes its lesson, and comes twice. Some stay half-way.
        pings = [(learner, lesson, position) for position, learner, lesson
                 in itertools.product(range(1, LENGTH + 1), learners, course.lessons)
                 if position <= LENGTH // 2 or learner is not learners[0]]
        pings += [ping for ping in pings if ping[2] == LENGTH]
        for start in range(0, len(pings), 64):
            shuffled = pings[start:start + 64]
            random.shuffle(shuffled)
            pings[start:start + 64] = shuffled
        self.client.close()
        watching = Watching(course, nodes, pings)
        for number in range(1, KILLS + 1):
            watching.wait_for(len(pings) * number // (KILLS + 1))
            node = nodes[number % len(nodes)]
            node.check_alive()
            node.kill()
            node.start()
        watching.finish()
        self.assertGreater(watching.lost, 0, "somebody was at work when a server died")

        rows = self.database.rows("select user_id, lesson_id, position_s, completed_at from lesson_progress")
        self.assertEqual({(row["user_id"], row["lesson_id"]): row["position_s"] for row in rows}, watching.kept)
        for row in rows:
            self.assertEqual(row["completed_at"] is not None, row["position_s"] == LENGTH, row)
        through = {learner.id for learner in learners[1:]}
        completed = {row["user_id"]: row["lessons_completed"] for row in
                     self.database.rows("select user_id, lessons_completed from enrolments")}
        self.assertEqual(completed, {learner.id: LESSONS if learner.id in through else 0 for learner in learners})
        self.assertEqual(sorted(row["user_id"] for row in self.database.rows("select user_id from completions")), sorted(through))
        self.say(f"{len(pings)} pings, {KILLS} kills, {watching.lost} answers lost")


if __name__ == "__main__":
    main()
