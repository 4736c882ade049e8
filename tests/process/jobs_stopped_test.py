"""Processes that stand still for longer than their lease, and then go on as if nothing had been."""

import time

from harness.case import FULL, main
from harness.storm import StormTest
from harness.waiting import wait_until

STOPS = 60 if FULL else 6


class JobsStoppedTest(StormTest):
    def test_what_a_stopped_process_completes_is_refused(self):
        web = self.storm("web", "web").start()
        stopped = self.storm("stopped", "work").start()
        # Shielded: nothing in the process keeps them from completing, only the database does.
        numbers = self.order(web, "Slow", 8, takes_ms=2_000, shielded=True)
        self.wait_for_runs(numbers, stopped)
        other = self.storm("other", "work").start()
        wait_until(lambda: len(self.tables.processes()) == 2, 20, "the other worker to sign on")
        self.stop_between_transactions(stopped)
        wait_until(lambda: self.tables.count("storm_effects") == len(numbers), 30, "the other worker to do them")
        stopped.go_on()
        history = self.wait_for_end(30)
        self.check(history)
        ends = {pid: sorted(run.how for run in history.runs if run.pid == pid) for pid in (stopped.pid, other.pid)}
        self.assertEqual(ends[other.pid], ["done"] * len(numbers))
        self.assertEqual(ends[stopped.pid], ["cancelled"] * len(numbers))
        wait_until(lambda: len(self.tables.processes()) == 2, 20, "the stopped worker to sign on anew")
        self.order(web, "Transactional", 4)
        self.check(self.wait_for_end(20))
        self.end()

    def test_nothing_is_lost_when_processes_stop_at_random_instants(self):
        web = self.storm("web", "web").start()
        workers = [self.storm(f"work{i}", "work").start() for i in range(3)]
        orders = self.load(web)
        for _ in range(STOPS):
            time.sleep(self.random.uniform(0.2, 0.8))  # the experiment, not a wait
            storm = self.random.choice(workers)
            storm.stop_still()
            time.sleep(self.random.uniform(1.2, 2.5))
            storm.go_on()
        orders.finish()
        self.check(self.wait_for_end(60))
        self.end()

    def test_nothing_is_lost_when_all_stand_still_together(self):
        """A machine that sleeps: its clock goes on, and all its processes wake with heartbeats that are old.

        Whoever is the first to renew its own takes the others for dead. That is safe, and counts as a crash.
        """
        web = self.storm("web", "web").start()
        workers = [self.storm(f"work{i}", "work").start() for i in range(3)]
        numbers = []
        for _ in range(3):
            for _ in range(8):
                numbers += self.order(web, "Slow", 2, takes_ms=1_000)
            wait_until(lambda: {run.number for run in self.history().runs} >= set(numbers), 20, "runs of all")
            for storm in workers:
                storm.stop_still()
            time.sleep(1.5)
            for storm in workers:
                storm.go_on()
        history = self.wait_for_end(60)
        self.check(history)
        self.end()


if __name__ == "__main__":
    main()
