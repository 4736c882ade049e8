"""The mail server is away: registrations go on, and every mail arrives once it is back."""

import json
import time

from harness.case import FULL, ProcessTest, main
from harness.load import Registrations, percentile
from harness.waiting import wait_until

OUTAGE_S = 60 if FULL else 10


class MailOutageTest(ProcessTest):
    def test_registrations_go_on_and_mails_arrive_when_it_is_back(self):
        self.mail.start()
        campus = self.campus().start()
        before = Registrations(campus.port, "before", workers=2, total=60).start().finish(60)
        self.assertEqual(before.statuses(), {201: 60})
        # A mail whose reply is lost with the server is of unknown outcome, and is not sent again.
        self.wait_for_jobs(30)
        self.mail.stop()

        outage_ends = time.monotonic() + OUTAGE_S
        during = Registrations(campus.port, "during", workers=2, total=OUTAGE_S * 20).start().finish(OUTAGE_S * 4)
        self.assertEqual(during.statuses(), {201: OUTAGE_S * 20}, "registrations while no mail can be sent")
        self.say(f"p99 {percentile(before.latencies(), 0.99) * 1e3:.0f} ms with the mail server, "
                 f"{percentile(during.latencies(), 0.99) * 1e3:.0f} ms without")
        self.assertLess(percentile(during.latencies(), 0.99), 2.0)
        wait_until(lambda: time.monotonic() > outage_ends, OUTAGE_S + 1, "the outage to end")

        jobs = json.loads(campus.command("jobs", "list", "--json", "--limit", "1000").stdout)
        waiting = [job for job in jobs if job["state"] == "waiting" and job["last_error"]]
        self.assertTrue(waiting, f"jobs that have been put off, of {len(jobs)}")
        self.assertTrue(all(job["attempt"] == 0 for job in waiting), "an outage uses up no attempts")
        self.assertIn(waiting[0]["idempotency_key"], campus.command("jobs", "show", waiting[0]["id"]).stdout)
        self.assertIn("due now", campus.command("jobs", "retry", waiting[0]["id"]).stdout)

        self.mail.start()
        began = time.monotonic()
        everyone = before.acknowledged() | during.acknowledged()
        self.mail.wait_for(len(everyone), 90 + 2 * OUTAGE_S)
        self.say(f"{len(everyone)} mails {time.monotonic() - began:.1f} s after the mail server was back")
        self.wait_for_jobs(30)
        users = self.check_accounts(everyone, everyone)
        self.check_mails(users)


if __name__ == "__main__":
    main()
