"""Requests in one process, jobs in another: a job starts as soon as it is committed."""

import time

from harness.case import ProcessTest, main
from harness.load import percentile

USERS = 40


class RolesTest(ProcessTest):
    def test_a_job_starts_at_once_in_the_other_process(self):
        self.mail.start()
        web = self.campus("web", role="web").start()
        # Polling would show as seconds.
        self.campus("work", role="work", data=self.folder / "data2", jobs_poll_every_ms=10_000).start()
        answered = {}
        with web.client() as client:
            for number in range(USERS):
                email = f"reader{number}@example.org"
                self.assertEqual(client.register(email).status, 201)
                answered[email] = time.time()
                self.mail.wait_for(number + 1, 15)
        taken = {}
        for file in self.mail.store.glob("*.eml"):
            head = dict(line.split(": ", 1) for line in file.read_text().split("\n")[:3])
            taken[head["X-Envelope-To"]] = float(head["X-Envelope-Time"])
        seconds = [taken[email] - at for email, at in answered.items()]
        self.say(f"from the answer to the mail: p50 {percentile(seconds, 0.5) * 1e3:.0f} ms, "
                 f"p95 {percentile(seconds, 0.95) * 1e3:.0f} ms, max {max(seconds) * 1e3:.0f} ms")
        self.assertLess(percentile(seconds, 0.95), 0.25)
        self.wait_for_jobs(10)

    def test_a_process_of_one_role_does_not_do_the_other(self):
        self.mail.start()
        web = self.campus("web", role="web").start()
        with web.client() as client:
            self.assertEqual(client.register("ada@example.org").status, 201)
        self.assertEqual(self.tables.processes(), [], "web signs on for no jobs")
        job, = self.tables.jobs()
        self.assertIsNone(job["process"])
        work = self.campus("work", role="work", data=self.folder / "data2").start()
        self.mail.wait_for(1, 15)
        self.assertNotIn("listening", [line["event"] for line in work.log_lines()])
        self.assertEqual(work.terminate(), 0)
        self.assertEqual(web.terminate(), 0)


if __name__ == "__main__":
    main()
