"""What analytics is for, and what it costs: the questions of a dashboard over ten million facts against the same in SQL on PostgreSQL and
SQLite, CPU of all processes involved; facts per second through the feed, server and store on one core; and what a fact adds to the
transaction that records it, CPU of application and database."""

import argparse
import contextlib
import hashlib
import json
import os
import pathlib
import resource
import secrets
import sqlite3
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import questions
from column_store import ColumnStore
from facts import COLUMNS, SUMS, SUMS_IN_CLICKHOUSE, Facts, body
from measure import ROOT, Postgres, Server, app, cpu_ns, cpu_seconds, descendants, free_port, needs, wrk
from seeded import ClickHouse

OURS = "campus, DuckDB"
CAMPUS = ROOT / "build/release/bin/campus"
RAW = questions.InRawFacts.name
MERGED = "campus, no news"
# Facts that come before each round: what the rollups have of them is merged by whom asks first.
NEWS = 10_000


def campus_command(folder, *words):
    subprocess.run([CAMPUS, *words, "--data", folder], check=True, stdout=subprocess.DEVNULL)


def campus(folder, *arguments, cores=None):
    port = free_port()
    command = [CAMPUS, "serve", "--data", folder, "--listen", f"127.0.0.1:{port}", "--threads", "1", "--role", "web", "--rate-limits", "off",
               "--log-level", "warning", *arguments]
    return Server("campus", command, port, ready="/readyz", cores=cores)


def cpu_of(*roots):
    """Nanoseconds of threads that live."""
    return cpu_ns(*(pid for root in roots for pid in descendants(root)))


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise SystemExit(f"{what} did not come in {seconds} s")
        time.sleep(0.1)
    return found


# ---- questions ----

def make_organisation(folder, courses):
    """One whose admin asks about all its courses; gives the admin's cookie."""
    token, now = secrets.token_hex(16), int(time.time() * 1e6)
    with contextlib.closing(sqlite3.connect(folder / "campus.db")) as db, db:
        db.execute("insert into users (id, name, email, password_hash, created_at) values (1, 'Ada', 'ada@example.org', '-', ?)", (now,))
        db.execute("insert into sessions (user_id, token_hash, created_at, expires_at) values (1, ?, ?, ?)",
                   (hashlib.sha256(token.encode()).hexdigest(), now, now + 24 * 3_600_000_000))
        db.execute("insert into organisations (id, name, admin_count, created_at) values (1, 'School', 1, ?)", (now,))
        db.execute("insert into memberships (user_id, organisation_id, role, joined_at) values (1, 1, 'admin', ?)", (now,))
        db.executemany("insert into courses (id, title, title_key, description, instructor_id, capacity, state, lesson_count, quiz_count, "
                       "created_at, published_at, organisation_id) values (?, 'Course', 'course', '', 1, 100000, 'published', 20, 4, ?, ?, 1)",
                       [(course, now, now) for course in range(1, courses + 1)])
    return f"session={token}"


def store_with(folder, facts, settled):
    """Campus' folder, whose column store has the first facts; gives the cookie."""
    campus_command(folder, "migrate")
    cookie = make_organisation(folder, questions.COURSES)
    with campus(folder) as server:  # it makes the store
        wait_for(lambda: (folder / "analytics/facts.duckdb").exists(), 30, "the column store")
        wait_for(lambda: server.metric("loadstone_analytics_lag_seconds") > 0, 30, "the feed")
    with ColumnStore(folder / "analytics/facts.duckdb") as store:
        numbers = f"(select range as i from range({settled}))"
        store.rows(f"insert into learning_activity ({COLUMNS}) select make_timestamp(happened_at), * exclude (happened_at) from "
                   f"({facts.select('//').replace('from numbers', 'from ' + numbers)})")
        store.rows("update loadstone_rolled_up_to set position = ''")  # the rollups are made anew
        store.rows("checkpoint")
    return cookie


def bring(folder, facts, begin, end):
    """Facts that come meanwhile, through the feed."""
    with contextlib.closing(sqlite3.connect(folder / "campus.db", timeout=30)) as db:
        form = db.execute("select id from loadstone_fact_forms where fact = 'learning_activity'").fetchone()[0]
        with db:
            db.executemany("insert into loadstone_facts (form, body) values (?, ?)", ((form, body(row)) for row in facts.rows(begin, end)))
        wait_for(lambda: db.execute("select count(*) from loadstone_facts").fetchone()[0] == 0, 60, "the news in the column store")


def told_by_campus(server, cookie):
    """The answers, and milliseconds of CPU. Beside other work a try may not come to its end in the 10 s of a route: another is made."""
    request = urllib.request.Request(server.url + "/api/dashboards/organisation/analytics", headers={"Cookie": cookie})
    for left in reversed(range(20)):
        before = cpu_seconds(server.pid)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                told = questions.of_json(json.loads(answer.read()))
            return told, (cpu_seconds(server.pid) - before) * 1e3
        except urllib.error.HTTPError as error:
            if error.code not in (503, 504) or left == 0:
                raise SystemExit(f"{error.code}: {error.read().decode()}") from error
            time.sleep(3)  # what was begun is interrupted
    return None


def typed(server, folder, statement):
    """`campus analytics query`, its own process counted; gives rows and milliseconds."""
    def cpu():
        used = resource.getrusage(resource.RUSAGE_CHILDREN)  # of those that have ended: the command's
        return cpu_seconds(server.pid) + used.ru_utime + used.ru_stime
    before = cpu()
    command = [CAMPUS, "analytics", "query", statement, "--json", "--data", folder]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return [tuple(row) for row in told["rows"]], (cpu() - before) * 1e3


def in_turn(what, costs, answers):
    """Prints the medians, against ours, when all have answered the same."""
    ours = statistics.median(costs[OURS])
    for name, values in costs.items():
        if answers[name] != answers[OURS]:
            raise SystemExit(f"{name} answers otherwise than {OURS}:\n{answers[name]}\n{answers[OURS]}")
        median = statistics.median(values)
        aim = "" if name == OURS else f"   {median / ours:.1f} times ours" + ("" if name in (RAW, MERGED) else " (goal 20)")
        print(f"  {what}: {name:<16} {median:>8,.0f} ms of CPU{aim}", flush=True)


def show_each(name, cpu):
    print(f"    {name}: " + ", ".join(f"{question} {ms:,.0f} ms" for question, ms in cpu.items()), flush=True)


def ask_campus(folder, facts, cookie, rounds, costs, answers, kinds, kinds_answers):
    with campus(folder) as server:
        began = time.monotonic()
        wait_for(lambda: server.metric("loadstone_analytics_lag_seconds") > 0, 300, "the column store")
        print(f"    the rollups are made in {time.monotonic() - began:.1f} s, {cpu_seconds(server.pid):.1f} s of CPU with the server's start", flush=True)
        told_by_campus(server, cookie)  # the store reads its file
        raw = questions.InRawFacts(facts, lambda sql: typed(server, folder, sql))
        raw.ask()
        costs[OURS], costs[RAW], costs[MERGED], kinds[OURS] = [], [], [], []
        for left in reversed(range(rounds)):
            end = facts.count - left * NEWS
            bring(folder, facts, end - NEWS, end)
            answers[OURS], cpu = told_by_campus(server, cookie)
            costs[OURS].append(cpu)
            answers[MERGED], cpu = told_by_campus(server, cookie)
            costs[MERGED].append(cpu)
            answers[RAW], each = raw.ask()
            costs[RAW].append(sum(each.values()))
            kinds_answers[OURS], cpu = typed(server, folder, questions.KINDS.format(table="learning_activity"))
            kinds[OURS].append(cpu)
        show_each(RAW, each)
        for rollup in ("learning_progress", "learning_scores"):
            ((rows,),), _ = typed(server, folder, f"select count(*) as n from {rollup}")
            print(f"    {rollup}: {int(rows):,} rows", flush=True)


def compare_questions(args):
    facts = Facts(args.facts)
    print(f"questions: {facts.count:,} facts of {questions.COURSES:,} courses, the five of an organisation's dashboard; ours of rollups that are "
          f"declared (learning_progress, learning_scores) and of facts", flush=True)
    costs, answers, kinds, kinds_answers = {}, {}, {}, {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        cookie = store_with(folder, facts, facts.count - args.rounds * NEWS)
        ask_campus(folder, facts, cookie, args.rounds, costs, answers, kinds, kinds_answers)
    for peer in (questions.InPostgres, questions.InSqlite):
        with peer(facts) as database:
            costs[peer.name], kinds[peer.name], each = [], [], {}
            for number in range(args.rounds + 1):
                answers[peer.name], cpu = database.ask()
                kinds_answers[peer.name], kinds_cpu = database.ask_kinds()
                if number > 0:  # the first warms up
                    costs[peer.name].append(sum(cpu.values()))
                    kinds[peer.name].append(kinds_cpu)
                    each = cpu
            show_each(peer.name, each)
    in_turn("all five", costs, answers)
    in_turn("by kind ", kinds, kinds_answers)


# ---- feed ----

class Feeding:
    """A database whose facts wait for a column store: DuckDB if no ClickHouse is given."""

    def __init__(self, folder, facts, postgres=None, clickhouse=None):
        self.folder, self.facts, self.postgres, self.clickhouse = folder, facts, postgres, clickhouse
        self.arguments = ("--database", postgres.url) if postgres else ()
        if clickhouse:
            self.arguments += ("--analytics-store", clickhouse.url)
        campus_command(folder, "migrate", *self.arguments)
        with campus(folder, *self.arguments) as server:  # declares the form of its facts, and makes the store
            wait_for(lambda: self.form() and server.metric("loadstone_analytics_lag_seconds") > 0, 30, "the feed")
        self.fill(self.form())

    def form(self):
        asked = "select id from loadstone_fact_forms where fact = 'learning_activity'"
        if self.postgres:
            rows = self.postgres.sql(asked)
        else:
            with contextlib.closing(sqlite3.connect(self.folder / "campus.db")) as db:
                rows = db.execute(asked).fetchall()
        return int(rows[0][0]) if rows else 0

    def fill(self, form):
        if self.postgres is None:
            with contextlib.closing(sqlite3.connect(self.folder / "campus.db")) as db, db:
                db.executemany("insert into loadstone_facts (form, body) values (?, ?)", ((form, body(row)) for row in self.facts.rows()))
            return
        copy = subprocess.Popen(["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-c", "copy loadstone_facts (form, body) from stdin",
                                 self.postgres.url], stdin=subprocess.PIPE, text=True)
        copy.stdin.writelines(f"{form}\t\\\\x{body(row).hex()}\n" for row in self.facts.rows())
        copy.stdin.close()
        if copy.wait() != 0:
            raise SystemExit("the facts could not be copied")
        self.postgres.settle()

    def carry(self):
        """Gives facts per second and per CPU-second of server and store, from the first batch to the last."""
        with campus(self.folder, *self.arguments, cores="0") as server:
            def now():
                return server.metric("loadstone_analytics_facts_carried_total"), time.monotonic(), cpu_seconds(server.pid)
            first = wait_for(lambda: (at := now())[0] > 0 and at, 60, "the first batch")
            last = wait_for(lambda: (at := now())[0] >= self.facts.count and at, 600, "the last batch")
            wait_for(lambda: self.waiting() == 0, 60, "the facts to be deleted")
        carried = last[0] - first[0]
        return carried / (last[1] - first[1]), carried / (last[2] - first[2])

    def waiting(self):
        asked = "select count(*) from loadstone_facts"
        if self.postgres:
            return int(self.postgres.sql(asked)[0][0])
        with contextlib.closing(sqlite3.connect(self.folder / "campus.db")) as db:
            return db.execute(asked).fetchone()[0]

    def check(self, sums):
        if self.clickhouse:
            found, sums = list(map(int, self.clickhouse.run(SUMS_IN_CLICKHOUSE).split())), [total % 2**64 for total in sums]
        else:
            with ColumnStore(self.folder / "analytics/facts.duckdb") as store:
                found = [int(value) for value in store.rows(SUMS)[0]]
        if found != sums:
            raise SystemExit(f"the store has {found}, {sums} were recorded")


def measure_feed(args):
    facts = Facts(args.feed_facts)
    sums = facts.sums()
    print(f"feed: {facts.count:,} facts that wait; the server on one core, DuckDB with it, ClickHouse not", flush=True)
    for source, store, goal in (("PostgreSQL", "DuckDB", "50,000"), ("SQLite", "DuckDB", "50,000"), ("PostgreSQL", "ClickHouse", "100,000")):
        figures = []
        for _ in range(args.feed_rounds):
            with contextlib.ExitStack() as stack:
                folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
                postgres = stack.enter_context(Postgres()) if source == "PostgreSQL" else None
                clickhouse = ClickHouse(folder / "clickhouse") if store == "ClickHouse" else None
                if clickhouse:
                    stack.callback(clickhouse.stop)
                feeding = Feeding(folder / "data", facts, postgres, clickhouse)
                figures.append(feeding.carry())
                feeding.check(sums)
        second, cpu = (statistics.median(values) for values in zip(*figures))
        print(f"  {source:<10} to {store:<10} {second:>9,.0f} facts per second (goal {goal}), {cpu:>9,.0f} per CPU-second of the server"
              f"{'' if clickhouse else ' and the store'}; all there, checksum equal", flush=True)


# ---- writes ----

TOLD, UNTOLD = "/attempts/told", "/attempts"
ATTEMPT = """
local learner = 0
function request()
  learner = learner + 1
  return wrk.format("POST", "%s", {["Content-Type"] = "application/json"}, '{"course":17,"learner":' .. learner .. ',"points":7}')
end
"""


def measure_writes(args):
    os.environ["MEASURE_FACTS"] = "1"
    print("writes: a row and a job, with a fact and without, 16 connections; CPU of application and database", flush=True)
    for name in ("PostgreSQL", "SQLite"):
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp"))
            postgres = stack.enter_context(Postgres()) if name == "PostgreSQL" else None
            database = ("--database", postgres.url) if postgres else ()
            # Nothing is carried meanwhile: that is the feed's cost, measured above.
            server = stack.enter_context(app(folder, *database, "--analytics-poll-every-ms", "3600000"))
            roots = [server.pid]
            if postgres:
                roots.append(int(pathlib.Path(postgres.folder, "data/postmaster.pid").read_text().split()[0]))
            cpu, p50 = [], []
            for number in range(-1, args.write_rounds):
                figures = {}
                for path in (TOLD, UNTOLD) if number % 2 else (UNTOLD, TOLD):
                    before = cpu_of(*roots)
                    load = wrk(server.url + path, connections=16, seconds=args.seconds, pattern='"id":%d', status=201, request=ATTEMPT % path)
                    figures[path] = (cpu_of(*roots) - before) / load["requests"], load["p50_us"]
                if number >= 0:  # the first warms up
                    cpu.append(figures[TOLD][0] / figures[UNTOLD][0])
                    p50.append(figures[TOLD][1] / figures[UNTOLD][1])
            print(f"  {name:<12} CPU with / without: {statistics.median(cpu):.3f} ({min(cpu):.3f} to {max(cpu):.3f}; goal 1.1), median time "
                  f"{statistics.median(p50):.3f}; the last {figures[UNTOLD][0] / 1e3:.0f} us of CPU without", flush=True)


PARTS = {"questions": compare_questions, "feed": measure_feed, "writes": measure_writes}


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="a tenth of the facts, to see that it works: a minute and a half")
    options.add_argument("--only", default=",".join(PARTS), help="of " + ", ".join(PARTS))
    args = options.parse_args()
    args.facts, args.rounds = (1_000_000, 2) if args.quick else (10_000_000, 5)
    args.feed_facts, args.feed_rounds = (200_000, 1) if args.quick else (1_000_000, 3)
    args.seconds, args.write_rounds = (2, 3) if args.quick else (4, 9)
    needs("wrk")
    for part in args.only.split(","):
        PARTS[part](args)


if __name__ == "__main__":
    main()
