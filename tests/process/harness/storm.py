"""Scenarios that do their worst to the queue, with the application tests/process/storm."""

import contextlib
import copy
import datetime
import itertools
import json
import os
import pathlib
import random
import signal
import threading
import time

from .campus import BUILD, Campus
from .case import DATABASE, SHORT_LEASE, ProcessTest
from .history import History
from .http_client import Client, Lost
from .waiting import wait_until

# Each kind with what goes with it. Slow ones end soon enough for a lease that is not disturbed.
KINDS = [{"kind": "Transactional"}, {"kind": "External"}, {"kind": "External", "takes_ms": 150},
         {"kind": "Slow", "takes_ms": 150}, {"kind": "Failing", "failures": 1}, {"kind": "Failing", "failures": 2}]
# Of keys (keyed.py). Of throttled ones as many as hold each other up.
KEYED = [{"kind": "Limited", "takes_ms": 100}, {"kind": "Throttled", "count": 16}, {"kind": "Ordered"}, {"kind": "Ordered", "failures": 1},
         {"kind": "Unique", "takes_ms": 50}]
KEYS, TENANTS = ("a", "b", "c"), ("north", "south")
RETRY_PAUSE_S = 0.05
ORDER = {"count": 1, "together": False, "takes_ms": 0, "shielded": False, "failures": 0, "key": "", "tenant": ""}


def is_of_sandbox(line):
    return line.startswith("{") and "sandbox" in line and '"pid"' in line


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Storm(Campus):
    """One process of it. What became of it is told to `fates`, a History that all of a test share."""

    program = BUILD / "bin" / "storm"

    def __init__(self, folder, name, role, fates, **settings):
        super().__init__(folder, name, role, **settings)
        self.fates = fates
        self.exits = {}  # of each pid that has ended, when it did
        self.read_to = {}  # how far each log has been read
        self.sandboxes = set()  # pids, of those whose end is not known

    def start(self, **options):
        started = super().start(**options)
        self.exits.pop(self.pid, None)
        threading.Thread(target=self.note_exit, args=(self.pid,), daemon=True).start()
        return started

    def note_exit(self, pid):
        """Who asks whether it lives may be late."""
        try:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            return  # somebody has asked
        self.exits[pid] = time.monotonic_ns()

    def note_sandboxes(self):
        """Of those it has started, which live, and when the others have ended: its log tells."""
        steady_at_epoch = time.monotonic_ns() - time.time_ns()
        for log in self.logs:
            with open(log, encoding="utf-8", errors="replace") as file:
                file.seek(self.read_to.get(log, 0))
                lines = file.readlines()
                if lines and not lines[-1].endswith("\n"):
                    lines.pop()
                self.read_to[log] = self.read_to.get(log, 0) + sum(len(line.encode()) for line in lines)
            for line in map(json.loads, filter(is_of_sandbox, lines)):
                if line["event"].startswith("jobs that may kill their process run"):
                    self.sandboxes.add(line["pid"])
                else:
                    self.sandboxes.discard(line["pid"])
                    at = datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00"))
                    self.fates.died(line["pid"], int(at.timestamp() * 1e9) + steady_at_epoch)
        for pid in list(self.sandboxes):  # of servers that have not lived to say so
            if not is_alive(pid):
                self.sandboxes.discard(pid)
                self.fates.died(pid, time.monotonic_ns())

    def kill_sandbox(self):
        """Gives whether there was one."""
        self.note_sandboxes()
        found = list(self.sandboxes)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.fates.died(pid, time.monotonic_ns())
                self.sandboxes.discard(pid)
        return bool(found)

    def stop_still(self):
        self.fates.stood_still.add((self.pid, time.monotonic_ns()))
        self.signal(signal.SIGSTOP)

    def go_on(self):
        self.signal(signal.SIGCONT)

    def kill(self):
        """It is dead at once; waiting for its end may take as long as an fsync does."""
        self.process.kill()
        self.fates.died(self.pid, time.monotonic_ns())
        super().kill()

    def drain(self, can_record=True):
        """`can_record`: its lease and its database are there to the end."""
        pid = self.pid
        code = self.terminate()
        # One that was started a moment ago knows no drain yet, and has begun nothing.
        has_begun = bool(self.log_text())
        assert code == 0 or (code == -signal.SIGTERM and not has_begun), f"{self.name} ended with status {code}"
        died = time.monotonic_ns()
        self.fates.died(pid, died)
        if can_record:
            self.fates.drained.add((pid, died))

    def died_of(self):
        """The signal of which it died by itself, if it has; it may be started again then."""
        code = self.process.poll()
        if code is None or self.killed:
            return None
        self.killed = True
        self.fates.died(self.pid, self.exits.get(self.pid) or time.monotonic_ns())
        return -code


class Orders:
    """Clients that enqueue jobs of all kinds, a few at a time, each until it has its answer."""

    def __init__(self, port, seed, workers=3, pause_s=0.1):
        self.port, self.seed, self.pause_s = port, seed, pause_s
        self.numbers = itertools.count(1)
        self.stopping = threading.Event()
        self.counts = {}  # of each request, how many jobs it asked for
        self.made = {}  # of each that was acknowledged, their numbers
        self.sent, self.acknowledged = {}, {}  # of each, when
        self.refused = 0
        self.broken = []
        self.threads = [threading.Thread(target=self._work, args=(f"{seed}-{i}",), daemon=True) for i in range(workers)]

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def finish(self, timeout_s=60):
        self.stopping.set()
        deadline = time.monotonic() + timeout_s
        for thread in self.threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        assert not any(thread.is_alive() for thread in self.threads), f"an order has no answer after {timeout_s} s"
        assert not self.broken, self.broken[0]
        return self

    def _work(self, seed):
        choices = random.Random(seed)
        client = Client(self.port, 30)
        while not self.stopping.is_set():
            order = {"count": choices.choice((1, 2, 8)), "together": choices.random() < 0.5, "key": choices.choice(KEYS),
                     "tenant": choices.choice(TENANTS), **choices.choice(KINDS + KEYED)}
            if order["kind"] == "Ordered":
                order["key"] = seed  # of nobody else: its transactions come one after the other
            try:
                self._place(client, order)
            except AssertionError as broken:
                self.broken.append(broken)
                return
            self.stopping.wait(choices.uniform(0, 2 * self.pause_s))  # they think
        client.close()

    def _place(self, client, order):
        request = f"{self.seed}-{next(self.numbers)}"
        self.counts[request] = order["count"]
        self.sent[request] = time.monotonic_ns()
        while True:
            try:
                answer = client.post("/orders", {"request": request, **ORDER, **order}, key=request)
                assert answer.status in (201, 409, 503), answer
                if answer.status == 201:
                    self.acknowledged[request] = time.monotonic_ns()
                    self.made[request] = answer.json["numbers"]
                    return
                self.refused += 1
            except Lost:
                pass
            time.sleep(RETRY_PAUSE_S)


class StormTest(ProcessTest):
    def setUp(self):
        super().setUp()
        self.assertTrue(Storm.program.exists(), f"{Storm.program} has not been built")
        (self.folder / "history").mkdir()
        self.fates = History()
        self.orders = []
        self.placed = itertools.count(1)
        # LOADSTONE_SEED repeats the choices of a run; the machine makes its own as well.
        self.seed = int(os.environ.get("LOADSTONE_SEED") or random.randrange(1 << 32))
        self.random = random.Random(self.seed)
        self.say(f"seed {self.seed}")

    def storm(self, name, role, **settings):
        """The bystanders of a crash count as its suspects; here the test is the culprit, each time."""
        settings = {"database": self.database.url, "data": self.folder / f"data-{name}", "jobs_crashes_max": 100,
                    "threads": 2, **SHORT_LEASE, **settings}
        settings["data"].mkdir(exist_ok=True)
        storm = Storm(self.folder, name, role, self.fates, **settings)
        self.started.append(storm)
        return storm

    def load(self, web, **options):
        self.orders.append(Orders(web.port, f"{self.seed}-{len(self.orders)}", **options).start())
        return self.orders[-1]

    def order(self, web, kind, count, **options):
        """Enqueues jobs of a kind; gives their numbers."""
        with web.client() as client:
            order = {**ORDER, "request": f"order-{next(self.placed)}", "kind": kind, "count": count, **options}
            answer = client.post("/orders", order)
            self.assertEqual(answer.status, 201, answer)
            return answer.json["numbers"]

    def history(self):
        for storm in self.started:
            storm.note_sandboxes()
        history = copy.deepcopy(self.fates).read(self.folder / "history")
        history.effects = self.database.rows("select number, job, process, batch from storm_effects order by id")
        rows = self.database.rows("select request, number, kind, failures, key, job from storm_expected")
        history.expected = {row["number"]: (row["kind"], row["failures"]) for row in rows}
        history.keys = {row["number"]: row["key"] for row in rows}
        history.answered = {row["number"]: row["job"] for row in rows if row["job"] is not None}
        for orders in self.orders:
            for row in rows:
                if row["request"] in orders.sent:
                    history.sent[row["number"]] = orders.sent[row["request"]]
                if row["request"] in orders.acknowledged:
                    history.acknowledged[row["number"]] = orders.acknowledged[row["request"]]
        history.unfinished = self.tables.jobs()
        history.buried = [json.loads(row["arguments"])["number"] for row in self.tables.dead_jobs()]
        history.leases = {row["id"] for row in self.tables.processes()}
        return history

    def wait_for_runs(self, numbers, process, timeout_s=20):
        """Until runs of all of them are under way in one process."""
        def running():
            history = History().read(self.folder / "history")
            return {run.number for run in history.runs if run.pid == process.pid and run.how is None} >= set(numbers)
        wait_until(running, timeout_s, f"runs of {len(numbers)} jobs in {process.name}")

    def wait_for_end(self, timeout_s):
        """Until nothing waits or runs; gives the history."""
        def none_left():
            for storm in self.started:
                if storm.process is not None and not storm.killed:
                    storm.check_alive()
            return not self.tables.jobs()

        def all_ended():
            history = self.history()
            return all(history.end_of(run) is not None for run in history.runs)
        wait_until(none_left, timeout_s, "all jobs to end")
        # Who is told late that it has lost its lease may still be running what others have done.
        wait_until(all_ended, 20, "all runs to end")
        return self.history()

    def check(self, history, buried=()):
        self.say(history.summary())
        broken = history.broken(buried)
        self.assertEqual(broken, [], f"\n{len(broken)} of seed {self.seed}:\n" + "\n".join(broken[:20]))
        self.check_orders()
        if DATABASE == "sqlite":
            self.assertEqual(self.database.rows("pragma integrity_check")[0]["integrity_check"], "ok")

    def check_orders(self):
        """What was acknowledged is there as it was said, what was not is there whole or not at all."""
        found = {}
        for row in self.database.rows("select request, number from storm_expected order by number"):
            found.setdefault(row["request"], []).append(row["number"])
        for orders in self.orders:
            for request, count in orders.counts.items():
                numbers = found.get(request, [])
                self.assertIn(len(numbers), (0, count), f"request {request}")
                if request in orders.made:
                    self.assertEqual(numbers, orders.made[request], f"request {request}")

    def end(self):
        """SIGTERM to all: they end well, and sign off."""
        def names():
            return [row["name"] for row in self.tables.processes()]

        alive = [storm for storm in self.started if storm.process is not None and not storm.killed]
        # One that signed on and was not told so does it again. Its first row is removed by who lives, when that lease is over.
        wait_until(lambda: len(set(found := names())) == len(found), 10, "each process to have one row")
        for storm in alive:
            storm.drain()
        killed = {pid for pid, times in self.fates.deaths.items() for at in times if (pid, at) not in self.fates.drained}
        left = {int(name.rpartition(":")[2]) for name in names()} - killed
        self.assertEqual(left, set(), "they have signed off, but for those that were killed")

    def stop_between_transactions(self, storm):
        """SIGSTOP, where no other process waits for a lock that it holds."""
        def stopped():
            storm.stop_still()
            if not self.database.is_locked():
                return True
            storm.go_on()
            return False
        wait_until(stopped, 20, f"{storm.name} to stand still between two transactions")
