"""Processes whose wall clocks are minutes apart.

On PostgreSQL the database's clock is the server's: nothing changes. On SQLite it is each process's own. A process that is
ahead takes all others for dead at each of its heartbeats; their leases are lost while they live, and what they run is run
again. Even then no job is lost, and what a transaction completes happens once. But what a process that was ahead held when
it died comes back only when the others' clocks have come that far: such machines have to be set right.
"""

import datetime
import pathlib
import time

from harness.case import DATABASE, main
from harness.storm import StormTest
from harness.waiting import wait_until

LIBRARIES = sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
SKEW_S = 300


class JobsClocksTest(StormTest):
    def skewed(self, name, role, seconds):
        self.assertTrue(LIBRARIES, "Debian's package faketime is not installed")
        storm = self.storm(name, role)
        storm.extra_environment = {"LD_PRELOAD": str(LIBRARIES[0]), "FAKETIME": f"{seconds:+d}s", "NO_FAKE_STAT": "1",
                                   "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        storm.start()
        told = datetime.datetime.fromisoformat(storm.log_lines()[0]["time"]).timestamp()
        self.assertAlmostEqual(told - time.time(), seconds, delta=30, msg="its clock is as it was set")
        return storm

    def test_nothing_is_lost_when_clocks_are_apart(self):
        web = self.skewed("web", "web", SKEW_S // 2)
        workers = [self.skewed(name, "work", seconds)
                   for name, seconds in (("behind", -SKEW_S), ("right", 0), ("ahead", SKEW_S))]
        orders = self.load(web)
        wait_until(lambda: len(orders.made) > 150, 60, "150 orders")
        if DATABASE == "postgres":
            # Whoever dies is found dead as soon as ever, and by whomever.
            for storm in workers[:2]:
                self.order(web, "Slow", 8, takes_ms=100)
                storm.kill()
        orders.finish()
        self.fates.has_one_clock = DATABASE == "postgres"
        history = self.wait_for_end(60)
        self.check(history)
        if DATABASE == "postgres":
            self.assertEqual([run for run in history.runs if history.was_alive_and_cut(run)], [], "no lease is lost")
        self.end()


if __name__ == "__main__":
    main()
