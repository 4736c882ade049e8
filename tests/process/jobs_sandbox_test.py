"""Jobs that may have killed their process twice run in a sandbox, which comes and goes with its server."""

import datetime
import signal
import socket

from harness.case import main
from harness.storm import StormTest, is_alive
from harness.waiting import wait_until


def ask(server, what):
    """Of its admin socket."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(server.settings["data"] / "run" / f"{server.pid}.sock"))
        client.sendall(f"{what}\n".encode())
        return client.makefile().read()


def parse_time(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


class JobsSandboxTest(StormTest):
    def setUp(self):
        super().setUp()
        self.web = self.storm("web", "web").start()
        self.work = self.worker("work")

    def worker(self, name, drain_ms=1000):
        return self.storm(name, "work", jobs_crashes_max=3, drain_ms=drain_ms, jobs_heartbeat_every_ms=300, jobs_dead_after_ms=1500)

    def suspects(self, count, takes_ms):
        numbers = self.order(self.web, "Slow", count, takes_ms=takes_ms)
        self.database.execute("update loadstone_ready set crashes = 2, partition_key = '|loadstone.suspect:storm'")
        return numbers

    def run_in_sandbox(self, number, worker):
        """Waits until it runs there; gives the pid."""
        def run():
            runs = [run for run in self.history().by_number()[number] if run.ended is None and run.pid in worker.sandboxes]
            return runs[0].pid if runs else None
        return wait_until(run, 20, "the suspect to run in a sandbox")

    def runs_of(self, number):
        return self.history().by_number()[number]

    def test_others_go_on_beside_it(self):
        number, = self.suspects(1, takes_ms=20_000)
        self.work.start()
        sandbox = self.run_in_sandbox(number, self.work)
        others = self.order(self.web, "Slow", 40, takes_ms=20)

        def done():
            """The last run of each, when all have ended."""
            runs = self.history().by_number()
            last = {each: runs[each][-1] for each in [number, *others] if runs[each]}
            return last if all(each in last and last[each].ended for each in others) else None
        last = wait_until(done, 15, "the others to be done")
        self.assertIsNone(last[number].ended)
        self.assertEqual({last[each].pid for each in others}, {self.work.pid})
        self.work.drain()
        self.assertFalse(is_alive(sandbox), "it ends with its server")
        self.assertEqual([job["crashes"] for job in self.tables.jobs()], [2], "an end is no crash")
        self.assertEqual(self.database.rows("select id from loadstone_batches"), [], "it has been handed back")

    def test_a_stop_lets_it_end(self):
        number, = self.suspects(1, takes_ms=1_500)
        work = self.worker("patient", drain_ms=20_000).start()
        sandbox = self.run_in_sandbox(number, work)
        work.drain()
        self.assertFalse(is_alive(sandbox))
        self.assertEqual(self.runs_of(number)[-1].how, "done")
        self.check(self.wait_for_end(5))

    def test_one_that_was_cut_by_a_stop_runs_again(self):
        number, = self.suspects(1, takes_ms=3_000)
        self.work.start()
        self.run_in_sandbox(number, self.work)
        self.work.drain()
        self.worker("second").start()
        history = self.wait_for_end(30)
        self.assertEqual([run.how for run in history.by_number()[number]], ["cancelled", "done"])
        self.check(history)

    def test_those_of_unknown_kinds_start_ever_fewer(self):
        self.suspects(1, takes_ms=0)
        self.database.execute("update loadstone_ready set kind = 'storm.Ghost'")
        self.work.start()

        def ended():
            return [line for line in self.work.log_lines() if line["event"] == "the sandbox has ended"]
        wait_until(lambda: len(ended()) == 2, 40, "two sandboxes to have run nothing")
        starts = [line["time"] for line in self.work.log_lines() if line["event"].startswith("jobs that may kill their process run")]
        first, second = map(parse_time, starts[:2])
        self.assertGreater(second - parse_time(ended()[0]["time"]), datetime.timedelta(seconds=0.9))
        self.assertGreater(parse_time(ended()[0]["time"]) - first, datetime.timedelta(seconds=4), "it has waited for some")
        self.assertIn("loadstone_jobs_sandbox_deaths_total 0\n", ask(self.work, "metrics"))

    def test_it_runs_one_after_the_other_and_ends(self):
        numbers = self.suspects(5, takes_ms=50)
        self.work.start()
        history = self.wait_for_end(30)
        runs = [history.by_number()[number] for number in numbers]
        self.assertEqual([len(each) for each in runs], [1] * 5)
        pids = {each[0].pid for each in runs}
        self.assertEqual(len(pids), 1)
        self.assertNotIn(self.work.pid, pids)
        for each in runs:
            self.assertEqual(history.beside(each[0]), [])
        wait_until(lambda: not is_alive(next(iter(pids))), 20, "the sandbox to end when nothing is left for it")
        self.check(self.history())
        # And again.
        number, = self.suspects(1, takes_ms=50)
        self.wait_for_end(20)
        self.assertNotIn(self.runs_of(number)[0].pid, pids)

    def test_a_killed_server_takes_it_along_and_nobody_is_blamed(self):
        number, = self.suspects(1, takes_ms=3_000)
        self.work.start()
        sandbox = self.run_in_sandbox(number, self.work)
        self.work.kill()
        wait_until(lambda: not is_alive(sandbox), 30, "the sandbox to notice")
        second = self.worker("second").start()
        self.assertEqual([job["crashes"] for job in self.tables.jobs()], [2] * len(self.tables.jobs()))
        self.check(self.wait_for_end(30))
        second.check_alive()

    def test_one_that_is_killed_has_its_job_buried_and_the_server_goes_on(self):
        number, = self.suspects(1, takes_ms=20_000)
        self.work.start()
        self.run_in_sandbox(number, self.work)
        self.assertTrue(self.work.kill_sandbox())
        wait_until(lambda: self.tables.dead_jobs(), 20, "it to be buried")
        dead, = self.tables.dead_jobs()
        self.assertEqual(dead["last_error"], "its process died 3 times while it ran")
        self.work.check_alive()
        ends = [line for line in self.work.log_lines() if line["event"].startswith("the sandbox was ended by a signal")]
        self.assertEqual([line["signal"] for line in ends], [signal.SIGKILL])
        self.assertIn("loadstone_jobs_sandbox_deaths_total 1\n", ask(self.work, "metrics"))
        self.check(self.history(), buried=[number])


if __name__ == "__main__":
    main()
