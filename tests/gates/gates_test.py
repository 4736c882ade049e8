"""Holds the counted costs of a request and of a job to bench/baselines/costs.json: instructions (callgrind), allocations,
statements, fsyncs and bytes written. A cost may fall freely; it may rise by the tolerance. Wall time is never looked at.

    gates_test.py BENCH_APP [--update]     --update writes the baseline: commit it with the reason

The campus beside BENCH_APP is counted too: `me` and `register`. Of `register` no instructions: they are the password hash's.
"""

import json
import os
import pathlib
import sys
import tempfile

import job_costs
import replica_costs
from application import ROUTES, app, campus, instructions_in, stripped, under_callgrind

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/load"))
from measure import Postgres  # noqa: E402

BASELINE = ROOT / "bench/baselines/costs.json"
# Instructions vary by 3 % from run to run (timers that fire meanwhile), allocations by those of the connection.
TOLERANCE = {"instructions": 0.05, "allocations": 0.02, "statements": 0.0, "fsyncs": 0.0, "bytes_written": 0.02}
# Groups depend on how the machine schedules (0.015 to 0.03 seen): held to a bound, not to what one run counted.
FSYNCS_MAX = 0.05
ACTIVITIES = {"read": "GET /rows/{id}"}
REGISTRATIONS = 20
INSTRUCTIONS_AT = (200, 3_200)


def counted(program, postgres):
    """Allocations and statements of each route, and fsyncs of the write route with 64 connections."""
    costs = {}
    rows = ('module="rows"', 'query="jobs.insert_new"')
    with app(program) as server:
        for name, (method, path, body, status) in ROUTES.items():
            server.ask(method, path, body, status, 50)  # warm: caches, buffers, prepared statements
            costs[name] = server.costs(ACTIVITIES.get(name, f"{method} {path}"), 500, rows,
                                       lambda: server.ask(method, path, body, status, 500))
        bytes_written = server.bytes_written()
        server.ask(*ROUTES["write"], 500)
        costs["write"]["bytes_written"] = (server.bytes_written() - bytes_written) / 500
        fsyncs = server.metric("loadstone_store_fsyncs_total")
        server.write_pipelined(64, 50)
        costs["write"]["fsyncs"] = (server.metric("loadstone_store_fsyncs_total") - fsyncs) / (64 * 50)
    with app(program, extra=("--database", postgres)) as server:
        server.ask(*ROUTES["read"], 50)
        costs["read_postgres"] = server.costs(ACTIVITIES["read"], 500, rows, lambda: server.ask(*ROUTES["read"], 500))
    with campus(program) as server:
        modules = ('module="accounts"', 'module="audit"', 'query="jobs.insert_new"')
        for number in range(5):
            server.register(number)
        cookie = server.cookie
        costs["register"] = server.costs("POST /api/register", REGISTRATIONS, modules,
                                         lambda: [server.register(100 + number) for number in range(REGISTRATIONS)])
        me = ("GET", "/api/me", None, 200)
        server.ask(*me, 50, cookie)
        costs["me"] = server.costs("GET /api/me", 500, modules, lambda: server.ask(*me, 500, cookie))
    return costs


def instructions(program, route, *extra):
    """Per request: the difference of two runs under callgrind, so that start and stop cancel out."""
    totals = []
    with stripped(program) as bare:
        for count in INSTRUCTIONS_AT:
            with tempfile.TemporaryDirectory() as folder:
                out = pathlib.Path(folder, "callgrind.out")
                with app(bare, under_callgrind(out), extra) as server:
                    server.ask(*ROUTES[route], count)
                totals.append(instructions_in(out))
    return (totals[1] - totals[0]) / (INSTRUCTIONS_AT[1] - INSTRUCTIONS_AT[0])


def main():
    program = sys.argv[1]
    with Postgres() as postgres:
        costs = counted(program, postgres.url)
        for route in ROUTES:
            costs[route]["instructions"] = instructions(program, route)
        costs["read_postgres"]["instructions"] = instructions(program, "read", "--database", postgres.url)
        jobs = job_costs.counted(program, postgres)
    costs |= jobs | replica_costs.counted(program)
    if "--update" in sys.argv:
        kept = {route: {kind: round(value, 3 if value >= 1 else 4) for kind, value in kinds.items()} for route, kinds in costs.items()}
        kept["write"]["fsyncs"] = FSYNCS_MAX
        BASELINE.write_text(json.dumps(kept, indent=2) + "\n")
    baseline = json.loads(BASELINE.read_text())
    failures = 0
    for route, kinds in baseline.items():
        for kind, allowed in kinds.items():
            got = costs[route][kind]
            tolerance = job_costs.tolerance(route, kind) if route in jobs else TOLERANCE[kind]
            bound = allowed * (1 + tolerance)
            good = got <= bound + 1e-9
            failures += not good
            print(f"{'ok  ' if good else 'FAIL'} {route:<16} {kind:<13} {got:>12.4f} each, baseline {allowed:.4f}, at most {bound:.4f}")
    if failures:
        sys.exit(f"{failures} costs rose above {BASELINE}: find out why, or run with --update and say why in the commit")


if __name__ == "__main__":
    os.environ.pop("LD_PRELOAD", None)
    main()
