"""Jobs that take their process down, among healthy ones: they end as dead letters, and the others are done."""

import signal
import unittest

from harness.case import main
from harness.storm import KINDS, StormTest
from harness.waiting import wait_until

CRASHES_MAX = 3


class JobsPoisonTest(StormTest):
    def setUp(self):
        super().setUp()
        self.web = self.storm("web", "web").start()
        self.workers = [self.storm(f"work{i}", "work", jobs_crashes_max=CRASHES_MAX,
                                   jobs_heartbeat_every_ms=300, jobs_dead_after_ms=1500) for i in range(2)]
        self.worker_pids = set()
        self.times = 0  # that a poison took a worker down

    def start_again(self):
        for worker in self.workers:
            died_of = worker.died_of()
            if died_of is not None:
                self.assertEqual(died_of, signal.SIGABRT)
                self.times += 1
                self.worker_pids.add(worker.start(wait=False).pid)

    def run_to_the_end(self, poison):
        for worker in self.workers:
            self.worker_pids.add(worker.start(wait=False).pid)

        def ended():
            self.start_again()
            return not self.tables.jobs()
        wait_until(ended, 90, "all jobs to end")
        self.start_again()
        history = self.wait_for_end(20)
        self.say(f"{self.times} deaths")
        self.check(history, buried=poison)
        runs = history.by_number()
        # A death is blamed on what the process had claimed, whether it had begun or not.
        for number in poison:
            self.assertIn(len(runs[number]), range(1, CRASHES_MAX + 1))
            if len(runs[number]) == CRASHES_MAX:
                self.assertNotIn(runs[number][-1].pid, self.worker_pids, "the last time in a sandbox")
        self.assertLessEqual(self.times, (CRASHES_MAX - 1) * len(poison))

    def test_poison_alone(self):
        poison = self.order(self.web, "Poison", 1)
        self.run_to_the_end(poison)
        self.order(self.web, "Transactional", 4)
        self.assertEqual(self.wait_for_end(20).broken(poison), [])

    # The fresh poison's deaths are not those of a job that two deaths have made a suspect, and that runs in a sandbox.
    def test_suspect_beside_fresh_poison(self):
        suspect = self.order(self.web, "Slow", 1, takes_ms=1500)
        self.database.execute("update loadstone_ready set crashes = 2, partition_key = '|loadstone.suspect:storm'")
        self.run_to_the_end(self.order(self.web, "Poison", 1))
        self.assertEqual(len(self.history().by_number()[suspect[0]]), 1)

    # Whoever is in the process when poison takes it down is as suspect as the poison. Suspects then run one by one in a
    # sandbox, so that the next death is that of the poison, and no worker's.
    def test_poison_that_is_claimed_with_healthy_jobs(self):
        poison = []
        for _ in range(2):
            for kind in KINDS:
                self.order(self.web, count=4, **kind)
            poison += self.order(self.web, "Poison", 1)
        self.run_to_the_end(poison)


if __name__ == "__main__":
    main()
