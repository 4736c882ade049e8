"""PostgreSQL restarts under load: the server goes on by itself."""

import time

from harness.case import ProcessTest, main
from harness.load import Registrations
from harness.waiting import wait_until

RECOVERY_MAX_S = 10


class DatabaseRestartTest(ProcessTest):
    def go_on(self, load, since):
        wait_until(lambda: any(a.status == 201 and a.began > since for a in load.snapshot()), RECOVERY_MAX_S,
                   "a registration after the restart")

    def check_refusals(self, load):
        self.assertEqual(set(load.statuses()) - {201, 503}, set(), "only 503 while the database is away")
        for attempt in load.snapshot():
            if attempt.status == 503:
                self.assertIsNotNone(attempt.headers["Retry-After"], attempt.body)

    def restart(self, how, away_s):
        self.mail.start()
        campus = self.campus().start()
        load = Registrations(campus.port, "reader", workers=8, retry=True).start()
        for _ in range(3):
            reached = len(load.acknowledged())
            wait_until(lambda: len(load.acknowledged()) > reached + 20, 30, "registrations under way")
            self.database.shut_down(how)
            time.sleep(away_s)  # the experiment, not a wait
            self.database.start()
            back = time.monotonic()
            self.go_on(load, back)
            self.say(f"{how}: first success {time.monotonic() - back:.2f} s after the database was back")
            campus.check_alive()
        load.finish(60)
        self.say(load.summary())
        self.check_refusals(load)
        self.assertEqual(load.acknowledged(), load.attempted(), "each client has its answer in the end")
        self.wait_for_jobs(60)
        users = self.check_accounts(load.acknowledged(), load.attempted())
        doubled = self.check_mails(users, doubles_max=0)
        self.say(f"{len(users)} users, {doubled} mails doubled")

    def test_fast(self):
        self.restart("fast", 0)

    def test_immediate(self):
        self.restart("immediate", 0)

    def test_away_for_seconds(self):
        self.restart("fast", 3)


if __name__ == "__main__":
    main()
