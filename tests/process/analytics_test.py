"""Facts come to the column store once each, whoever is killed on the way: the server, the store, PostgreSQL."""

import os
import pathlib
import random
import signal

from harness.case import DATABASE, FULL, main
from harness.school import SchoolTest
from harness.waiting import wait_until

ROUNDS = 100 if FULL else 4


class AnalyticsTest(SchoolTest):
    rounds = ROUNDS

    def kill_store(self):
        pid = wait_until(self.store_process, 20, "the column store's process")
        os.kill(pid, signal.SIGKILL)

    def kill_server(self):
        self.server.kill()
        self.server.start()

    def restart_database(self):
        self.database.shut_down("immediate")
        self.database.start()

    def activity(self):
        answer = self.client.get(f"/api/dashboards/courses/{self.own.id}/activity", cookie=self.teacher)
        return answer.json if answer.status == 200 else None

    def carried(self, attempts):
        found = self.activity()
        return found and sum(day["attempts"] for day in found["days"]) >= attempts and found

    def attempt(self, learner, quiz):
        def ask(client):
            return client.request("POST", f"{self.own.path}/quizzes/{quiz}/attempts", {"points": 5}, cookie=learner.cookie).status
        return ask

    def test_nothing_is_lost_or_doubled(self):
        self.start(analytics_batch_facts=7, analytics_rollup_recent_rows=20)
        quizzes = ((10, 1),) * 4
        self.own = self.course(quizzes=quizzes, capacity=10_000)
        kinds = [self.kill_store, self.kill_server] + ([self.restart_database] if DATABASE == "postgres" else [])
        dice = random.Random(21)
        for number in range(self.rounds):
            learners = self.people(8)
            self.at_once([lambda client, who=who: client.request("POST", f"{self.own.path}/enrolment", cookie=who.cookie).status
                          for who in learners], clients=8)
            self.at_once([self.attempt(who, quiz) for who in learners for quiz in self.own.quizzes], clients=8)
            kinds[number % len(kinds)]() if number < len(kinds) else dice.choice(kinds)()
            self.client.close()
            self.client = self.server.client()
        attempts = self.tables.value("select count(*) from quiz_attempts")
        learners = self.tables.value("select count(distinct user_id) from quiz_attempts")
        self.assertEqual(attempts, self.rounds * 8 * 4)
        found = wait_until(lambda: self.carried(attempts), 30, "all facts in the column store")
        self.assertEqual(sum(day["attempts"] for day in found["days"]), attempts, "none doubled")
        if len(found["days"]) == 1:  # not over midnight
            self.assertEqual(found["days"][0]["learners"], learners)
        wait_until(lambda: self.tables.value("select count(*) from loadstone_facts") == 0, 20, "what was carried to be deleted")
        self.assertEqual(sum(day["attempts"] for day in self.activity()["days"]), attempts, "nor later")
        self.server.command("analytics", "verify")  # the rollups too
        funnel = self.client.get("/api/dashboards/instructor/analytics", cookie=self.teacher).json["funnel"]["learners"]
        self.assertEqual((funnel["enrolled"], funnel["attempted"]), (learners, learners))
        self.say(f"{attempts} attempts through {self.rounds} kills: lost 0, doubled 0")

    def test_the_store_ends_with_its_server(self):
        self.start()
        store = wait_until(self.store_process, 20, "the column store's process")
        self.server.kill()
        wait_until(lambda: not pathlib.Path(f"/proc/{store}").exists() or
                   pathlib.Path(f"/proc/{store}/cmdline").read_bytes() == b"", 10, "the column store to end")
        self.server.start()
        wait_until(self.store_process, 20, "another one")

    def test_the_store_holds_no_socket_of_its_server(self):
        self.start()
        first = wait_until(self.store_process, 20, "the column store's process")
        self.assertEqual(self.client.get("/healthz").status, 200)  # is connected while the next one starts
        os.kill(first, signal.SIGKILL)
        store = wait_until(lambda: self.store_process() not in (None, first) and self.store_process(), 20, "another one")

        def sockets(pid):
            names = (os.readlink(fd) for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir())
            return {name for name in names if name.startswith("socket:")}
        self.assertEqual(sockets(store) & sockets(self.server.pid), set())


if __name__ == "__main__":
    main()
