"""PostgreSQL ends all its connections, again and again, and restarts without warning, under load."""

import time

from harness.case import FULL, main
from harness.storm import StormTest

BLOWS = 300 if FULL else 25
RESTARTS = 30 if FULL else 3


class JobsBackendsTest(StormTest):
    def under_load(self, blow, times, seconds):
        web = self.storm("web", "web").start()
        for i in range(2):
            self.storm(f"work{i}", "work").start()
        orders = self.load(web)
        for _ in range(times):
            time.sleep(self.random.uniform(0, seconds))  # the experiment, not a wait
            blow()
        orders.finish()
        history = self.wait_for_end(60)
        self.check(history)
        self.assertGreater(len(history.expected), 3 * times, "they were cut off at work")
        self.end()

    def test_nothing_is_lost_when_connections_are(self):
        self.under_load(self.database.end_sessions, BLOWS, seconds=0.6)

    def test_nothing_is_lost_when_the_server_restarts_at_once(self):
        self.under_load(lambda: self.database.restart("immediate"), RESTARTS, seconds=3)


if __name__ == "__main__":
    main()
