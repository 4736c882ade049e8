"""The disk of the queue is full while jobs run: nothing is lost, and what ran is recorded when there is room.

On PostgreSQL the tables are on the small disk, and its log is not.
"""

import time

from harness.case import main
from harness.small_disk import enter_namespace, small_disk_of_database
from harness.storm import StormTest
from harness.waiting import wait_until


class JobsDiskFullTest(StormTest):
    def test_nothing_is_lost_when_the_disk_is_full(self):
        disk = small_disk_of_database(self, megabytes=64)
        web = self.storm("web", "web").start()
        for i in range(2):
            self.storm(f"work{i}", "work").start()
        orders = self.load(web)
        for _ in range(3):
            reached = len(orders.made)
            wait_until(lambda: len(orders.made) > reached + 20, 30, "orders that are taken")
            disk.fill()
            wait_until(lambda: orders.refused > 10, 60, "orders that are refused")
            time.sleep(self.random.uniform(0, 2.5))  # up to some leases; the experiment, not a wait
            disk.make_room()
            orders.refused = 0
        orders.finish()
        self.check(self.wait_for_end(60))
        self.end()


if __name__ == "__main__":
    enter_namespace()
    main()
