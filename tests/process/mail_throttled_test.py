"""A mail server that answers 421, 450, 451 and 452: every mail arrives, once, and it is not hammered."""

import time

from harness.case import FULL, ProcessTest, main
from harness.load import Registrations

USERS = 600 if FULL else 150


class MailThrottledTest(ProcessTest):
    def test_every_mail_arrives_at_the_rate_allowed(self):
        self.mail.start()
        self.mail.mode("throttle rate=40 burst=5")
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


if __name__ == "__main__":
    main()
