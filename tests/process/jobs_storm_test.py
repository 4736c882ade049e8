"""kill -9 at random instants, and now and then an ordered end: nothing is lost, nothing doubled that must not be."""

import time

from harness.case import FULL, main
from harness.storm import StormTest

KILLS = 500 if FULL else 15
WORKERS = 3


class JobsStormTest(StormTest):
    def test_nothing_is_lost_when_processes_die(self):
        web = self.storm("web", "web").start()
        workers = [self.storm(f"work{i}", "work").start() for i in range(WORKERS)]
        orders = self.load(web)
        for _ in range(KILLS):
            time.sleep(self.random.uniform(0.1, 1.2))  # the experiment, not a wait
            storm = self.random.choice([web, *workers, *workers])
            storm.check_alive()
            if self.random.random() < 0.2:
                storm.drain()
            else:
                storm.kill()
            storm.start(wait=False)
        for storm in (web, *workers):
            storm.wait_ready()
        orders.finish()
        history = self.wait_for_end(120)
        self.check(history)
        self.assertGreater(len(history.expected), 10 * KILLS, "they were killed at work")
        self.end()


if __name__ == "__main__":
    main()
