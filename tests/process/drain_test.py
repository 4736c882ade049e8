"""SIGTERM under load: what was accepted is answered, what is unfinished is handed back."""

import signal
import time

from harness.case import ProcessTest, main
from harness.http_client import get_once
from harness.load import Registrations
from harness.waiting import wait_until


class DrainTest(ProcessTest):
    def test_every_accepted_request_is_answered(self):
        self.mail.start()
        campus = self.campus(drain_ms=10_000).start()
        load = Registrations(campus.port, "reader", workers=16).start()
        wait_until(lambda: len(load.acknowledged()) > 50, 30, "registrations under way")
        began = time.monotonic()
        code = campus.terminate()
        seconds = time.monotonic() - began
        load.finish(60)
        self.say(f"ended {seconds:.2f} s after SIGTERM; {load.summary()}")
        self.assertEqual(code, 0)
        self.assertLess(seconds, 10)
        self.assertEqual(set(load.statuses()) - {None, 201, 503}, set())
        users = {user["email"] for user in self.tables.users()}
        # A client may write to an idle connection just as the server closes it; then nothing was done.
        lost = {attempt.email for attempt in load.snapshot() if attempt.status is None}
        self.assertEqual(users & lost, set(), "done, but not answered")
        self.assertEqual(self.tables.processes(), [], "it has signed off")
        self.assertEqual([job for job in self.tables.jobs() if job["process"] is not None], [])
        self.check_accounts(load.acknowledged(), load.attempted())

    def test_unfinished_jobs_are_handed_back(self):
        users = 30
        self.mail.start()
        self.mail.mode("silent stage=rcpt")
        campus = self.campus(drain_ms=1_500).start()
        load = Registrations(campus.port, "reader", workers=8, total=users).start().finish(60)
        wait_until(self.tables.running, 20, "jobs to run")
        began = time.monotonic()
        self.assertEqual(campus.terminate(), 0)
        self.say(f"ended {time.monotonic() - began:.2f} s after SIGTERM, with 1.5 s to drain")
        self.assertLess(time.monotonic() - began, 1.5 + 5)
        jobs = self.tables.jobs()
        self.assertEqual(len(jobs), users)
        self.assertEqual({(job["process"], job["attempt"], job["crashes"]) for job in jobs}, {(None, 0, 0)})
        self.mail.mode("ok")
        campus.start()
        self.wait_for_jobs(60)
        self.check_mails(self.check_accounts(load.acknowledged(), load.attempted()))

    def test_a_mail_that_may_be_out_is_not_sent_again(self):
        self.mail.start()
        self.mail.mode("silent stage=dot")
        campus = self.campus(drain_ms=1_000).start()
        load = Registrations(campus.port, "reader", workers=1, total=1).start().finish(60)
        self.mail.wait_for(1, 20)
        self.assertEqual(campus.terminate(), 0)
        self.assertEqual([delivery["state"] for delivery in self.tables.deliveries()], ["unknown"])
        self.mail.mode("ok")
        campus.start()
        self.wait_for_jobs(30)
        self.check_mails(self.check_accounts(load.acknowledged(), load.attempted()))

    def test_it_first_only_says_that_it_is_not_ready(self):
        self.mail.start()
        campus = self.campus(drain_delay_ms=4_000).start()
        campus.signal(signal.SIGTERM)
        wait_until(lambda: get_once(campus.port, "/readyz").status == 503, 3, "it to be unready")
        self.assertEqual(get_once(campus.port, "/healthz").status, 200)
        self.assertEqual(campus.ended(), 0)

    def test_an_idle_server_ends_at_once(self):
        self.mail.start()
        campus = self.campus().start()
        with campus.client() as client:
            self.assertEqual(client.get("/healthz").status, 200)
            began = time.monotonic()
            self.assertEqual(campus.terminate(), 0)
        self.assertLess(time.monotonic() - began, 3)
        self.assertEqual(campus.log_lines()[-1]["event"], "stopped")


if __name__ == "__main__":
    main()
