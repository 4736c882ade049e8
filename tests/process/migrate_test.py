"""Migrations: ten processes at once, one of them dead in the middle, a plan, and a schema that is newer than the program."""

import contextlib
import pathlib
import signal
import sqlite3
import subprocess

from harness.campus import PROGRAM, environment
from harness.case import DATABASE, ProcessTest, main
from harness.waiting import wait_until

PROCESSES = 10
START_MAX_S = 60  # of ten, on a machine with two cores
TRIES = 10

# Who makes tables on this PostgreSQL stays in the middle of it while there is a row in test.hold.
HOLD = """
create schema test;
create table test.hold as select 1;
create function test.wait() returns event_trigger language plpgsql as $$
begin
    while current_query() like '%course_seats%' and exists (select from test.hold) loop
        perform pg_sleep(0.01);
    end loop;
end $$;
create event trigger hold on ddl_command_start when tag in ('CREATE TABLE') execute function test.wait();
"""


def is_stopped(pid):
    return all(task.read_text().rpartition(")")[2].split()[0] == "T" for task in pathlib.Path(f"/proc/{pid}/task").glob("*/stat"))


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

    def servers(self, first, last):
        # With a loop each all ten have room on a server of 100 connections.
        return [self.campus(f"web{number}", role="web" if number % 2 else "all", data=self.folder / "data", threads=1)
                for number in range(first, last + 1)]

    def planned(self):
        return sum(line.startswith("would apply ") for line in self.migrate("--plan").stdout.splitlines())

    def check_ready(self, servers, steps):
        for server in servers:
            server.wait_ready(START_MAX_S)
        self.assertEqual(len(self.steps()), steps)
        self.assertIn("up to date", self.migrate().stdout)
        applied = [(line["module"], line["step"]) for server in servers for line in server.log_lines()
                   if line.get("event") == "migrated"]
        self.assertEqual(len(applied), len(set(applied)), "a step was applied twice")
        return applied

    @staticmethod
    def kill(servers):
        """What they would do at a stop is tested elsewhere, and takes its time."""
        for server in servers:
            server.check_alive()
            server.kill()

    def test_ten_servers_at_once_on_an_empty_database(self):
        self.mail.start()
        steps = self.planned()
        servers = self.servers(1, PROCESSES)
        for server in servers:
            server.start(wait=False)
        self.assertEqual(len(self.check_ready(servers, steps)), steps)
        with servers[0].client() as one, servers[-1].client() as other:
            cookie = one.register("ada@example.org").cookie
            self.assertEqual(other.get("/api/me", cookie=cookie).json["email"], "ada@example.org")
        self.kill(servers)

    def stop_in_the_middle(self, server, steps):
        """Stopped when some steps are applied and others are not; on PostgreSQL within one."""
        if DATABASE == "postgres":
            self.database.execute(HOLD)
            server.start(wait=False)
            wait_until(lambda: self.database.rows("select pid from pg_stat_activity where query like '%course_seats%' "
                                                  "and wait_event = 'PgSleep'"), START_MAX_S, "a step under way")
            return
        for _ in range(TRIES):
            server.start(wait=False)
            with self.database.connect() as connection:
                wait_until(lambda: self.some_applied(connection), START_MAX_S, "steps to be applied")
                server.signal(signal.SIGSTOP)
                wait_until(lambda: is_stopped(server.pid), 10, "it to stop")
                if self.some_applied(connection) < steps:
                    return
            server.kill()  # it was faster than the signal
            for file in self.database.path.parent.glob("campus.db*"):
                file.unlink()
        self.fail(f"it is not stopped in the middle in {TRIES} tries")

    @staticmethod
    def some_applied(connection):
        with contextlib.suppress(sqlite3.OperationalError):  # there is no such table yet
            return connection.execute("select count(*) from loadstone_migrations").fetchone()[0]

    def test_one_that_dies_in_the_middle_holds_nobody_up(self):
        self.mail.start()
        steps = self.planned()
        dead, *others = self.servers(1, PROCESSES)
        self.stop_in_the_middle(dead, steps)
        done = len(self.steps())
        self.assertTrue(0 < done < steps, f"{done} of {steps}")
        for server in others:
            server.start(wait=False)
        dead.kill()
        if DATABASE == "postgres":
            self.database.execute("delete from test.hold")
        self.assertEqual(len(self.check_ready(others, steps)), steps - done)
        self.say(f"one died after {done} of {steps} steps, {len(others)} others went on")
        dead.start()
        self.check_ready([dead, *others], steps)
        self.kill([dead, *others])

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
