"""Drains N queued jobs of a no-op kind with one process, against the floor (bench/floor) on the same storage, round by round.

Ours: every job claimed under a lease, run by a handler on a loop, recorded; the time is from the process's launch
to the end of the last job. That each ran is counted in the process's metrics.
"""

import argparse
import contextlib
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

from measure import APP, ROOT, Postgres, app, needs, ratio

FLOOR = ROOT / "build/release/bin/floor"
SETTINGS = ("--jobs-running-max", "1024", "--jobs-claim-batch-max", "512")


def drain_ours(folder, jobs, *database):
    subprocess.run([APP, "migrate", "--data", folder, *database], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([APP, "enqueue", "--data", folder, *database, str(jobs)], check=True, stdout=subprocess.DEVNULL)
    began = time.monotonic()
    with app(folder, *database, *SETTINGS, cores="", role="all") as server:
        while True:
            done = metric(server, "loadstone_jobs_total", "rows.IndexItem")
            if done >= jobs:
                break
            if time.monotonic() - began > 120:
                sys.exit(f"{done} of {jobs} jobs have run after 120 s")
            time.sleep(0.01)
        seconds = time.monotonic() - began
        left = json.loads(subprocess.run([APP, "jobs", "stats", "--json", "--data", folder, *database], check=True,
                                         capture_output=True, text=True).stdout)
        if done != jobs or any(queue["dead"] for queue in left):
            sys.exit(f"{done} jobs ran of {jobs}; left: {left}")
    return jobs / seconds


def metric(server, name, label):
    total = 0.0
    text = urllib.request.urlopen(server.url + "/metrics", timeout=5).read().decode()
    for line in text.splitlines():
        if line.startswith(name) and label in line:
            total += float(line.rsplit(" ", 1)[1])
    return total


def drain_floor(jobs, kind, where):
    subprocess.run([FLOOR, "fill", kind, where, str(jobs)], check=True)
    done, seconds = subprocess.run([FLOOR, "drain", kind, where, str(jobs)], check=True, capture_output=True,
                                   text=True).stdout.split()
    return int(done) / float(seconds)


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


def compare_snapshot(rounds, jobs, folder, postgres):
    print(f"PostgreSQL, a snapshot held open over {jobs} jobs")
    figures = {"held": [], "not held": []}
    for _ in range(rounds):
        figures["not held"].append(drain_ours(folder(), jobs, "--database", postgres.url))
        with old_snapshot(postgres):
            figures["held"].append(drain_ours(folder(), jobs, "--database", postgres.url))
    ratio(figures, "held", "not held", "0.95")


def compare(title, rounds, ours, floor, goal):
    print(title)
    figures = {"loadstone": [], "floor": []}
    for _ in range(rounds):
        figures["loadstone"].append(ours())
        figures["floor"].append(floor())
    for name, values in figures.items():
        print(f"  {name:<12} jobs per second: median {statistics.median(values):>10,.0f}   "
              f"({min(values):,.0f} to {max(values):,.0f}, {len(values)} rounds)")
    ratio(figures, "loadstone", "floor", goal)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=50_000)
    options = parser.parse_args()
    needs("taskset")
    with tempfile.TemporaryDirectory() as folder:
        numbers = iter(range(1_000_000))

        def fresh():
            made = pathlib.Path(folder, str(next(numbers)))
            made.mkdir()
            return made

        def sqlite():
            return drain_ours(fresh(), options.jobs)

        def sqlite_floor():
            return drain_floor(options.jobs, "sqlite", fresh() / "floor.db")
        compare(f"SQLite, synchronous=FULL: {options.jobs} jobs", options.rounds, sqlite, sqlite_floor, "0.3")
        with Postgres() as postgres:
            def ours():
                return drain_ours(fresh(), options.jobs, "--database", postgres.url)

            def floor():
                return drain_floor(options.jobs, "postgres", postgres.url)
            compare(f"PostgreSQL: {options.jobs} jobs", options.rounds, ours, floor, "0.9")
            compare_snapshot(options.rounds, options.jobs, fresh, postgres)


if __name__ == "__main__":
    main()
