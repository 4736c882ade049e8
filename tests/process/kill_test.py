"""kill -9 at random instants under load: what was acknowledged exists, and its mail is sent."""

import random
import time

from harness.case import FULL, SHORT_LEASE, ProcessTest, main
from harness.load import Registrations

KILLS = 100 if FULL else 12
TRANSFERS_MAX = 8  # mails that a process may be sending when it dies


class KillTest(ProcessTest):
    def test_nothing_acknowledged_is_lost(self):
        seed = random.randrange(1 << 32)
        instants = random.Random(seed)
        self.say(f"seed {seed}")
        self.mail.start()
        # Bystanders of a crash count as its suspects; here the test is the culprit, each time.
        campus = self.campus(jobs_crashes_max=100, mail_transfers_max=TRANSFERS_MAX, **SHORT_LEASE).start()
        load = Registrations(campus.port, "reader", workers=8, retry=True, timeout_s=60).start()
        for _ in range(KILLS):
            time.sleep(instants.uniform(0.05, 1.5))  # the experiment, not a wait
            campus.check_alive()
            campus.kill()
            campus.start(wait=False)
        campus.wait_ready()
        load.finish(90)
        self.say(load.summary())
        self.assertEqual(load.acknowledged(), load.attempted(), "each client has its answer in the end")
        self.assertEqual(set(load.statuses()) - {None, 201, 409, 503}, set())
        self.assertGreater(len(load.acknowledged()), KILLS, "it was killed at work")
        self.wait_for_jobs(120)
        users = self.check_accounts(load.acknowledged(), load.attempted())
        doubled = self.check_mails(users, doubles_max=KILLS * TRANSFERS_MAX)
        self.say(f"{len(users)} users, {doubled} mails doubled in {KILLS} kills")
        self.assertEqual(self.tables.count("deliveries", "state = 'sent'"), len(users))


if __name__ == "__main__":
    main()
