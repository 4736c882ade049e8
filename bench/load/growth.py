"""The routes of Campus on databases of 10,000, 100,000 and 1,000,000 users: p99, and what a request costs in the database.

Each route is asked in turn on all sizes, about courses of 150 to 300 learners, so that the answers are alike and only what lies
around them grows. p99 of a shared machine is noise; what PostgreSQL counts is not: buffers, rows that scans gave (`tup_returned`),
those of them read by sequential scans, and the CPU of its backends. A seeded database is kept for the next run (10 GiB for a
million users). Discussions and reports are not seeded, and are left out.
"""

import argparse
import contextlib
import json
import random
import statistics
import tempfile
import time
from urllib.parse import quote

from measure import cpu_ns, needs, wrk
from seeded import backends, campus, lua_list, seeded, sessions_of, wait_until

GOAL = 1.5
COUNTED = 60  # requests
FIGURES = """select sum(blks_hit + blks_read) as buffers, sum(tup_returned) as rows,
    (select sum(seq_tup_read) from pg_stat_user_tables) as seq_rows from pg_stat_database where datname = 'campus'"""
COURSES = "select course_id from course_seats where taken between 150 and 300 order by course_id limit 40"


class Route:
    def __init__(self, name, requests, right, connections=2):
        self.name, self.requests, self.right, self.connections = name, requests, right, connections


def routes_of(postgres):
    """The same for every size, with ids of its own."""
    rows = postgres.rows(f"""select e.course_id, e.user_id, c.instructor_id, left(c.title, 8) as title,
        (select min(id) from lessons as l where l.course_id = c.id) as lesson, (select min(id) from quizzes as q where q.course_id = c.id) as quiz
        from ({COURSES}) as m join courses as c on c.id = m.course_id and c.state = 'published'
        cross join lateral (select * from enrolments as e where course_id = c.id and lessons_completed > 0
            and (select count(*) from quiz_attempts as a where a.course_id = c.id and a.user_id = e.user_id) < 50  -- 100 of a quiz are the limit
            order by user_id limit 8) as e""")
    assert len(rows) >= 100, f"only {len(rows)} learners of courses of 150 to 300"
    random.Random(1).shuffle(rows)
    free = postgres.rows("""select u.id as user_id, c.id as course_id from
        (select id, row_number() over (order by id) as n from users order by id desc limit 50) as u
        join (select c.id, row_number() over (order by c.id) as n from courses as c join course_seats as s on s.course_id = c.id
              where c.state = 'published' and s.taken + 10 < c.capacity and s.taken < 300
              and not exists (select 1 from prerequisites as p where p.course_id = c.id)) as c on c.n = u.n % 20 + 1
        where not exists (select 1 from enrolments as e where e.course_id = c.id and e.user_id = u.id)""")
    assert free, "nobody can enrol anywhere"
    cookie = sessions_of(postgres, {row["user_id"] for row in rows + free} | {row["instructor_id"] for row in rows})
    learner = [(row, cookie[row["user_id"]], f"/api/courses/{row['course_id']}") for row in rows]
    teacher = [(row, cookie[row["instructor_id"]]) for row in rows]
    enrolment = [request for row in free for request in
                 [("POST", f"/api/courses/{row['course_id']}/enrolment", cookie[row["user_id"]], ""),
                  ("DELETE", f"/api/courses/{row['course_id']}/enrolment", cookie[row["user_id"]], "")]]

    def get(name, requests, pattern):
        return Route(name, [("GET", *one, "") for one in requests], f"status == 200 and string.find(body, '{pattern}')")

    return [
        get("own account", [("/api/me", own) for _, own, _ in learner], '"email":'),
        get("catalogue, first page", [("/api/courses", own) for _, own, _ in learner], '"next_after":%d'),
        get("catalogue, further on", [(f"/api/courses?after={row['course_id']}", own) for row, own, _ in learner], '"courses":'),
        get("search by title", [(f"/api/courses?limit=5&title={quote(row['title'])}", own) for row, own, _ in learner], '"title":'),
        get("course", [(path, own) for _, own, path in learner], '"title":'),
        get("seats", [(f"{path}/seats", own) for _, own, path in learner], '"taken":%d'),
        get("own enrolments", [("/api/enrolments", own) for _, own, _ in learner], '"course":'),
        get("own progress", [(f"{path}/progress", own) for _, own, path in learner], '"lessons":%['),
        get("own log", [("/api/audit", own) for _, own, _ in learner], '"action":'),
        get("instructor dashboard", [("/api/dashboards/instructor", own) for _, own in teacher], '"enrolled":'),
        get("course dashboard", [(f"/api/dashboards/courses/{row['course_id']}", own) for row, own in teacher], '"at_risk":'),
        Route("progress", [("POST", f"{path}/lessons/{row['lesson']}/progress", own, json.dumps({"position_s": 1 + number % 30}))
                           for number, (row, own, path) in enumerate(learner)], "status == 200 and string.find(body, '\"position_s\":')"),
        Route("attempt", [("POST", f"{path}/quizzes/{row['quiz']}/attempts", own, json.dumps({"points": number % 3}))
                          for number, (row, own, path) in enumerate(learner) if row["quiz"]], "status == 201"),
        Route("enrol and leave", enrolment, "status == 201 or status == 204", connections=1),
    ]


def leave_all(server, route):
    """A run ends anywhere: nobody stays."""
    if route.name == "enrol and leave":
        with server.client() as client:
            for method, path, cookie, _ in route.requests:
                if method == "DELETE":
                    client.request(method, path, cookie=cookie)


def timed(server, postgres, route, seconds):
    lua = lua_list(route.requests) + f"\nfunction right(status, body) return {route.right} end\n"
    before = cpu_ns(*backends(postgres))
    result = wrk(f"http://127.0.0.1:{server.port}/", connections=route.connections, seconds=seconds, request=lua, core=None)
    result["db_us"] = (cpu_ns(*backends(postgres)) - before) / 1e3 / result["requests"]
    leave_all(server, route)
    return result


def set_autovacuum(postgres, value):
    postgres.psql(f"alter system set autovacuum = {value}")
    postgres.psql("select pg_reload_conf()")


@contextlib.contextmanager
def without_autovacuum(postgres):
    """What the database does by itself is not counted: a table that it analyses meanwhile is thousands of rows."""
    set_autovacuum(postgres, "off")
    try:
        wait_until(lambda: not postgres.rows("select 1 from pg_stat_activity where backend_type = 'autovacuum worker'"), 600,
                   "autovacuum to have ended")
        yield
    finally:
        set_autovacuum(postgres, "on")


def asked(folder, postgres, route, count):
    """What the database has counted for a Campus that starts, asks so often and ends: its sessions have told all by then."""
    before = postgres.rows(FIGURES)[0]
    server = campus(folder, postgres, "counted", postgres_sample_plans="off").start()
    try:
        with server.client() as client:
            for number in range(count):
                method, path, cookie, body = route.requests[number % len(route.requests)]
                answer = client.request(method, path, body or None, {"Content-Type": "application/json"} if body else None, cookie=cookie)
                assert answer.status in (200, 201, 204), f"{method} {path}: {answer}"
    finally:
        server.terminate()
    after = postgres.rows(FIGURES)[0]
    return {name: after[name] - before[name] for name in before}


def counted(folder, postgres, route):
    """Per request, without the start: of twice as many less those of once as many."""
    once, twice = (asked(folder, postgres, route, count) for count in (COUNTED, 2 * COUNTED))
    return {name: max(0.0, (twice[name] - once[name]) / COUNTED) for name in once}


def compare(name, routes, servers, postgres, counts, args):
    """Prints a row for each size; gives what grows beyond the goal."""
    sizes = list(servers)
    rounds = {size: [] for size in sizes}
    for size in sizes:
        timed(servers[size], postgres[size], routes[size], 1)  # warm up
    for number in range(args.rounds):
        for size in sizes[::1 if number % 2 == 0 else -1]:
            rounds[size].append(timed(servers[size], postgres[size], routes[size], args.seconds))
    failures = []
    for size in sizes:
        median = {figure: statistics.median(one[figure] for one in rounds[size]) for figure in ("p50_us", "p99_us", "db_us")}
        grown = {"p99": statistics.median(a["p99_us"] / b["p99_us"] for a, b in zip(rounds[size], rounds[sizes[0]])),
                 "db CPU": statistics.median(a["db_us"] / b["db_us"] for a, b in zip(rounds[size], rounds[sizes[0]]))}
        for figure, value in counts[size].items():
            least = max(counts[sizes[0]][figure], 10.0)  # a page or a row more of next to none is no growth
            grown[figure] = max(value, 10.0) / least
        beyond = [f"{figure} {value:.2f}" for figure, value in grown.items() if value > GOAL]
        failures += [(name, size, beyond)] if beyond else []
        print(f"  {name:<22} {size:>9,}  p50 {median['p50_us'] / 1e3:7.2f}  p99 {median['p99_us'] / 1e3:7.2f} ms ({grown['p99']:5.2f})  "
              f"db CPU {median['db_us']:7.0f} us ({grown['db CPU']:5.2f})  buffers {counts[size]['buffers']:7.1f} ({grown['buffers']:5.2f})  "
              f"rows {counts[size]['rows']:8.1f} ({grown['rows']:5.2f})  by seq. scan {counts[size]['seq_rows']:.1f}", flush=True)
    return failures


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--users", default="10000,100000,1000000", help="sizes; the first is what others are compared with")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=int, default=2)
    options.add_argument("--only", default="", help="routes with this in their name")
    options.add_argument("--quick", action="store_true", help="10,000 and 100,000 users, a minute after they are seeded")
    args = options.parse_args()
    if args.quick:
        args.users, args.rounds, args.seconds = "10000,100000", 1, 1
    needs("wrk")
    began = time.monotonic()
    sizes = [int(size) for size in args.users.split(",")]
    print("growth: in brackets, times that of the first size (goal at most 1.5)")
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        postgres = {size: stack.enter_context(seeded(size)) for size in sizes}
        routes = {size: [route for route in routes_of(postgres[size]) if args.only in route.name] for size in sizes}
        counts = []  # before there are sessions of others, which tell what they did when they like
        with contextlib.ExitStack() as quiet:
            for size in sizes:
                quiet.enter_context(without_autovacuum(postgres[size]))
            for place, route in enumerate(routes[sizes[0]]):
                print(f"  counting: {route.name}", flush=True)
                counts.append({size: counted(folder, postgres[size], routes[size][place]) for size in sizes})
        servers = {}
        for size in sizes:
            servers[size] = campus(folder, postgres[size], f"campus{size}", postgres_sample_plans="off").start()
            stack.callback(servers[size].stop)
        failures = []
        for place, route in enumerate(routes[sizes[0]]):
            failures += compare(route.name, {size: routes[size][place] for size in sizes}, servers, postgres, counts[place], args)
        print("  beyond the goal: " + ("none" if not failures else ""))
        for name, size, beyond in failures:
            print(f"    {name:<22} {size:>9,}  {', '.join(beyond)}")
    print(f"  {time.monotonic() - began:.0f} s, seeding with it")


if __name__ == "__main__":
    main()
