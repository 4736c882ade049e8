"""Dashboards of Campus on a primary with two streaming replicas. First: CPU of the primary's sessions for dashboard reads, with and
without replicas. Then: p99 of steady writes (attempts at quizzes), quiet and beside a storm of dashboards of the largest courses,
with replicas (as it is) and without, where the storm has bulkheads and connections of its own and meets the writes on the primary.

For the storm all stand for machines of their own on two cores (measure.py says how). The application has one. On the other, the writes'
client and the primary are ahead of what is there, and the replicas and the storm's client run when neither wants it.
"""

import argparse
import contextlib
import os
import pathlib
import statistics
import tempfile
import threading
import time

from measure import FIRST, NOT_FIRST, SERVER_CORE, cpu_ns, needs, put_first, put_last, wrk
from seeded import Postgres, backends, campus, lua_list, seeded, sessions_of, wait_until

STEADY = "\nfunction delay() return math.random(5, 25) end"


def have_all(primary, replicas):
    place = primary.psql("select pg_current_wal_flush_lsn()").strip()
    wait_until(lambda: all(replica.psql(f"select pg_last_wal_replay_lsn() >= '{place}'").strip() == "t" for replica in replicas), 60,
               "the replicas to have all of it")


def requests_of(primary):
    """Dashboards and lists of instructors of the largest courses, dashboards alone, and attempts of learners."""
    largest = primary.rows("""select s.course_id, c.instructor_id from course_seats as s join courses as c on c.id = s.course_id
                              where c.state = 'published' order by s.taken desc limit 20""")
    learners = primary.rows("""select e.course_id, e.user_id, (select min(id) from quizzes as q where q.course_id = e.course_id) as quiz
        from (select course_id from course_seats where taken between 20 and 300 order by course_id limit 60) as m
        cross join lateral (select course_id, user_id from enrolments where course_id = m.course_id order by user_id limit 4) as e""")
    learners = [row for row in learners if row["quiz"]]
    cookie = sessions_of(primary, {row["instructor_id"] for row in largest} | {row["user_id"] for row in learners})
    storm, reads = [], []
    for row in largest:
        own = cookie[row["instructor_id"]]
        storm.append(("GET", f"/api/dashboards/courses/{row['course_id']}", own, ""))
        reads += [storm[-1], ("GET", "/api/dashboards/instructor", own, ""), ("GET", "/api/courses", own, ""),
                  ("GET", f"/api/courses/{row['course_id']}", own, "")]
    writes = [("POST", f"/api/courses/{row['course_id']}/quizzes/{row['quiz']}/attempts", cookie[row["user_id"]], '{"points":1}')
              for row in learners]
    return reads, storm, writes


def load(server, requests, right, **options):
    lua = lua_list(requests) + f"\nfunction right(status, body) return {right} end" + options.pop("more", "")
    return wrk(f"http://127.0.0.1:{server.port}/", request=lua, **options)


def reads_cpu(servers, reads, primary, replicas, args):
    """us of CPU per request, of the primary's sessions and of the replicas."""
    figures = {name: [] for name in servers}
    right = "status == 200 and (string.find(body, '\"title\":') ~= nil or string.find(body, '\"courses\":') ~= nil)"
    for number in range(-1, args.rounds):
        for name, server in servers.items():
            of_replicas = [pid for replica in replicas for pid in backends(replica)]
            sessions = backends(primary)
            before, before_replicas = cpu_ns(*sessions), cpu_ns(*of_replicas)
            result = load(server, reads, right, connections=4, seconds=args.seconds, core=None)
            on_primary, on_replicas = cpu_ns(*sessions) - before, cpu_ns(*of_replicas) - before_replicas
            if number >= 0:  # the first warms up
                figures[name].append((on_primary / 1e3 / result["requests"], on_replicas / 1e3 / result["requests"]))
    for name, rounds in figures.items():
        print(f"  reads   {name:<17} CPU per request: primary {statistics.median(one[0] for one in rounds):8.1f} us, "
              f"replicas {statistics.median(one[1] for one in rounds):8.1f} us")
    less = [1 - a[0] / b[0] for a, b in zip(figures["with replicas"], figures["without replicas"])]
    value = statistics.median(less)
    print(f"  reads   the primary's sessions work {value * 100:.1f} % less (rounds {min(less) * 100:.1f} to {max(less) * 100:.1f}; goal 90: "
          f"{'met' if value >= 0.9 else 'missed'})", flush=True)


def storm_beside(server, storm, writes, args):
    """p99 of writes quiet and beside the storm, ms, and dashboards per second."""
    steady = {"connections": 4, "seconds": args.storm_seconds, "right": "status == 201 and string.find(body, '\"attempts\":%d') ~= nil",
              "more": STEADY, "prefix": FIRST}
    quiet = load(server, writes, **steady)
    stormed = {}
    heavy = {"connections": 32, "seconds": args.storm_seconds + 2, "prefix": NOT_FIRST,
             "right": "status == 503 or (status == 200 and string.find(body, '\"at_risk\":') ~= nil)"}
    thread = threading.Thread(target=lambda: stormed.update(load(server, storm, **heavy)))
    thread.start()
    time.sleep(1)  # until it has filled its bulkhead
    beside = load(server, writes, **steady)
    thread.join()
    if not stormed:
        raise SystemExit("the storm has failed")
    return quiet["p99_us"] / 1e3, beside["p99_us"] / 1e3, stormed["requests"] / (stormed["us"] / 1e6), beside["requests"] / (beside["us"] / 1e6)


def storms(servers, storm, writes, args):
    figures = {name: [] for name in servers}
    for _ in range(args.storms):
        for name, server in servers.items():
            figures[name].append(storm_beside(server, storm, writes, args))
            quiet, beside, dashboards, rate = figures[name][-1]
            print(f"  storm   {name:<17} {rate:.0f} writes/s: p99 quiet {quiet:6.2f} ms, beside {dashboards:.0f} dashboards/s {beside:6.2f} ms   "
                  f"{beside / quiet:.2f}", flush=True)
    for name, rounds in figures.items():
        value = statistics.median(beside / quiet for quiet, beside, _, _ in rounds)
        goal = f" (goal at most 1.3: {'met' if value <= 1.3 else 'missed'})" if name == "with replicas" else ""
        print(f"  storm   {name:<17} p99 of writes beside the storm / quiet: {value:.2f}{goal}")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--users", type=int, default=30_000)
    options.add_argument("--rounds", type=int, default=7, help="of reads")
    options.add_argument("--seconds", type=int, default=4, help="of a round of reads")
    options.add_argument("--storms", type=int, default=5)
    options.add_argument("--storm-seconds", type=int, default=10)
    options.add_argument("--quick", action="store_true", help="10,000 users, a minute")
    args = options.parse_args()
    if args.quick:
        args.users, args.rounds, args.seconds, args.storms, args.storm_seconds = 10_000, 2, 2, 2, 4
    needs("wrk")
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)  # PostgreSQL is another user
        primary = stack.enter_context(seeded(args.users))
        reads, storm, writes = requests_of(primary)
        replicas = []
        for number in (1, 2):
            replicas.append(Postgres(folder / f"replica{number}", replica_of=primary))
            stack.callback(replicas[-1].stop)
        have_all(primary, replicas)
        urls = {"with replicas": [replica.url for replica in replicas], "without replicas": []}
        servers = {}
        for name, replica in urls.items():
            servers[name] = campus(folder, primary, name.split()[0], replica=replica, postgres_sample_plans="off").start()
            stack.callback(servers[name].stop)
        print(f"dashboards: {args.users:,} users, a primary and two replicas", flush=True)
        reads_cpu(servers, reads, primary, replicas, args)
        put_first(primary.process.pid)
        for replica in replicas:
            put_last(replica.process.pid)
        for server in servers.values():
            for thread in pathlib.Path(f"/proc/{server.pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), {int(SERVER_CORE)})
        storms(servers, storm, writes, args)
    print(f"  {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
