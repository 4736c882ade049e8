"""A process that runs jobs dies, or stands still for longer than its lease."""

import signal
import time

from harness.case import SHORT_LEASE, ProcessTest, main
from harness.load import Registrations
from harness.waiting import wait_until

USERS = 30


class DeadProcessTest(ProcessTest):
    def two_workers(self, hold, then=None, **settings):
        """One of two workers holds jobs, because the mail server does not answer: web, it, the other, which finds
        the mail server as `then` says."""
        self.mail.start()
        self.mail.mode(hold)
        web = self.campus("web", role="web").start()
        first = self.campus("first", role="work", data=self.folder / "data1", **settings).start()
        self.load = Registrations(web.port, "reader", workers=8, total=USERS).start().finish(60)
        self.assertEqual(self.load.statuses(), {201: USERS})
        wait_until(lambda: self.mail.stats()["held"] > 0 and self.held(), 20, "the first worker to be sending")
        if then is not None:
            self.mail.mode(then)  # what it holds already stays held
        self.first_id = self.tables.processes()[0]["id"]
        second = self.campus("second", role="work", data=self.folder / "data2", **settings).start()
        wait_until(lambda: len(self.tables.processes()) == 2, 20, "the second worker to sign on")
        return web, first, second

    def held(self):
        return self.tables.running()

    def held_by_first(self):
        return self.tables.running(self.first_id)

    def test_the_jobs_of_a_dead_process_are_claimed_within_15_seconds(self):
        # The other worker's own mails must not hang too: they would fill its places until they time out after a minute.
        _, first, _ = self.two_workers("silent stage=rcpt", then="ok", jobs_crashes_max=10)
        held = self.held_by_first()
        self.assertGreater(held, 0)
        first.kill()
        died = time.monotonic()
        wait_until(lambda: self.held_by_first() == 0, 20, "the other worker to claim them")
        seconds = time.monotonic() - died
        self.assertLess(seconds, 15)
        self.wait_for_jobs(20)
        self.say(f"{held} jobs claimed {seconds:.1f} s after their process died, all done after "
                 f"{time.monotonic() - died:.1f} s")
        self.check_mails(self.check_accounts(self.load.acknowledged(), self.load.attempted()))
        self.assertEqual(len(self.tables.processes()), 1)

    def test_a_process_that_slept_past_its_lease_records_nothing(self):
        web, first, second = self.two_workers("slow seconds=3 stage=data", jobs_crashes_max=10, **SHORT_LEASE)
        first.signal(signal.SIGSTOP)
        self.mail.mode("ok")
        wait_until(lambda: self.held_by_first() == 0, 20, "the other worker to claim the jobs")
        self.wait_for_jobs(60)
        before = self.tables.deliveries()
        self.assertEqual(len(before), USERS)
        first.signal(signal.SIGCONT)
        wait_until(lambda: len(self.tables.processes()) == 2, 20, "the first worker to sign on anew")
        self.assertNotIn(self.first_id, [row["id"] for row in self.tables.processes()])
        # What it still did under the old lease, it has done by the time it has worked under the new one.
        second.terminate()
        more = Registrations(web.port, "later", workers=4, total=10).start().finish(30)
        self.assertEqual(more.statuses(), {201: 10})
        self.wait_for_jobs(60)
        self.assertEqual(self.tables.deliveries()[:USERS], before, "deliveries are as they were")
        everyone = self.load.acknowledged() | more.acknowledged()
        users = self.check_accounts(everyone, everyone)
        doubled = self.check_mails(users, doubles_max=USERS)
        self.say(f"{doubled} of {USERS} mails doubled by a process that was stopped while it sent them")


if __name__ == "__main__":
    main()
