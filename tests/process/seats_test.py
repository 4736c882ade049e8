"""The seats of a course, while servers and the database die: each is given once, and everybody is told the truth."""

import random
import threading

from harness.case import DATABASE, FULL, main
from harness.http_client import Client, Lost
from harness.school import SchoolTest
from harness.waiting import wait_until

SEATS, PEOPLE = (100, 1_000) if FULL else (20, 200)
KILLS = 6 if FULL else 1
RESTARTS = (4 if FULL else 1) if DATABASE == "postgres" else 0  # of the database, at once
CLIENTS = 16
PATIENCE_S = 90
PAUSE_S = 0.02  # a client's own, before it asks again
ASK_AGAIN = {502, 503, 504}


class Enrolling:
    """Clients that ask for all of `requests`, each under its key at any node, until it has a final answer."""

    def __init__(self, path, nodes, requests):
        self.path, self.ports, self.waiting = path, [node.port for node in nodes], list(reversed(requests))
        self.changed = threading.Condition()
        self.unreleased = len(requests)  # how many nobody may ask for yet
        self.answers = []  # (learner, key, answer)
        self.lost = self.refused = 0
        self.broken = []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def release(self, unreleased):
        with self.changed:
            self.unreleased = unreleased
            self.changed.notify_all()

    def wait_for(self, enrolled):
        """Until so many were told that they are enrolled; at once, while others are under way."""
        with self.changed:
            reached = self.changed.wait_for(
                lambda: self.broken or sum(answer.status == 201 for _, _, answer in self.answers) >= enrolled, PATIENCE_S)
        assert reached and not self.broken, self.broken or f"{enrolled} are not enrolled after {PATIENCE_S} s"

    def finish(self):
        for thread in self.threads:
            thread.join(PATIENCE_S)
        alive = sum(thread.is_alive() for thread in self.threads)
        self.stopping.set()
        assert not alive and not self.broken, self.broken or f"{alive} clients have no answer after {PATIENCE_S} s"
        return self.answers

    def _run(self):
        try:
            while True:
                with self.changed:
                    self.changed.wait_for(lambda: not self.waiting or len(self.waiting) > self.unreleased)
                    if not self.waiting:
                        return
                    learner, key = self.waiting.pop()
                answer = self._ask(learner, key)
                with self.changed:
                    self.answers.append((learner, key, answer))
                    self.changed.notify_all()
        except Exception as error:  # told by the test's own thread
            with self.changed:
                self.broken.append(error)
                self.changed.notify_all()

    def _ask(self, learner, key):
        while not self.stopping.is_set():
            try:
                with Client(random.choice(self.ports)) as client:
                    answer = client.post(self.path, cookie=learner.cookie, key=key)
                if answer.status not in ASK_AGAIN and not (answer.status == 409 and b"in progress" in answer.body):
                    return answer
                with self.changed:
                    self.refused += 1
            except Lost:
                with self.changed:
                    self.lost += 1
            self.stopping.wait(PAUSE_S)
        raise AssertionError(f"{key} has no answer")


class SeatsTest(SchoolTest):
    def disturb(self, what, nodes):
        if what == "restart":
            self.database.restart("immediate")
            return
        node = random.choice(nodes)
        node.check_alive()
        node.kill()
        node.start()

    def test_whoever_dies_each_is_given_once(self):
        self.start()
        nodes = [self.server, self.campus("web2", role="web", data=self.folder / "data").start()]
        course = self.course(capacity=SEATS)
        people = self.people(PEOPLE)
        # Each asks twice at about the same time, as from two devices.
        requests = [(learner, f"{learner.id}-{device}") for learner in people for device in (1, 2)]
        disturbances = ["kill"] * KILLS + ["restart"] * RESTARTS
        random.shuffle(disturbances)
        self.client.close()
        enrolling = Enrolling(f"{course.path}/enrolment", nodes, requests)
        # So many may ask that seats are left at each disturbance, and all of them at the last.
        for number, what in enumerate(disturbances, 1):
            share = SEATS * number // len(disturbances)
            enrolling.release(len(requests) - 2 * share if number < len(disturbances) else 0)
            enrolling.wait_for(share - SEATS // (2 * len(disturbances)))
            self.disturb(what, nodes)
        answers = enrolling.finish()

        self.assertGreater(enrolling.lost, 0, "somebody was at work when a server died")
        told = {}
        for learner, key, answer in answers:
            self.assertIn(answer.status, (201, 409), answer)
            if answer.status == 409:
                self.assertRegex(answer.json["detail"], f"^course {course.id} is full: all {SEATS} seats are taken$|"
                                                        f"^you are enrolled in course {course.id} already$")
            told.setdefault(learner.id, []).append(answer)
        self.assertEqual({id: len(each) for id, each in told.items()}, {learner.id: 2 for learner in people})
        given = [learner.id for learner, _, answer in answers if answer.status == 201]
        self.assertEqual(len(given), SEATS, "all seats are taken, none twice")
        self.assertEqual(self.check_seats(course, SEATS), set(given))
        for id, both in told.items():
            already = sum(b"already" in answer.body for answer in both)
            self.assertLessEqual(already, sum(answer.status == 201 for answer in both), f"{id} was told of a seat that is not theirs")
        self.assertEqual(self.tables.count("enrolments", f"course_id = {course.id}"), SEATS)
        self.assertEqual(self.tables.count("audit_events", "action = 'course.enrolled'"), SEATS, "each is noted once")
        # Who asks again under the key is told the same, at either node.
        for learner, key, answer in answers:
            if answer.status == 201:
                with random.choice(nodes).client() as client:
                    again = client.post(f"{course.path}/enrolment", cookie=learner.cookie, key=key)
                self.assertEqual((again.status, again.json), (201, answer.json))
        self.say(f"{PEOPLE} people for {SEATS} seats, {len(requests)} requests, {KILLS} kills, {RESTARTS} restarts of the "
                 f"database: {enrolling.lost} answers lost, {enrolling.refused} times asked to come again, oversold 0")


if __name__ == "__main__":
    main()
