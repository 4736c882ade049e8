"""Migrations: ten processes at once, a plan, and a schema that is newer than the program."""

import subprocess

from harness.campus import PROGRAM, environment
from harness.case import ProcessTest, main

PROCESSES = 10


class MigrateTest(ProcessTest):
    def migrate(self, *words):
        return self.campus().command("migrate", *words, check=False)

    def steps(self):
        return [(row["module"], row["number"]) for row in
                self.database.rows("select module, number from loadstone_migrations order by module, number")]

    def test_ten_at_once_apply_each_step_once(self):
        flags = self.campus().database_flags
        started = [subprocess.Popen([PROGRAM, "migrate", *flags], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, text=True, env=environment(), cwd=self.folder)
                   for _ in range(PROCESSES)]
        printed = []
        for process in started:
            out, errors = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 0, errors)
            printed += [line for line in out.splitlines() if line.startswith("applied ")]
        self.assertEqual(len(printed), len(set(printed)), "a step was applied twice")
        self.assertEqual(len(printed), len(self.steps()))
        self.assertGreaterEqual({module for module, _ in self.steps()}, {"accounts", "audit", "notifications"})
        self.assertIn("up to date", self.migrate().stdout)

    def test_a_plan_changes_nothing(self):
        planned = self.migrate("--plan")
        self.assertEqual(planned.returncode, 0, planned.stderr)
        self.assertIn("would apply accounts 0001", planned.stdout)
        self.assertIn("create table users", planned.stdout)
        if hasattr(self.database, "path"):
            tables = self.database.rows("select name from sqlite_master")
        else:
            tables = self.database.rows("select tablename from pg_tables where schemaname = 'public'")
        self.assertEqual(tables, [])

    def refused(self, *words):
        """Neither migrate nor serve does anything; gives what they say."""
        campus = self.campus()
        migrated = campus.command("migrate", check=False)
        served = campus.command("serve", "--listen", "127.0.0.1:0", check=False, timeout_s=20)
        for done in (migrated, served):
            self.assertNotEqual(done.returncode, 0)
            for word in words:
                self.assertIn(word, done.stderr)
        self.say(migrated.stderr.strip())

    def test_a_newer_schema_is_refused(self):
        self.assertEqual(self.migrate().returncode, 0)
        self.database.execute("insert into loadstone_migrations (module, number, title, checksum, applied_at) "
                              "select module, 99, 'from_the_future', checksum, applied_at from loadstone_migrations "
                              "where module = 'accounts' and number = 1")
        self.refused("accounts", "99")

    def test_a_step_whose_text_has_changed_is_refused(self):
        self.assertEqual(self.migrate().returncode, 0)
        self.database.execute("update loadstone_migrations set checksum = 'other' where module = 'audit' and number = 1")
        self.refused("audit", "1")


if __name__ == "__main__":
    main()
