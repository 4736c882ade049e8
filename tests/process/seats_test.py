"""The seats of a course, while servers and the database die: each is given once, and everybody is told the truth."""

import asyncio
import http.client
import io
import random
import threading
import time

from harness.case import DATABASE, FULL, main
from harness.http_client import Answer
from harness.school import SchoolTest

SEATS, PEOPLE = 100, 1_000
KILLS = 6 if FULL else 1
RESTARTS = (4 if FULL else 1) if DATABASE == "postgres" else 0  # of the database, at once
PATIENCE_S = 90
PAUSE_S = 0.1  # a client's own before it asks again, in the mean
ASK_AGAIN = {502, 503, 504}


class Enrolling:
    """Clients that ask for all of `requests`, each by itself and under its key at any node, until it has a final answer: those
    that are released are all under way at once."""

    def __init__(self, path, nodes, requests):
        self.path, self.ports, self.waiting = path, [node.port for node in nodes], list(reversed(requests))
        self.requests = len(requests)
        self.changed = threading.Condition()
        self.answers = []  # (learner, key, answer)
        self.lost = self.refused = self.under_way = self.under_way_most = 0
        self.broken = []
        self.tasks = []  # the loop holds none
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def release(self, unreleased):
        """All but so many."""
        while len(self.waiting) > unreleased:
            self.tasks.append(asyncio.run_coroutine_threadsafe(self._run(*self.waiting.pop()), self.loop))

    def wait_for(self, is_reached, what):
        with self.changed:
            reached = self.changed.wait_for(lambda: self.broken or is_reached(), PATIENCE_S)
        assert reached and not self.broken, self.broken or (
            f"not {what} after {PATIENCE_S} s: {len(self.answers)} answers, {self.under_way} under way, {self.lost} lost, {self.refused} refused")

    def wait_for_enrolled(self, enrolled):
        """Until so many were told that they are enrolled; at once, while others are under way."""
        self.wait_for(lambda: sum(answer.status == 201 for _, _, answer in self.answers) >= enrolled, f"{enrolled} are enrolled")

    def finish(self):
        self.wait_for(lambda: len(self.answers) == self.requests, "all have an answer")
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(PATIENCE_S)
        self.loop.close()
        return self.answers

    async def _run(self, learner, key):
        self.under_way += 1
        self.under_way_most = max(self.under_way_most, self.under_way)
        try:
            answer = await self._ask(learner, key)
        except Exception as error:  # told by the test's own thread
            self.broken.append(error)
        else:
            self.answers.append((learner, key, answer))
        self.under_way -= 1
        with self.changed:
            self.changed.notify_all()

    async def _ask(self, learner, key):
        while True:
            try:
                answer = await self._once(random.choice(self.ports), learner, key)
                if answer.status not in ASK_AGAIN and not (answer.status == 409 and b"in progress" in answer.body):
                    return answer
                self.refused += 1
            except (OSError, EOFError):
                self.lost += 1
            await asyncio.sleep(random.uniform(0, 2 * PAUSE_S))

    async def _once(self, port, learner, key):
        """On a connection of its own. Raises OSError or EOFError if there is no answer."""
        began = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {learner.cookie}\r\nIdempotency-Key: {key}\r\n"
                         "Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
            status, _, head = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
            headers = http.client.parse_headers(io.BytesIO(head))
            body = await reader.readexactly(int(headers["Content-Length"] or 0))
            return Answer(int(status.split()[1]), headers, body, time.monotonic() - began)
        finally:
            writer.close()


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
            enrolling.wait_for_enrolled(share - SEATS // (2 * len(disturbances)))
            self.disturb(what, nodes)
        answers = enrolling.finish()

        self.assertGreater(enrolling.lost, 0, "somebody was at work when a server died")
        self.assertGreater(enrolling.under_way_most, PEOPLE, "they asked at once")
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
        self.say(f"{PEOPLE} people for {SEATS} seats, {len(requests)} requests, {enrolling.under_way_most} at once, {KILLS} kills, {RESTARTS} restarts of the "
                 f"database: {enrolling.lost} answers lost, {enrolling.refused} times asked to come again, oversold 0")


if __name__ == "__main__":
    main()
