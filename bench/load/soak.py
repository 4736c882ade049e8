"""A queue under a steady load for half an hour, while another session holds an old snapshot for the middle third.

An open loop enqueues so many jobs a second, whatever becomes of them. A job's effect is a row of the application's; all are counted
at the end: exit 1 if one is missing or there twice. What is measured, and how: bench/README.md.
"""

import argparse
import contextlib
import datetime
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from job_queues import Psql, output, until
from jobs import old_snapshot
from measure import APP, Postgres, app, needs

SECONDS_MIN = 30
DRAIN_SECONDS = 300  # for what waits when the load ends
CLAIMS_SECONDS = 30  # of each phase, in which claims are timed: PostgreSQL writes a line for each statement then
RATIO_P99_MAX, RATIO_RATE_MIN = 1.5, 0.95
LINE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+) UTC \[\d+\] \w+:  duration: ([\d.]+) ms  (\w+) ")
SIZES = """
select c.relname, pg_relation_size(c.oid) / 1024, pg_indexes_size(c.oid) / 1024, coalesce(s.n_dead_tup, 0)
from pg_class as c left join pg_stat_user_tables as s on s.relid = c.oid
where c.relkind = 'r' and c.relname like 'loadstone\\_%' and pg_relation_size(c.oid) + pg_indexes_size(c.oid) > 256 * 1024
order by 2 desc"""


class Phase:
    """A part of the run: when it was, on the wall clock, and what was seen in it and at its end."""

    def __init__(self, name):
        self.name, self.began, self.ended = name, time.time(), 0.0
        self.jobs = self.waiting = 0
        self.sizes, self.starts_ms, self.claims_ms, self.plans_ms = [], [], [], []

    def has(self, at):
        return self.began <= at < self.ended

    def per_second(self):
        return self.jobs / (self.ended - self.began)


def watched(name, seconds, postgres, producer):
    """Lets a phase pass."""
    phase, timed = Phase(name), min(CLAIMS_SECONDS, seconds)
    wait(seconds - timed, producer)
    time_statements(postgres, True)
    wait(phase.began + seconds - time.time(), producer)
    phase.ended = time.time()
    time_statements(postgres, False)
    phase.waiting, phase.sizes = postgres.count("loadstone_ready"), postgres.sql(SIZES)
    print(f"  {name}: {phase.ended - phase.began:.0f} s, {phase.waiting:,} jobs wait at its end", flush=True)
    return phase


def wait(seconds, producer):
    """The experiment's own time; a producer that has failed ends it."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, 1))
        if producer.poll() not in (None, 0):
            sys.exit(f"the producer has failed: {producer.communicate()[1]}")


def prepare(postgres):
    """The database's settings but for these, which only say what is timed and how its log is read."""
    for text in ("alter system set log_timezone = 'UTC'", "alter system set log_parameter_max_length = 0", "select pg_reload_conf()"):
        postgres.sql(text)


def time_statements(postgres, are_timed):
    """Also of connections that are there already: a line in PostgreSQL's log for each."""
    postgres.sql(f"alter system set log_min_duration_statement = {0 if are_timed else -1}")
    postgres.sql("select pg_reload_conf()")


def add_claims(log, phases):
    """Claims out of PostgreSQL's log: from planning (bind) and execution, each by itself."""
    text, at, ms, what = "", None, 0.0, ""

    def add():
        if at is None or "loadstone_ready" not in text or "skip locked" not in text or what not in ("bind", "execute"):
            return
        for phase in phases:
            if phase.has(at):
                (phase.claims_ms if what == "execute" else phase.plans_ms).append(ms)

    with open(log, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            found = LINE.match(line)
            if found:
                add()
                zone = datetime.timezone.utc
                at = datetime.datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=zone).timestamp()
                ms, what, text = float(found[2]), found[3], line
            elif line.startswith("\t"):
                text += line
            else:
                add()
                at = None
        add()


def add_starts(postgres, committed_us, phases):
    """What has begun in each phase, and how long after its commit. Gives how many jobs are missing, and how many effects too many."""
    first, doubled = {}, 0
    for id_text, started in postgres.sql("select id, started_us from bench_starts"):
        number, started_us = int(id_text), int(started)
        doubled += number in first
        first[number] = min(started_us, first.get(number, started_us))
    for number, started_us in first.items():
        for phase in phases:
            phase.jobs += phase.has(started_us / 1e6)
            if phase.has(committed_us[number] / 1e6):
                phase.starts_ms.append((started_us - committed_us[number]) / 1e3)
    return len(committed_us) - len(first), doubled


def percentile(values, percent):
    """In the unit of the values; 0 of none."""
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)] if values else 0.0


def show(phases):
    if not all(phase.claims_ms and phase.starts_ms for phase in phases):
        sys.exit("a phase has no claim in PostgreSQL's log, or no job: nothing can be compared")
    print(f"{'':<9}{'jobs/s':>8}{'waiting':>9}   {'start ms, p50, p99':>20}   {'claim ms, p50, p99':>20}{'of':>8}   {'its plan ms, p50, p99':>22}")
    for phase in phases:
        figures = [percentile(values, percent) for values in (phase.starts_ms, phase.claims_ms, phase.plans_ms) for percent in (50, 99)]
        print(f"{phase.name:<9}{phase.per_second():>8,.0f}{phase.waiting:>9,}   {figures[0]:>10.2f}{figures[1]:>10.2f}   {figures[2]:>10.3f}"
              f"{figures[3]:>10.3f}{len(phase.claims_ms):>8,}   {figures[4]:>11.3f}{figures[5]:>11.3f}")
    print("tables above 256 KiB at the end of each phase: KiB, of their indexes, dead rows")
    for phase in phases:
        told = "; ".join(f"{name} {int(table):,} + {int(indexes):,}, {int(dead):,}" for name, table, indexes, dead in phase.sizes)
        print(f"{phase.name:<9}{told or 'none'}")


def compare(phases):
    before, during, after = phases
    for what, values in (("claim", "claims_ms"), ("start", "starts_ms")):
        quiet = percentile(getattr(before, values), 99)
        for phase in (during, after):
            ratio = percentile(getattr(phase, values), 99) / quiet if quiet > 0 else float("nan")
            aim = f"   goal {RATIO_P99_MAX}{'' if ratio <= RATIO_P99_MAX else ': missed'}" if phase is during else ""
            print(f"p99 of {what}, {phase.name} / before: {ratio:.2f}{aim}")
    rate = during.per_second() / before.per_second()
    print(f"jobs per second, during / before: {rate:.3f}   goal {RATIO_RATE_MIN}{'' if rate >= RATIO_RATE_MIN else ': missed'}")


def soak(options, folder, postgres):
    store = ("--data", folder, "--database", postgres.url)
    output([APP, "migrate", *store])
    prepare(postgres)
    postgres.settle()
    third, warm = options.seconds / 3, options.seconds / 30
    with contextlib.ExitStack() as ends:
        ends.enter_context(app(folder, "--database", postgres.url, cores="", role="all"))
        psql = ends.enter_context(Psql(postgres.url))
        words = [str(word) for word in (APP, "stream", *store, options.rate, options.seconds)]
        answer = ends.enter_context(tempfile.TemporaryFile("w+"))
        producer = subprocess.Popen(words, stdout=answer, stderr=subprocess.PIPE, text=True)
        ends.callback(producer.kill)
        wait(warm, producer)
        phases = [watched("before", third - warm, postgres, producer)]
        with old_snapshot(postgres):
            phases.append(watched("during", third, postgres, producer))
        phases.append(watched("after", third - 1, postgres, producer))
        if producer.wait(180) != 0:
            sys.exit(f"the producer has failed: {producer.stderr.read()}")
        answer.seek(0)
        committed_us = json.loads(answer.read().splitlines()[-1])["committed_us"]
        until(lambda: psql.one("select not exists (select 1 from loadstone_ready union all select 1 from loadstone_scheduled "
                                     "union all select 1 from loadstone_batches)") == "t",
              "jobs that have run, or not, are still there", seconds=DRAIN_SECONDS, every=0.1)
    return phases, committed_us


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=1_800, help="of the load: three phases of a third each")
    parser.add_argument("--rate", type=int, default=800, help="jobs a second")
    options = parser.parse_args()
    if options.seconds < SECONDS_MIN:
        parser.error(f"--seconds must be at least {SECONDS_MIN}")
    needs("psql")
    print(f"soak: {options.rate} jobs a second for {options.seconds} s on PostgreSQL, an old snapshot in the middle third", flush=True)
    with tempfile.TemporaryDirectory() as folder, Postgres() as postgres:
        phases, committed_us = soak(options, folder, postgres)
        lost, doubled = add_starts(postgres, committed_us, phases)
        dead = postgres.count("loadstone_dead_jobs")
        add_claims(pathlib.Path(postgres.folder) / "log", phases)
    show(phases)
    compare(phases)
    print(f"of {len(committed_us):,} jobs {lost} lost, {doubled} doubled, {dead} dead letters")
    if lost or doubled:
        sys.exit(1)


if __name__ == "__main__":
    main()
