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

    def restart(self, how, times, while_away=lambda campus, load: None):
        self.mail.start()
        campus = self.campus().start()
        load = Registrations(campus.port, "reader", workers=8, retry=True, timeout_s=60).start()
        for _ in range(times):
            reached = len(load.acknowledged())
            wait_until(lambda: len(load.acknowledged()) > reached + 20, 30, "registrations under way")
            self.database.shut_down(how)
            while_away(campus, load)
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
        # A mail whose delivery could not be recorded is sent again, as after a crash.
        self.say(f"{self.check_mails(users, doubles_max=8 * times)} of {len(users)} mails doubled")

    def check_away(self, campus, load):
        """Longer than requests wait: they are refused, and readiness says why."""
        wait_until(lambda: 503 in load.statuses(), 30, "a request to be refused")
        with campus.client() as client:
            self.assertEqual(client.get("/healthz").status, 200)
            ready = client.get("/readyz")
            self.assertEqual(ready.status, 503, ready)
            self.assertNotIn("127.0.0.1", ready.json["detail"], "that is for the log")
        wait_until(lambda: any(line["event"] == "requests are refused" and "cannot be reached" in line["error"]
                               for line in campus.log_lines()), 10, "the log to say why")
        done = campus.command("jobs", "list", "--postgres-connect-timeout-ms", "1000", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot be reached", done.stderr)

    def test_fast(self):
        self.restart("fast", times=4)

    def test_immediate(self):
        self.restart("immediate", times=4)

    def test_away_for_longer_than_a_request_waits(self):
        self.restart("fast", times=1, while_away=self.check_away)


if __name__ == "__main__":
    main()
