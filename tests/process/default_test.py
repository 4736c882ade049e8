"""What a newcomer starts: SQLite, mail into a Maildir, and the commands that the greeting names."""

import shlex
import subprocess

from harness.campus import BUILD, environment
from harness.case import ProcessTest, main
from harness.load import Registrations
from harness.waiting import wait_until


class DefaultTest(ProcessTest):
    def test_the_greeting_is_true(self):
        campus = self.campus(database=None, smtp=None).start()

        def greeting():
            return [line.strip() for line in campus.log_text().splitlines() if line.startswith("  ")]
        wait_until(lambda: len(greeting()) == 5, 10, "the greeting")
        curl = shlex.split(greeting()[0].rstrip("\\") + greeting()[1])
        answer = self.shell(curl)
        self.assertIn("HTTP/1.1 201 Created", answer)
        self.assertIn('"message":"Account created successfully"', answer)
        self.wait_for_jobs(20)
        mail, jobs, why = (line.split("   ")[0] for line in greeting()[2:])
        self.assertIn("Welcome to Campus, Ada Lovelace", self.shell(shlex.split(mail)))
        self.assertIn("no jobs", self.shell(shlex.split(jobs)).lower())
        self.assertIn("POST /api/register", self.shell(shlex.split(why)))

    def shell(self, words):
        done = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, timeout=30, env=environment())
        self.assertEqual(done.returncode, 0, f"{words}: {done.stderr}")
        return done.stdout

    def test_what_the_program_starts_is_built_with_it(self):
        inputs = self.shell(["ninja", "-C", BUILD, "-t", "inputs", "campus"]).split()
        self.assertIn("bin/loadstone-duckdb", inputs)

    def test_a_stopped_server_leaves_its_file_whole(self):
        self.mail.start()
        campus = self.campus().start()
        load = Registrations(campus.port, "reader", workers=1, total=5).start().finish(60)
        self.wait_for_jobs(30)
        self.assertEqual(campus.terminate(), 0)
        files = sorted(path.name for path in (self.folder / "data").iterdir() if path.is_file())
        self.assertEqual(files, ["campus.db"])
        self.assertEqual((self.folder / "data" / "campus.db").stat().st_mode & 0o777, 0o600)
        self.check_accounts(load.acknowledged(), load.attempted())


if __name__ == "__main__":
    main()
