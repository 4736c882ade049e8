"""A view of 1,000,000 rows of progress, 50 courses: kept answers against the 60-byte route of bench/http.sh, requests per CPU-second of
the application; and with 1 % of the requests writes that make a course's answer invalid, against computing each (cache.on = off),
requests per CPU-second of application and database. Meanwhile a client of its own writes to a course and reads it: how many of its
answers are stale is counted. And 10,000 views that become invalid at once, while 64 connections ask for them: what it does to the p99 of
others, and how many are computed at a time. And hits on PostgreSQL by many connections: of a session, of who carries nothing, of
answers that may be 100 ms old, and with a replica."""

import argparse
import contextlib
import http.client
import itertools
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import urllib.request

import seeded
from measure import APP, FIRST, NOT_FIRST, Postgres, app, arrivals, cpu_ns, descendants, measured, needs, position_of, put_first, wrk

COURSES, LEARNERS, LESSONS = 50, 1_000, 20
OWN = COURSES + 1  # of the client that counts
CONNECTIONS = 16
PARTS = "kept", "many", "hits"


def reads(courses, ending="", cookie=""):
    return f"""
local random = math.random
function request() return wrk.format("GET", "/courses/" .. random(1, {courses}) .. "/reach{ending}", {{Cookie = "{cookie}"}}) end
"""


# A learner is new each time: users from a place of their own in each run.
MIXED = """
local random = math.random
local user = %d
function request()
  if random(100) > 1 then return wrk.format("GET", "/courses/" .. random(1, COURSES) .. "/reach") end
  user = user + 1
  return wrk.format("POST", "/courses/" .. random(1, COURSES) .. "/reach", {["Content-Type"] = "application/json"},
                    '{"user":' .. user .. ',"lesson":1}')
end
function right(status, body) return status == 204 or (status == 200 and string.find(body, '"lessons"') ~= nil) end
""".replace("COURSES", str(COURSES))


MANY, MANY_CONNECTIONS = 10_000, 64
MANY_READS = reads(MANY)
RATE = 2_000  # requests per second of those that come at random times
# Of others, who are not to be slowed down, and of those that ask for views: at random times, or each as soon as it is answered.
KINDS = "paced", "loop"
OTHERS_IN_LOOP = 4  # connections


class Stale:
    """Writes a row and reads the sum, over and over; alone in its course, so that it knows what is owed."""

    def __init__(self, server, begun):
        self.server, self.begun = server, begun
        self.reads = self.stale = 0
        self.stopping = False
        self.thread = threading.Thread(target=self.run)

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        path = f"/courses/{OWN}/reach"
        while not self.stopping:
            self.begun += 1
            body = json.dumps({"user": self.begun, "lesson": 1})
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 204, answer.status
            for _ in range(5):
                connection.request("GET", path)
                lessons = json.loads(connection.getresponse().read())["lessons"]
                self.reads += 1
                self.stale += sum(one["begun"] for one in lessons) != self.begun

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join()


def per_cpu_second(server, database, **load):
    """Of both."""
    def cpu():
        return cpu_ns(*(pid for one in (server.pid, *database) for pid in descendants(one)))
    before = cpu()
    requests = wrk(server.url + "/", **load)["requests"]
    return requests / ((cpu() - before) / 1e9)


def median_ratio(name, pairs, goal):
    aim = f"; goal {goal}" if goal else ""
    print(f"  {name}: {statistics.median(pairs):.2f}   (rounds {min(pairs):.2f} to {max(pairs):.2f}{aim})", flush=True)


def kept(server, args, connections=CONNECTIONS, ending="", name="kept answers", carries=False):
    """`carries`: the position that an answer brings, as a browser does."""
    pairs = []
    for number in range(-1, args.rounds):
        plain = measured(server, args.seconds, path="/hello", connections=connections, pattern="Hello")["per_cpu_second"]
        view = measured(server, args.seconds, path="/hello", connections=connections, pattern='"lessons"',
                        request=reads(COURSES, ending, (position_of(f"{server.url}/courses/1/reach") or "") if carries else ""))
        if number >= 0:  # the first warms up
            pairs.append(view["per_cpu_second"] / plain)
    median_ratio(f"{name} / plain route", pairs, "0.8")


def hits(args):
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)  # PostgreSQL is another user
        primary = seeded.Postgres(folder / "primary", seeded.SETTINGS)
        stack.callback(primary.stop)
        for command in (("migrate",), ("fill-progress", str(COURSES), "20")):
            subprocess.run([APP, command[0], "--data", folder, "--database", primary.url, *command[1:]], check=True, stdout=subprocess.DEVNULL)
        replica = seeded.Postgres(folder / "replica", replica_of=primary)
        stack.callback(replica.stop)
        alone = stack.enter_context(app(folder, "--database", primary.url, name="alone"))
        routed = stack.enter_context(app(folder, "--database", primary.url, "--replica", replica.url, name="routed"))
        seeded.wait_until(lambda: routed.metric("loadstone_store_replica_usable") == 1, 20, "the replica to be known")
        for connections in args.connections:
            print(f"cache: hits on PostgreSQL, {connections} connections")
            kept(alone, args, connections, name="a session", carries=True)
            kept(alone, args, connections, name="who carries nothing")
            kept(alone, args, connections, "/within", name="within(100ms)")
            kept(routed, args, connections, name="a session, one replica", carries=True)


def written(servers, databases, args):
    pairs, users, reads, stale = [], 10_000_000, 0, 0
    begun = {name: 0 for name in servers}
    for _ in range(args.rounds):
        figures = {}
        for name, server in servers.items():
            users += 1_000_000
            with Stale(server, begun[name]) as client:
                figures[name] = per_cpu_second(server, databases.get(name, ()), connections=CONNECTIONS, seconds=args.seconds,
                                               request=MIXED % users)
            begun[name] = client.begun
            if name == "kept":
                reads, stale = reads + client.reads, stale + client.stale
        print("   ", "   ".join(f"{name} {value:,.0f}/CPU s" for name, value in figures.items()))
        pairs.append(figures["kept"] / figures["computed"])
    median_ratio("with 1 % writes, kept / computed", pairs, "20")
    print(f"  stale answers: {stale} of {reads}")


def ask_for_views(server, kind, seconds):
    if kind == "paced":
        return arrivals(server, "/courses/{}/reach", keys=MANY, connections=MANY_CONNECTIONS, rate=RATE, seconds=seconds, pattern='"lessons"', prefix=NOT_FIRST)
    return wrk(server.url + "/", connections=MANY_CONNECTIONS, seconds=seconds, pattern='"lessons"', request=MANY_READS, prefix=NOT_FIRST)


def read_rows(server, kind, seconds):
    if kind == "paced":
        return arrivals(server, "/rows/{}", keys=1000, connections=MANY_CONNECTIONS, rate=RATE, seconds=seconds, pattern='"name"', prefix=FIRST)
    return wrk(server.url + "/rows/1", connections=OTHERS_IN_LOOP, seconds=seconds, pattern='"name"', prefix=FIRST)


def others_beside(server, args, others, views):
    """Others' reads of a row by key while views are asked for. Their client and the database are as if each had a machine (measure.py says
    how): the client that asks runs when neither wants the core. Nothing is asked for meanwhile, not /metrics either: the page keeps the
    loop for half a millisecond."""
    asked = {}
    flood = threading.Thread(target=lambda: asked.update(ask_for_views(server, views, args.seconds + 1)))
    flood.start()
    read = read_rows(server, others, args.seconds)
    flood.join()
    return read, asked["requests"] / (asked["us"] / 1e6)


def invalidated(name, args, postgres=None):
    print(f"cache: {name}, {MANY:,} views that become invalid at once; others read rows beside {MANY_CONNECTIONS} connections that ask for views")
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        database = ()
        if postgres:
            primary = stack.enter_context(Postgres())
            database = ("--database", primary.url)
            put_first(int(pathlib.Path(primary.folder, "data/postmaster.pid").read_text().split()[0]))
        for command in (("migrate",), ("fill", "1000"), ("fill-progress", str(MANY), "5")):
            subprocess.run([APP, command[0], "--data", folder, *database, *command[1:]], check=True, stdout=subprocess.DEVNULL)
        server = stack.enter_context(app(folder, *database, "--cache-computations-percent", str(args.percent)))
        for others, views in itertools.product(args.others, args.views):
            title = f"others {others}, views {views}"
            pairs, kept_up = [], []
            for number in range(-1, args.rounds):
                made_valid = wrk(server.url + "/", connections=MANY_CONNECTIONS, seconds=4, pattern='"lessons"', request=MANY_READS)["requests"]
                if made_valid < 4 * MANY:
                    sys.exit(f"{made_valid} requests at random do not make {MANY} views valid")
                valid, rate = others_beside(server, args, others, views)
                urllib.request.urlopen(urllib.request.Request(server.url + "/courses", method="POST"), timeout=30).read()
                missed = server.metric("loadstone_cache_misses_total")
                invalid, _ = others_beside(server, args, others, views)
                computed = server.metric("loadstone_cache_misses_total") - missed
                at_once = server.metric("loadstone_cache_computations_limit")
                if number < 0:
                    continue
                print(f"    {title}, {rate:,.0f} views asked for per second: p50 and p99 of others while they are valid {valid['p50_us']:,} and {valid['p99_us']:,} us, "
                      f"when they have become invalid {invalid['p50_us']:,} and {invalid['p99_us']:,} us   {computed:,.0f} computed meanwhile, {at_once:.0f} at once at most by then", flush=True)
                pairs.append(invalid["p99_us"] / valid["p99_us"])
                kept_up.append(invalid["requests"] / valid["requests"])
            median_ratio(f"{title}, p99 when invalid / while valid", pairs, "1.3")
            median_ratio(f"{title}, requests of others when invalid / while valid", kept_up, "")


def measure(name, args, postgres=None):
    print(f"cache: {name}, {COURSES * LEARNERS * LESSONS:,} rows, {CONNECTIONS} connections")
    with contextlib.ExitStack() as stack:
        servers, databases = {}, {}
        for kind in ("kept", "computed"):
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            database = ()
            if postgres:
                server = stack.enter_context(Postgres())
                database = ("--database", server.url)
                databases[kind] = (int(pathlib.Path(server.folder, "data/postmaster.pid").read_text().split()[0]),)
            for command in (("migrate",), ("fill-progress", str(COURSES), str(LEARNERS))):
                subprocess.run([APP, command[0], "--data", folder, *database, *command[1:]], check=True, stdout=subprocess.DEVNULL)
            if postgres:
                server.settle()
            cache = ("--cache-on", "on" if kind == "kept" else "off")
            servers[kind] = stack.enter_context(app(folder, *database, *cache, name=kind))
        kept(servers["kept"], args)
        written(servers, databases, args)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=int, default=3)
    options.add_argument("--percent", type=int, default=25, help="cache.computations_percent; 100: recomputation makes no pauses")
    options.add_argument("--only", choices=PARTS, action="append", help="of these parts; again for another one")
    options.add_argument("--others", choices=KINDS, nargs="+", default=KINDS,
                         help="of many: reads of rows, 2,000 per second at random times, or of 4 connections in a closed loop, who fill the core")
    options.add_argument("--views", choices=KINDS, nargs="+", default=KINDS, help="likewise: those who ask for views, 64 connections")
    options.add_argument("--connections", type=int, nargs="+", default=[16, 64, 256], help="of hits on PostgreSQL")
    args = options.parse_args()
    needs("wrk")
    for part in args.only or PARTS:
        if part == "hits":
            hits(args)
            continue
        run = measure if part == "kept" else invalidated
        run("SQLite", args)
        run("PostgreSQL", args, postgres=True)


if __name__ == "__main__":
    main()
