"""A row by key to JSON, requests per CPU-second of the application: SQLite against Fastify + better-sqlite3, PostgreSQL against
Fastify + pg; and PostgreSQL's requests per second against `pgbench -S -M prepared` at as many connections."""

import argparse
import re
import statistics
import subprocess
import tempfile

from measure import Postgres, app, fastify, fill, interleaved, measured, needs, ratio

ROWS = 100_000
CONNECTIONS = 64
REQUEST = """
local random = math.random
function request() return wrk.format("GET", "/rows/" .. random(1, %d)) end
""" % ROWS
LOAD = {"path": "/rows/1", "connections": CONNECTIONS, "pattern": '"name":"row%d', "request": REQUEST}


def sqlite(args):
    with tempfile.TemporaryDirectory() as folder:
        fill(folder, ROWS)
        with app(folder) as ours, fastify(f"sqlite:{folder}/campus.db", name="fastify + better-sqlite3") as node:
            print("read: GET /rows/{id}, SQLite, 100,000 rows")
            figures = interleaved([ours, node], args.rounds, args.seconds, **LOAD)
            ratio(figures, "loadstone", "fastify + better-sqlite3", "2")


def pgbench(postgres, seconds, connections):
    script = tempfile.NamedTemporaryFile("w", suffix=".sql")
    script.write(f"\\set id random(1, {ROWS})\nselect id, name, amount from bench_rows where id = :id;\n")
    script.flush()
    out = subprocess.run([str(Postgres.BIN / "pgbench"), "-n", "-M", "prepared", "-c", str(connections), "-j", "1", "-T", str(seconds), "-f", script.name, postgres.url],
                         capture_output=True, text=True, check=True).stdout
    return float(re.search(r"tps = ([0-9.]+)", out).group(1))


def postgres(args):
    with tempfile.TemporaryDirectory() as folder, Postgres() as server:
        database = ("--database", server.url)
        fill(folder, ROWS, *database)
        with app(folder, *database) as ours, fastify(server.url, name="fastify + pg") as node:
            print("read: GET /rows/{id}, PostgreSQL, 100,000 rows")
            figures = interleaved([ours, node], args.rounds, args.seconds, **LOAD)
            ratio(figures, "loadstone", "fastify + pg", "2")
        for connections in (8, CONNECTIONS):
            against_pgbench(args, folder, server, connections)


def against_pgbench(args, folder, server, connections):
    """Nothing is pinned: both have the whole machine, we share it between wrk, ourselves and PostgreSQL."""
    print(f"read: requests per second through HTTP against pgbench's transactions per second, {connections} connections each")
    with app(folder, "--database", server.url, cores=None) as ours:
        load = dict(LOAD, core=None, connections=connections)
        measured(ours, 1, **dict(load))  # warm up
        pairs = []
        for _ in range(args.rounds):
            through = measured(ours, args.seconds, **dict(load))["per_second"]
            direct = pgbench(server, args.seconds, connections)
            pairs.append(through / direct)
            print(f"  loadstone {through:,.0f}/s   pgbench {direct:,.0f}/s   {pairs[-1]:.2f}")
        print(f"  loadstone / pgbench: {statistics.median(pairs):.2f}   (goal 0.6)")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=int, default=3)
    args = options.parse_args()
    needs("wrk", "node")
    sqlite(args)
    postgres(args)


if __name__ == "__main__":
    main()
