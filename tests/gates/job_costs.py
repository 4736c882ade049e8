"""What a job costs: of a drain of many that do nothing by one process with its usual settings, of an enqueue alone, and of one
among many.

Statements and allocations are those of the claims, the records and the jobs themselves, not of heartbeats, which come with time.
"""

import json
import pathlib
import subprocess
import tempfile
import time

from application import ROUTES, App, instructions_in, stripped, under_callgrind

DRAINED = 20_000
ENQUEUED = 1_000
ENQUEUED_AT_ONCE = 20_000
INSTRUCTIONS_AT = (1_000, 6_000)
ENQUEUE_INSTRUCTIONS_AT = (1_000, 41_000)  # a job's are few
ACTIVITIES = ("loadstone.claim", "loadstone.record", "rows.IndexItem")
# Seen in nine runs, three of them beside three busy processes on two cores: instructions +2.3 %, allocations +0.5 %, fsyncs +1 %,
# bytes the same. On a machine with a load of 10, smaller claims make 18 % more statements, on PostgreSQL 27 % and 23 % more fsyncs. Half the
# batch doubles the statements and PostgreSQL's fsyncs, and is 18 % more of SQLite's.
TOLERANCE = {"instructions": 0.05, "allocations": 0.05, "statements": 0.4, "fsyncs": 0.05, "bytes_written": 0.02, "wal_bytes": 0.02}
# Smaller claims are compressed less, and each has records of its own.
DRAIN_POSTGRES_TOLERANCE = TOLERANCE | {"fsyncs": 0.4, "wal_bytes": 0.1}
# PostgreSQL's own records come with time, of which a transaction after the other takes some: +4.4 % seen.
ENQUEUE_TOLERANCE = TOLERANCE | {"wal_bytes": 0.1}


class Waiting:
    """Jobs that wait in a fresh store, and the processes on it."""

    def __init__(self, program, folder, postgres, jobs, command="enqueue"):
        self.program, self.folder, self.postgres, self.jobs = program, folder, postgres, jobs
        self.database = ("--database", postgres.url) if postgres else ()
        self.run("migrate")
        if postgres:
            empty(postgres)
        if jobs:
            self.run(command, jobs)

    def run(self, *words, prefix=()):
        command = [*prefix, self.program, words[0], "--data", self.folder, *self.database, *words[1:]]
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)

    def drain(self, program=None, prefix=()):
        """A process that has run each job once. It is asked by what costs it least: it is being counted."""
        server = App(program or self.program, self.folder, prefix, self.database, role="all")
        end = time.monotonic() + 60
        while self.ran(server, 1)["all"] < self.jobs:
            if time.monotonic() > end:
                raise SystemExit(f"not all of {self.jobs} jobs have run")
            time.sleep(0.1)
        ran = self.ran(server, self.jobs)
        if ran != {"all": self.jobs, "once": self.jobs}:
            raise SystemExit(f"of {self.jobs} jobs {ran['once']} ran once, in {ran['all']} runs")
        return server

    def ran(self, server, jobs):
        return json.loads(server.ask("GET", f"/ran/{jobs}", None, 200, 1))


def recorded(server):
    """Waits until what has run is recorded as well, which is a moment later."""
    told, end = None, time.monotonic() + 60
    while told != (told := server.activity("statements", "loadstone.record")):
        if time.monotonic() > end:
            raise SystemExit("records go on")
        time.sleep(0.1)


def empty(postgres):
    """Tables without rows, and nothing that writes to the log by itself. What a page's first change after a checkpoint costs is
    in none of the figures: the jobs are enqueued after it, and counted then."""
    postgres.sql("alter system set autovacuum = off; ")
    postgres.sql("alter system set checkpoint_timeout = '1h'")
    postgres.sql("select pg_reload_conf()")
    postgres.sql("truncate loadstone_ready, loadstone_scheduled, loadstone_batches, loadstone_done, loadstone_dead_jobs")
    postgres.settle()


def written(postgres):
    """Bytes of the log and its syncs, when those who wrote have left and have told."""
    others = "from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
    end = time.monotonic() + 30
    while postgres.count(others.removeprefix("from ")) > 0:
        if time.monotonic() > end:
            raise SystemExit("sessions stay on PostgreSQL")
        time.sleep(0.02)
    (row,) = postgres.sql("select pg_current_wal_insert_lsn() - '0/0', wal_sync from pg_stat_wal")
    return {"wal_bytes": float(row[0]), "fsyncs": float(row[1])}


def tolerance(route, kind):
    of = {"enqueue_postgres": ENQUEUE_TOLERANCE, "enqueue_all_postgres": ENQUEUE_TOLERANCE, "drain_postgres": DRAIN_POSTGRES_TOLERANCE}
    return of.get(route, TOLERANCE)[kind]


def each(before, after, count):
    return {kind: (after[kind] - before[kind]) / count for kind in before}


def of_a_drain(program, postgres):
    with tempfile.TemporaryDirectory() as folder:
        waiting = Waiting(program, folder, postgres, DRAINED)
        before = written(postgres) if postgres else None
        server = waiting.drain()
        recorded(server)
        costs = {what: server.activity(what, *ACTIVITIES) / DRAINED for what in ("statements", "allocations")}
        if postgres:
            server.stop()
            return costs | each(before, written(postgres), DRAINED)
        costs["fsyncs"] = server.metric("loadstone_store_fsyncs_total") / DRAINED
        costs["bytes_written"] = server.bytes_written() / DRAINED
        server.stop()
        return costs


def of_a_limited_drain(program, postgres):
    """Of 1,000 tenants, under a throttle and limits of 10 keys, which lend: most claims ask no limit."""
    with tempfile.TemporaryDirectory() as folder:
        server = Waiting(program, folder, postgres, DRAINED, "enqueue-limited").drain()
        recorded(server)
        costs = {"statements": server.activity("statements", *ACTIVITIES[:2], "rows.IndexLimited") / DRAINED}
        server.stop()
        return costs


def instructions_of_a_drain(program, postgres):
    """The difference of two drains under callgrind, so that start and stop cancel out."""
    totals = []
    with stripped(program) as bare:
        for count in INSTRUCTIONS_AT:
            with tempfile.TemporaryDirectory() as folder:
                out = pathlib.Path(folder, "callgrind.out")
                Waiting(program, folder, postgres, count).drain(bare, under_callgrind(out)).stop()
                totals.append(instructions_in(out))
    return (totals[1] - totals[0]) / (INSTRUCTIONS_AT[1] - INSTRUCTIONS_AT[0])


def of_enqueues(program, postgres):
    """A transaction each, one after the other, and nobody is told of them but at the end."""
    with tempfile.TemporaryDirectory() as folder:
        waiting = Waiting(program, folder, postgres, 0)
        waiting.run("enqueue-each", 50, 1)  # warm: pages of the tables
        before = written(postgres)
        waiting.run("enqueue-each", ENQUEUED, 1)
        return each(before, written(postgres), ENQUEUED)


def of_many_enqueued(program, postgres):
    """1,000 in a statement, each a transaction."""
    with tempfile.TemporaryDirectory() as folder:
        waiting = Waiting(program, folder, postgres, 1_000)  # warm: pages of the tables
        before = written(postgres)
        waiting.run("enqueue", ENQUEUED_AT_ONCE)
        return {"wal_bytes": each(before, written(postgres), ENQUEUED_AT_ONCE)["wal_bytes"]}


def instructions_of_many_enqueued(program, postgres):
    """Of the application, as of a drain."""
    totals = []
    with stripped(program) as bare, tempfile.TemporaryDirectory() as folder:
        waiting = Waiting(bare, folder, postgres, 0)
        for count in ENQUEUE_INSTRUCTIONS_AT:
            out = pathlib.Path(folder, "callgrind.out")
            waiting.run("enqueue", count, prefix=under_callgrind(out))
            totals.append(instructions_in(out))
    return (totals[1] - totals[0]) / (ENQUEUE_INSTRUCTIONS_AT[1] - ENQUEUE_INSTRUCTIONS_AT[0])


def of_a_request(program, postgres):
    """A row and a job in one transaction."""
    rows = ('module="rows"', 'query="jobs.insert_new"')
    with tempfile.TemporaryDirectory() as folder:
        server = App(program, folder, extra=("--database", postgres.url))
        server.ask(*ROUTES["write"], 50)
        costs = server.costs("POST /rows", 500, rows, lambda: server.ask(*ROUTES["write"], 500))
        server.stop()
        return costs


def counted(program, postgres):
    costs = {"drain": of_a_drain(program, None), "drain_postgres": of_a_drain(program, postgres),
             "drain_limited_postgres": of_a_limited_drain(program, postgres),
             "enqueue_postgres": of_enqueues(program, postgres), "write_postgres": of_a_request(program, postgres),
             "enqueue_all_postgres": of_many_enqueued(program, postgres)}
    costs["enqueue_all_postgres"]["instructions"] = instructions_of_many_enqueued(program, postgres)
    costs["drain"]["instructions"] = instructions_of_a_drain(program, None)
    costs["drain_postgres"]["instructions"] = instructions_of_a_drain(program, postgres)
    return costs
