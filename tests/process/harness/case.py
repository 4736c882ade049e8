"""The base of a scenario: a folder, a database, processes that end with it, logs when it fails.

The database is named by LOADSTONE_TEST_DATABASE: sqlite (the default) or postgres. LOADSTONE_FULL=1
makes scenarios as long as the promises they check (a minute's outage, a hundred kills).
"""

import os
import pathlib
import shutil
import sys
import tempfile
import unittest

from .campus import PROGRAM, Campus
from .database import Sqlite, Tables
from .mail import MailServer
from .postgres import Postgres
from .waiting import wait_until

FULL = os.environ.get("LOADSTONE_FULL") == "1"
DATABASE = os.environ.get("LOADSTONE_TEST_DATABASE", "sqlite")
LOG_LINES_SHOWN = 60

# A lease that ends soon, for tests in which processes die.
SHORT_LEASE = {"jobs_heartbeat_every_ms": 200, "jobs_dead_after_ms": 1000, "jobs_poll_every_ms": 200}


class ProcessTest(unittest.TestCase):
    def setUp(self):
        self.assertTrue(PROGRAM.exists(), f"{PROGRAM} has not been built")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="loadstone-process-"))
        self.folder.chmod(0o755)  # PostgreSQL runs as another user
        (self.folder / "data").mkdir()
        self.started = []
        self._database = None
        self._mail = None

    def run(self, result=None):
        result = self.defaultTestResult() if result is None else result
        broken = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > broken:
            self.show_logs()
        elif hasattr(self, "folder"):
            shutil.rmtree(self.folder)
        return result

    def tearDown(self):
        troubles = [trouble for campus in self.started if (trouble := campus.stop())]
        for server in (self._mail, self._database):
            if server is not None:
                server.stop()
        self.assertEqual(troubles, [])

    def show_logs(self):
        for log in sorted(self.folder.glob("*.log")):
            lines = log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
            print(f"--- {log}, its last {len(lines)} lines", *lines, sep="\n", file=sys.stderr)

    def say(self, text):
        """A figure that somebody may want to see of a test that passed."""
        print(f"    {self._testMethodName} on {DATABASE}: {text}", flush=True)

    @property
    def database(self):
        if self._database is None:
            self._database = Sqlite(self.folder / "data") if DATABASE == "sqlite" else Postgres(self.folder / "postgres")
        return self._database

    @property
    def tables(self):
        return Tables(self.database)

    @property
    def mail(self):
        """The mail server, started where the test starts it."""
        if self._mail is None:
            self._mail = MailServer(self.folder)
        return self._mail

    def campus(self, name="campus", **settings):
        settings = {"database": self.database.url, "smtp": self.mail.url, "mail_rate_max": 1000,
                    "mail_provider_rate_max": 0, **settings}
        campus = Campus(self.folder, name, **settings)
        self.started.append(campus)
        return campus

    # What holds of every scenario at its end.

    def wait_for_jobs(self, timeout_s):
        """Until none is left; nothing may have been buried."""
        def none_left():
            dead = self.tables.dead_jobs()
            assert not dead, f"{len(dead)} dead letters, the first: {dead[0]}"
            return not self.tables.jobs()
        wait_until(none_left, timeout_s, "all jobs to end")

    def check_accounts(self, acknowledged, attempted):
        """Every acknowledged user exists, once, with audit event and with its mail sent or queued."""
        users = self.tables.users()
        emails = [user["email"] for user in users]
        self.assertEqual(len(emails), len(set(emails)), "two users of one address")
        self.assertEqual(acknowledged - set(emails), set(), "acknowledged users are lost")
        self.assertEqual(set(emails) - attempted, set(), "users that nobody registered")
        created = self.database.rows("select user_id from audit_events where action = 'account.created' order by user_id")
        self.assertEqual([row["user_id"] for row in created], [user["id"] for user in users], "the audit log")
        delivered = [row["recipient"] for row in self.tables.deliveries()]
        self.assertEqual(len(delivered), len(set(delivered)), "a delivery is recorded twice")
        self.assertEqual(set(delivered) - set(emails), set(), "deliveries to nobody")
        without = {user["id"] for user in users if user["email"] not in set(delivered)}
        queued = len(self.tables.jobs()) + self.tables.count("loadstone_dead_jobs")
        self.assertEqual(len(without), queued, "each user without a delivery has its job")
        return users

    def check_mails(self, users, doubles_max=0, missing=()):
        """Each user has had one mail; gives how many were doubled."""
        taken = self.mail.taken()
        emails = {user["email"] for user in users}
        self.assertEqual(set(taken) - emails, set(), "mails without a user")
        self.assertEqual(emails - set(taken) - set(missing), set(), "users without a mail")
        for address, identities in taken.items():
            self.assertEqual(len(identities), 1, f"{address} got mails of several jobs: {identities}")
        doubled = {address: sum(times.values()) for address, times in taken.items() if sum(times.values()) > 1}
        self.assertLessEqual(len(doubled), doubles_max, f"mails sent more than once: {doubled}")
        return len(doubled)


def main():
    unittest.main(verbosity=2)
