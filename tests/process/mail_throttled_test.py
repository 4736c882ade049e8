"""A mail server that answers 421, 450, 451 and 452: every mail arrives, once, and it is not hammered.
What it says of one mailbox holds up that mailbox only."""

import json
import time

from harness.case import FULL, ProcessTest, main
from harness.load import Registrations
from harness.waiting import wait_until

USERS = 600 if FULL else 150


class MailThrottledTest(ProcessTest):
    def test_every_mail_arrives_at_the_rate_allowed(self):
        self.mail.start()
        self.mail.mode("throttle rate=15 burst=5")  # below what registrations make on a busy machine too
        campus = self.campus(mail_rate_max=100).start()
        load = Registrations(campus.port, "reader", workers=8, total=USERS).start().finish(120)
        self.assertEqual(load.statuses(), {201: USERS})
        began = time.monotonic()
        self.mail.wait_for(USERS, 60 + USERS / 2)
        stats = self.mail.stats()
        refused = {code: stats["replies"].get(code, 0) for code in ("421", "450", "451", "452")}
        self.say(f"{time.monotonic() - began:.1f} s after the last registration; refused {refused}; at most "
                 f"{max(stats['rates'].values())} in a second")
        self.assertGreater(sum(refused.values()), 0, "the throttle was met")
        self.assertLess(sum(refused.values()), USERS / 2, "most mails are sent when they may be")
        self.wait_for_jobs(30)
        users = self.check_accounts(load.acknowledged(), load.attempted())
        self.check_mails(users)

    def test_a_full_mailbox_slows_nobody_else_down(self):
        self.mail.start()
        self.mail.mode("reply code=452 stage=rcpt to=full1@ text=4.2.2_over_its_quota")
        campus = self.campus().start()
        full = Registrations(campus.port, "full", workers=1, total=1).start().finish(60)
        others = Registrations(campus.port, "other", workers=4, total=60).start().finish(60)
        self.mail.wait_for(60, 30)

        def attempts():
            return [job["attempt"] for job in json.loads(campus.command("jobs", "list", "--json").stdout)]
        wait_until(lambda: attempts() and attempts()[0] >= 2, 30, "the mail to be tried again")
        refusals = self.mail.stats()["replies"]["452"]
        self.assertLessEqual(refusals, attempts()[0], "each refusal counts")
        with campus.client() as client:
            self.assertRegex(client.get("/metrics").body.decode(), r"loadstone_provider_throttled_total\S* 0\n")
        self.mail.mode("ok")
        self.mail.wait_for(61, 30)
        self.wait_for_jobs(30)
        self.check_mails(self.check_accounts(full.acknowledged() | others.acknowledged(),
                                             full.attempted() | others.attempted()))


if __name__ == "__main__":
    main()
