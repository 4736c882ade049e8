"""The disk is full: 503 and a clear log, nothing acknowledged is lost; it goes on when there is room.

On PostgreSQL the tables are on the small disk and its log is not: it takes PostgreSQL itself down
when its own log finds no room, which is database_restart_test.py.
"""

from harness.case import DATABASE, SHORT_LEASE, ProcessTest, main
from harness.load import Registrations
from harness.small_disk import enter_namespace, small_disk_of_database
from harness.waiting import wait_until

REFUSALS = 30


class DiskFullTest(ProcessTest):
    def test_refused_while_it_is_full_and_served_when_there_is_room(self):
        disk = small_disk_of_database(self, megabytes=48)
        self.mail.start()
        campus = self.campus(**SHORT_LEASE, jobs_crashes_max=10).start()
        load = Registrations(campus.port, "reader", workers=8, retry=True, timeout_s=60).start()
        wait_until(lambda: len(load.acknowledged()) > 50, 30, "registrations")
        disk.fill()
        refused = wait_until(lambda: self.refusals(load), 60, f"{REFUSALS} refusals")
        self.say(f"{len(load.acknowledged())} acknowledged before: {refused[0].body.decode()}")
        for attempt in refused:
            self.assertIsNotNone(attempt.headers["Retry-After"], attempt.body)
        self.assertNotRegex(refused[0].body.decode(), "disk|space|/tmp", "that is for the log")
        wait_until(lambda: self.says_so(campus), 10, "a line in the log that names the disk")
        with campus.client() as client:
            self.assertEqual(client.get("/healthz").status, 200, "the process is alive")
            if DATABASE == "sqlite":  # PostgreSQL does not tell before it needs the room
                wait_until(lambda: client.get("/readyz").status == 503, 10, "it says that it cannot take writes")
        campus.check_alive()

        disk.make_room()
        reached = len(load.acknowledged())
        wait_until(lambda: len(load.acknowledged()) > reached + 20, 20, "registrations when there is room")
        load.finish(90)
        self.say(load.summary())
        self.assertEqual(set(load.statuses()) - {201, 503}, set())
        self.assertEqual(load.acknowledged(), load.attempted())
        with campus.client() as client:
            wait_until(lambda: client.get("/readyz").status == 200, 10, "it is ready again")
        self.wait_for_jobs(60)
        users = self.check_accounts(load.acknowledged(), load.attempted())
        # A mail whose delivery could not be recorded is sent again, as after a crash.
        self.say(f"{self.check_mails(users, doubles_max=64)} mails doubled")
        if DATABASE == "sqlite":
            self.assertEqual(self.database.rows("pragma integrity_check")[0]["integrity_check"], "ok")
        self.assertEqual(campus.terminate(), 0)
        campus.start()
        self.check_accounts(load.acknowledged(), load.attempted())

    def refusals(self, load):
        refused = [attempt for attempt in load.snapshot() if attempt.status == 503]
        return refused if len(refused) >= REFUSALS else None

    def says_so(self, campus):
        return any(line["event"] == "writes fail" and ("disk" in line["error"] or "space" in line["error"])
                   for line in campus.log_lines())


if __name__ == "__main__":
    enter_namespace()
    main()
