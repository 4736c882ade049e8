"""Processes die, end, stand still and lose their database at random: nothing is lost, nothing doubled that must not be."""

import json
import time

from harness.case import DATABASE, FULL, main
from harness.storm import StormTest

KILLS = 500 if FULL else 15
BLOWS = 150 if FULL else 12
WORKERS = 3
CRASHES_MAX = 3  # as where nothing is set


class JobsStormTest(StormTest):
    def put_back_what_was_blamed(self, storm):
        """A job that is hit by a third death, in a sandbox, is a dead letter as poison is: an operator puts it back."""
        while True:
            history = self.wait_for_end(120)
            dead = self.tables.dead_jobs()
            if not dead:
                return history
            self.say(f"{len(dead)} dead letters, after {CRASHES_MAX} deaths each")
            for job in dead:
                self.assertEqual(job["last_error"], f"its process died {CRASHES_MAX} times while it ran")
                # One of its deaths may have come between a claim and the beginning of the run.
                cut = [run for run in history.by_number()[json.loads(job["arguments"])["number"]] if run.how is None]
                if len(cut) == CRASHES_MAX:
                    self.assertEqual(history.beside(cut[-1]), [], f"{cut[-1]} was to be alone")
            self.fates.redriven.update(history.buried)
            storm.command("jobs", "redrive", "--error", "its process died")

    def test_nothing_is_lost_when_processes_die(self):
        web = self.storm("web", "web").start()
        workers = [self.storm(f"work{i}", "work", jobs_crashes_max=CRASHES_MAX).start() for i in range(WORKERS)]
        orders = self.load(web)
        kills = sandboxes = 0
        while kills < KILLS:
            time.sleep(self.random.uniform(0.1, 1.2))  # the experiment, not a wait
            storm = self.random.choice([web, *workers, *workers])
            storm.check_alive()
            if self.random.random() < 0.2:
                storm.drain()
            else:
                # Its sandbox ends by itself then; or it dies too.
                if self.random.random() < 0.5:
                    sandboxes += storm.kill_sandbox()
                storm.kill()
                kills += 1
            storm.start(wait=False)
        self.say(f"{sandboxes} sandboxes were killed")
        for storm in (web, *workers):
            storm.wait_ready()
        orders.finish()
        history = self.put_back_what_was_blamed(web)
        self.check(history)
        self.assertGreater(len(history.expected), 10 * KILLS, "they were killed at work")
        self.end()

    # All sorts at once, each blow while what the last one did is not over.

    def kill(self, storm):
        storm.go_on()
        storm.kill()
        storm.start(wait=False)

    def drain(self, storm):
        storm.go_on()
        storm.drain(can_record=False)
        storm.start(wait=False)

    def stop(self, storm):
        storm.stop_still()

    def go_on(self, storm):
        storm.go_on()

    def let_start(self):
        """Who cannot look at its schema when it starts ends, and says so: a supervisor's task."""
        for storm in self.workers:
            if not self.fates.has_stood_still(storm.pid, time.monotonic_ns()):
                storm.wait_ready()

    def cut_connections(self, _):
        self.let_start()
        self.database.end_sessions()

    def restart_database(self, _):
        self.let_start()
        self.database.restart("immediate")

    def test_nothing_is_lost_when_all_happens_at_once(self):
        web = self.storm("web", "web").start()
        self.workers = workers = [self.storm(f"work{i}", "work").start() for i in range(WORKERS)]
        orders = self.load(web)
        blows = [self.kill, self.kill, self.drain, self.stop, self.stop, self.go_on]
        if DATABASE == "postgres":
            blows += [self.cut_connections, self.cut_connections, self.restart_database]
        # Who stands still records nothing; on SQLite, when it stands in a transaction, neither does anybody else.
        self.fates.recording_max_ns = 600_000_000_000
        for _ in range(BLOWS):
            time.sleep(self.random.uniform(0.1, 1.2))
            blow = self.random.choice(blows)
            blow(self.random.choice(workers))
        for storm in workers:
            storm.go_on()
            storm.wait_ready()
        orders.finish()
        self.check(self.wait_for_end(120))
        self.end()


if __name__ == "__main__":
    main()
