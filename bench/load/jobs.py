"""Job queues against each other on the same storage, round by round: drain, enqueue, latency, and behind an old snapshot.

Every job that is run is counted by its id: a queue that loses one, or runs one twice, ends the program. Settings and
peers: bench/README.md.
"""

import argparse
import contextlib
import pathlib
import statistics
import subprocess
import sys
import tempfile

import job_queues
from job_queues import BareInsert, BehindBacklog, Floor, Loadstone, Plainjob, Redis
from measure import Postgres, needs, ratio

PARTS = ("drain", "enqueue", "latency", "snapshot")
PEERS = ("ours", "floor", "graphile", "pg-boss", "bullmq", "bullmq-memory", "sidekiq", "sidekiq-memory", "plainjob")
IN_FLIGHT = 16
SNAPSHOT_JOBS = 60_000


class Bench:
    """What was asked for, the servers, and a folder for files."""

    def __init__(self, options, folder, ends):
        self.options, self.folder = options, pathlib.Path(folder)
        self.numbers = iter(range(1_000_000))
        self.postgres = ends.enter_context(Postgres()) if self.any("ours", "floor", "graphile", "pg-boss") else None
        self.durable = ends.enter_context(Redis(durable=True)) if self.any("bullmq", "sidekiq") else None
        self.memory = ends.enter_context(Redis(durable=False)) if self.any("bullmq-memory", "sidekiq-memory") else None

    def any(self, *names):
        return any(name in self.options.peers for name in names)

    def fresh(self):
        made = self.folder / str(next(self.numbers))
        made.mkdir()
        return made

    def chosen(self, **queues):
        """Those that were asked for, made when they are; a name's underscores stand for hyphens."""
        return [make() for name, make in queues.items() if name.replace("_", "-") in self.options.peers]

    def on_servers(self, *without):
        made = {"ours": lambda: Loadstone(self.fresh, self.postgres), "floor": lambda: Floor(self.fresh, self.postgres),
                "graphile": lambda: job_queues.graphile(self.postgres), "pg_boss": lambda: job_queues.pg_boss(self.postgres),
                "bullmq": lambda: job_queues.bullmq(self.durable, "bullmq"),
                "bullmq_memory": lambda: job_queues.bullmq(self.memory, "bullmq-memory"),
                "sidekiq": lambda: job_queues.sidekiq(self.durable, "sidekiq"),
                "sidekiq_memory": lambda: job_queues.sidekiq(self.memory, "sidekiq-memory")}
        return self.chosen(**{name: make for name, make in made.items() if name not in without})

    def settle(self):
        if self.postgres:
            self.postgres.settle()

    def rounds(self, queues, measure):
        """Rounds A B C, A B C, ...: what `measure` gives of each, by name."""
        figures = {queue.name: [] for queue in queues}
        for _ in range(self.options.rounds):
            for queue in queues:
                figures[queue.name].append(measure(queue))
        return figures


def show(figures, unit, goals=None, check=""):
    width = max(map(len, figures), default=0)
    for name, values in figures.items():
        print(f"  {name:<{width}}   {unit}: median {statistics.median(values):>10,.0f}   "
              f"({min(values):,.0f} to {max(values):,.0f}, {len(values)} rounds){check}")
    for name in figures:
        if "ours" in figures and name != "ours":
            ratio(figures, "ours", name, (goals or {}).get(name, ""))


def drain_once(bench, queue, jobs):
    queue.prepare()
    queue.enqueue(jobs // queue.share)
    bench.settle()
    return queue.drain(jobs // queue.share)


def drain(bench):
    jobs = bench.options.jobs
    for title, queues, goal in (
            ("PostgreSQL and Redis", bench.on_servers(), "0.9"),
            ("SQLite, synchronous=FULL", bench.chosen(ours=lambda: Loadstone(bench.fresh), floor=lambda: Floor(bench.fresh),
                                                      plainjob=lambda: Plainjob(bench.fresh)), "0.3")):
        if queues:
            print(f"drain: {title}, {jobs:,} jobs that do nothing")
            show(bench.rounds(queues, lambda queue: drain_once(bench, queue, jobs)), "jobs per second", {"floor": goal},
                 "; each job ran once")


def enqueue(bench):
    jobs = bench.options.jobs

    def many(queue):
        queue.prepare()
        bench.settle()
        return queue.enqueue(jobs)

    def one_by_one(queue):
        queue.prepare()
        bench.settle()
        return queue.each(jobs // 5, IN_FLIGHT)

    queues = bench.on_servers()
    if queues:
        print(f"enqueue: {jobs:,} jobs, 1,000 at a time")
        show(bench.rounds(queues, many), "jobs per second", check="; all there")
    queues = bench.on_servers("floor", "bullmq", "bullmq_memory", "sidekiq", "sidekiq_memory")
    if bench.any("ours"):
        queues[1:1] = [BareInsert(bench.postgres, explicit=False), BareInsert(bench.postgres, explicit=True)]
    if queues:
        print(f"enqueue: {jobs // 5:,} transactions of one job, {IN_FLIGHT} under way")
        show(bench.rounds(queues, one_by_one), "jobs per second", check="; all there")


def latency(bench):
    jobs, every_ms = bench.options.paced, 20

    def once(queue):
        queue.prepare()
        bench.settle()
        return queue.latency(jobs, every_ms)

    queues = bench.on_servers("floor", "sidekiq", "sidekiq_memory")
    if bench.any("ours"):
        queues.insert(1, BehindBacklog(bench.fresh, bench.postgres, bench.options.waiting))
    if not queues:
        return
    print(f"latency: from commit to the start of the handler in another process, {jobs} jobs, one each {every_ms} ms, in ms")
    all_delays = bench.rounds(queues, once)
    for percent in (50, 99):
        figures = {name: [round_[min(len(round_) - 1, len(round_) * percent // 100)] for round_ in rounds] for name, rounds in all_delays.items()}
        width = max(map(len, figures))
        for name, values in figures.items():
            print(f"  {name:<{width}}   p{percent}: median {statistics.median(values):7.2f}   "
                  f"({min(values):.2f} to {max(values):.2f}, {len(values)} rounds); each job ran once")
        for name in figures:
            if "ours" in figures and name != "ours":
                ratio(figures, "ours", name)


@contextlib.contextmanager
def old_snapshot(postgres):
    """A session that sees what there is now, and goes on seeing it."""
    psql = subprocess.Popen(["psql", "-qAt", postgres.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    psql.stdin.write("begin isolation level repeatable read;\nselect count(*) from pg_class;\n")
    psql.stdin.flush()
    psql.stdout.readline()
    try:
        yield
    finally:
        psql.stdin.close()
        psql.wait(10)
        psql.stdout.close()


def snapshot(bench):
    queues = bench.on_servers("floor", "bullmq", "bullmq_memory", "sidekiq", "sidekiq_memory")
    if queues:
        print(f"snapshot: drain of {SNAPSHOT_JOBS:,} jobs while an old snapshot is held, against without")

    def pair(queue):
        free = drain_once(bench, queue, SNAPSHOT_JOBS)
        queue.prepare()
        with old_snapshot(bench.postgres):
            queue.enqueue(SNAPSHOT_JOBS)
            bench.settle()
            return queue.drain(SNAPSHOT_JOBS), free

    for name, pairs in bench.rounds(queues, pair).items():
        print(f"  {name}: held median {statistics.median(held for held, _ in pairs):,.0f}, without {statistics.median(free for _, free in pairs):,.0f} "
              f"jobs per second; each job ran once")
        ratio({"held": [held for held, _ in pairs], "without": [free for _, free in pairs]}, "held", "without", "0.95" if name == "ours" else "")


def several(known):
    def parse(text):
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"'{name}' is none of {', '.join(known)}")
        return names
    return parse


def need_programs(peers):
    wanted = {"graphile": job_queues.NODE, "pg-boss": job_queues.NODE, "bullmq": "redis-server", "bullmq-memory": "redis-server",
              "sidekiq": "sidekiq", "sidekiq-memory": "sidekiq", "plainjob": "node", "floor": job_queues.FLOOR}
    needs(*sorted({str(program) for peer, program in wanted.items() if peer in peers}))
    for peer in peers:
        program = job_queues.PEERS / "node_modules" / {"graphile": "graphile-worker", "bullmq-memory": "bullmq"}.get(peer, peer)
        if peer in ("graphile", "pg-boss", "bullmq", "bullmq-memory", "plainjob") and not program.exists():
            sys.exit(f"{program} is missing: ./dev setup bench")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", type=several(PARTS), default=PARTS, help=f"parts, comma between: {','.join(PARTS)}")
    parser.add_argument("--peers", type=several(PEERS), default=PEERS, help=f"queues, comma between: {','.join(PEERS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=50_000, help="jobs to drain and to enqueue; 200000 for the figures in docs")
    parser.add_argument("--paced", type=int, default=300, help="jobs of one round of latency")
    parser.add_argument("--waiting", type=int, default=1_000_000, help="jobs that wait in another queue meanwhile")
    options = parser.parse_args()
    need_programs(options.peers)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as ends:
        bench = Bench(options, folder, ends)
        for part in options.only:
            {"drain": drain, "enqueue": enqueue, "latency": latency, "snapshot": snapshot}[part](bench)


if __name__ == "__main__":
    main()
