"""Job queues on the same storage, round by round: drain, enqueue, latency, an old snapshot.

Every job is counted: a queue that loses one, or runs one twice, ends the program. What is measured,
and with which settings: bench/README.md.
"""

import argparse
import contextlib
import pathlib
import statistics
import sys
import tempfile

import job_queues
from job_queues import (NODE, PEERS, BareInsert, BehindBacklog, Floor, Limited, Loadstone, Plainjob, Psql, Redis,
                        Unlimited)
from measure import Postgres, needs, ratio

IN_FLIGHT = 16
EVERY_MS = 20
SNAPSHOT_JOBS = 60_000
# Of each queue the programs it needs, and its npm module.
QUEUES = {
    "ours": (["psql"], None),
    "floor": ([job_queues.FLOOR, "psql"], None),
    "graphile": ([NODE, "psql"], "graphile-worker"),
    "pg-boss": ([NODE, "psql"], "pg-boss"),
    "bullmq": ([NODE, "redis-server", "redis-cli"], "bullmq"),
    "bullmq-memory": ([NODE, "redis-server", "redis-cli"], "bullmq"),
    "sidekiq": (["ruby", "sidekiq", "redis-server", "redis-cli"], None),
    "sidekiq-memory": (["ruby", "sidekiq", "redis-server", "redis-cli"], None),
    "plainjob": (["node"], "plainjob"),
}


class Bench:
    """What was asked for, the servers that it needs, and a folder for files."""

    def __init__(self, options, folder, ends):
        self.options, self.folder, self.made = options, pathlib.Path(folder), 0
        self.measured = 0
        self.postgres = self.durable = self.memory = None
        if self.wants("ours", "floor", "graphile", "pg-boss"):
            self.postgres = ends.enter_context(Postgres())
        if self.wants("bullmq", "sidekiq"):
            self.durable = ends.enter_context(Redis(durable=True))
        if self.wants("bullmq-memory", "sidekiq-memory"):
            self.memory = ends.enter_context(Redis(durable=False))

    def wants(self, *names):
        return any(name in self.options.peers for name in names)

    def fresh(self):
        self.made += 1
        folder = self.folder / str(self.made)
        folder.mkdir()
        return folder

    def servers(self, *names):
        """Those of the queues on PostgreSQL and Redis that were asked for."""
        make = {
            "ours": lambda: Loadstone(self.fresh, self.postgres),
            "floor": lambda: Floor(self.fresh, self.postgres),
            "graphile": lambda: job_queues.graphile(self.postgres),
            "pg-boss": lambda: job_queues.pg_boss(self.postgres),
            "bullmq": lambda: job_queues.bullmq(self.durable, "bullmq"),
            "bullmq-memory": lambda: job_queues.bullmq(self.memory, "bullmq-memory"),
            "sidekiq": lambda: job_queues.sidekiq(self.durable, "sidekiq"),
            "sidekiq-memory": lambda: job_queues.sidekiq(self.memory, "sidekiq-memory"),
        }
        return [make[name]() for name in names or make if self.wants(name)]

    def files(self):
        """Those on SQLite."""
        make = {
            "ours": lambda: Loadstone(self.fresh),
            "floor": lambda: Floor(self.fresh),
            "plainjob": lambda: Plainjob(self.fresh),
        }
        return [queue() for name, queue in make.items() if self.wants(name)]

    def settle(self):
        if self.postgres:
            self.postgres.settle()

    def rounds(self, queues, measure):
        """Rounds A B C, A B C, ...: what `measure` gives of each queue, by name."""
        self.measured += len(queues)
        figures = {queue.name: [] for queue in queues}
        for _ in range(self.options.rounds):
            for queue in queues:
                figures[queue.name].append(measure(queue))
        return figures


def show(figures, form, what, notes, goals):
    width = max(map(len, figures), default=0)
    for name, values in figures.items():
        low, middle, high = (form.format(value) for value in
                             (min(values), statistics.median(values), max(values)))
        print(f"  {name:<{width}}   {what}: median {middle:>8}   "
              f"({low} to {high}, {len(values)} rounds; {notes[name]})")
    for name in figures:
        if "ours" in figures and name != "ours":
            ratio(figures, "ours", name, goals.get(name, ""))


def drain_once(bench, queue, jobs):
    queue.prepare()
    queue.enqueue(jobs)
    bench.settle()
    return queue.drain(jobs)


def drain(bench):
    jobs = bench.options.jobs
    for title, queues, goal in (("PostgreSQL and Redis", bench.servers(), "0.9"),
                                ("SQLite, synchronous=FULL", bench.files(), "0.3")):
        if not queues:
            continue
        print(f"drain: {title}, {jobs:,} jobs that do nothing")
        figures = bench.rounds(queues, lambda queue: drain_once(bench, queue, jobs // queue.share))
        notes = {queue.name: queue.proof for queue in queues}
        show(figures, "{:,.0f}", "jobs per second", notes, {"floor": goal})


def enqueue(bench):
    def many(queue):
        queue.prepare()
        bench.settle()
        return queue.enqueue(bench.options.jobs)

    def one_by_one(queue):
        queue.prepare()
        bench.settle()
        return queue.each(bench.options.jobs // 5, IN_FLIGHT)

    single = bench.servers("ours", "graphile", "pg-boss")
    if bench.wants("ours"):
        single[1:1] = [BareInsert(bench.postgres, explicit) for explicit in (False, True)]
    for title, queues, measure in (
            (f"{bench.options.jobs:,} jobs, 1,000 at a time", bench.servers(), many),
            (f"{bench.options.jobs // 5:,} transactions of a job, {IN_FLIGHT} under way",
             single, one_by_one)):
        if queues:
            print(f"enqueue: {title}")
            notes = {queue.name: "all there" for queue in queues}
            show(bench.rounds(queues, measure), "{:,.0f}", "jobs per second", notes, {})


def latency(bench):
    def once(queue):
        queue.prepare()
        bench.settle()
        return queue.latency(bench.options.paced, EVERY_MS)

    queues = bench.servers("ours", "graphile", "pg-boss", "bullmq", "bullmq-memory")
    if bench.wants("ours"):
        queues.insert(1, BehindBacklog(bench.fresh, bench.postgres, bench.options.waiting))
    if not queues:
        return
    print(f"latency: from commit to the handler's start in another process, ms; "
          f"{bench.options.paced} jobs, one each {EVERY_MS} ms")
    delays = bench.rounds(queues, once)
    notes = {queue.name: queue.proof for queue in queues}
    for percent in (50, 99):
        figures = {name: [one[len(one) * percent // 100] for one in rounds]
                   for name, rounds in delays.items()}
        show(figures, "{:.2f}", f"p{percent}", notes, {})


@contextlib.contextmanager
def old_snapshot(postgres):
    """A session that sees what there is now, and goes on seeing it."""
    with Psql(postgres.url) as psql:
        psql.one("begin isolation level repeatable read; select count(*) from pg_class")
        yield


def snapshot(bench):
    def pair(queue):
        free = drain_once(bench, queue, SNAPSHOT_JOBS)
        queue.prepare()
        with old_snapshot(bench.postgres):
            queue.enqueue(SNAPSHOT_JOBS)
            bench.settle()
            return queue.drain(SNAPSHOT_JOBS), free

    queues = bench.servers("ours", "graphile", "pg-boss")
    if queues:
        print(f"snapshot: drain of {SNAPSHOT_JOBS:,} jobs, an old snapshot held and not")
    for name, pairs in bench.rounds(queues, pair).items():
        figures = {"held": [held for held, _ in pairs], "not held": [free for _, free in pairs]}
        held, free = (statistics.median(values) for values in figures.values())
        print(f"  {name}: jobs per second {held:,.0f}, not held {free:,.0f}; each job ran once")
        ratio(figures, "held", "not held", "0.95" if name == "ours" else "")


def limits(bench):
    if not bench.wants("ours"):
        return
    print(f"limits: drain of {bench.options.jobs:,} jobs of 1,000 tenants, under a throttle and 10 limited keys")
    queues = [Limited(bench.fresh, bench.postgres), Unlimited(bench.fresh, bench.postgres), *bench.servers("ours")]
    figures = bench.rounds(queues, lambda queue: drain_once(bench, queue, bench.options.jobs))
    notes = {queue.name: queue.proof for queue in queues}
    show(figures, "{:,.0f}", "jobs per second", notes, {})
    ratio(figures, "ours with limits", "ours without limits", "0.9")
    ratio(figures, "ours with limits", "ours", "")


PARTS = {"limits": limits, "drain": drain, "enqueue": enqueue, "latency": latency, "snapshot": snapshot}


def several(known):
    def parse(text):
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"'{name}' is none of {', '.join(known)}")
        return names
    return parse


def need(peers):
    needs(*sorted({str(program) for name in peers for program in QUEUES[name][0]}))
    for module in (QUEUES[name][1] for name in peers):
        if module and not (PEERS / "node_modules" / module).exists():
            sys.exit(f"the npm module {module} is missing: ./dev setup bench")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", type=several(PARTS), default=list(PARTS),
                        help=f"parts, comma between: {','.join(PARTS)}")
    parser.add_argument("--peers", type=several(QUEUES), default=list(QUEUES),
                        help=f"queues, comma between: {','.join(QUEUES)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=50_000, help="to drain and to enqueue")
    parser.add_argument("--paced", type=int, default=300, help="jobs of a round of latency")
    parser.add_argument("--waiting", type=int, default=1_000_000,
                        help="jobs that wait in another queue meanwhile")
    options = parser.parse_args()
    need(options.peers)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as ends:
        bench = Bench(options, folder, ends)
        for part in options.only:
            PARTS[part](bench)
        if bench.measured == 0:
            sys.exit("these queues have no place in these parts: bench/README.md")


if __name__ == "__main__":
    main()
