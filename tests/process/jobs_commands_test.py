"""What an operator does with `campus jobs`, to a server that runs."""

import json
import time

from harness.case import ProcessTest, main
from harness.waiting import wait_until


class JobsCommandsTest(ProcessTest):
    def stats(self, campus):
        queues = json.loads(campus.command("jobs", "stats", "--json").stdout)
        return next((queue for queue in queues if queue["name"] == "accounts"), None)

    def test_a_paused_queue_holds_its_jobs_and_says_so(self):
        self.mail.start()
        campus = self.campus().start()
        self.assertIn("paused", campus.command("jobs", "pause", "accounts").stdout)
        wait_until(lambda: self.stats(campus)["is_paused"], 10, "the queue to be paused")
        job = wait_until(lambda: self.held(campus), 30, "a mail that is held")
        self.assertIn("is paused", campus.command("jobs", "why", job).stdout)
        self.assertGreater(self.stats(campus)["ready"], 0)
        self.assertIn("paused", campus.command("jobs", "stats").stdout)
        self.assertIn("goes on", campus.command("jobs", "resume", "accounts").stdout)
        self.wait_for_jobs(20)

    def held(self, campus):
        """A job that has waited for longer than a pause takes to be known everywhere; registers one if there is none."""
        waiting = [job for job in self.tables.jobs() if job["process"] is None]
        if not waiting:
            self.register_one(campus)
        old = [job["id"] for job in waiting if job["enqueued_at"] < (time.time() - 2) * 1e6]
        return old[0] if old else None

    def register_one(self, campus):
        self.number = getattr(self, "number", 0) + 1
        with campus.client() as client:
            self.assertEqual(client.register(f"reader{self.number}@example.org").status, 201)

    def test_a_waiting_job_is_cancelled_once(self):
        self.mail.start()
        self.mail.mode("reply code=554 stage=mail text=not_you")
        campus = self.campus().start()
        self.register_one(campus)
        wait_until(lambda: [job for job in self.tables.jobs() if job["last_error"]], 20, "the job to be put off")
        job = self.tables.jobs()[0]["id"]
        self.assertIn("scheduled for", campus.command("jobs", "why", job).stdout)
        wait_until(lambda: campus.command("jobs", "cancel", job, check=False).returncode == 0, 20, "it to be cancelled")
        self.assertEqual(self.tables.jobs(), [])
        refused = campus.command("jobs", "cancel", job, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("never enqueued, or it is done", refused.stderr)

        self.register_one(campus)
        self.mail.mode("ok")
        self.assertIn("0 dead jobs", campus.command("jobs", "redrive", "--kind", "accounts.SendWelcomeEmail").stdout)
        self.wait_for_jobs(30)


if __name__ == "__main__":
    main()
