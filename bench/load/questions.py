"""The questions of a dashboard in SQL, over a table of the same facts with the indexes that a good engineer would give it: one that has
all that is asked of a learner, one for what is asked of the last days, one of scores."""

import contextlib
import datetime
import pathlib
import sqlite3
import subprocess
import tempfile
import time

from facts import COURSES, DAY
from measure import Postgres, cpu_ns

INDEXES = ("create index of_learner on facts (course, learner, kind, happened_at)",
           "create index of_days on facts (happened_at, course, learner, kind)",
           "create index of_scores on facts (course, points, points_max) where kind = 'quiz_attempted'")

# {facts}: the table; {courses}: a condition; {div}: whole numbers by whole numbers; {at}: microseconds of a time.
FUNNEL = """
select count(*) filter (where enrolled) as enrolled, count(*) filter (where began) as began, count(*) filter (where attempted) as attempted,
  count(*) filter (where completed) as completed
from (select {any}(kind = 'enrolled') as enrolled, {any}(kind in ('lesson_completed', 'quiz_attempted')) as began,
  {any}(kind = 'quiz_attempted') as attempted, {any}(kind = 'course_completed') as completed
  from {facts} where {courses} group by course, learner) as a"""
DAYS = """
select {at} {div} {day} * {day} as day, count(distinct learner) as learners, count(*) filter (where kind = 'lesson_completed') as lessons,
  count(*) filter (where kind = 'quiz_attempted') as attempts
from {facts} where {courses} and happened_at >= {since} group by 1 order by 1"""
TOP = """
select course, count(distinct learner) as learners, count(*) filter (where kind = 'lesson_completed') as lessons,
  count(*) filter (where kind = 'quiz_attempted') as attempts
from {facts} where {courses} and happened_at >= {since} and kind <> 'left' group by course order by learners desc, course limit 10"""
IDLE = """
select course, learner, last_active, lessons, count(*) over () as total from (
  select course, learner, max({at}) as last_active, count(*) filter (where kind = 'lesson_completed') as lessons
  from {facts} where {courses} group by course, learner
  having count(*) filter (where kind = 'enrolled') > count(*) filter (where kind = 'left')
    and not {any}(kind = 'course_completed') and max(happened_at) < {idle_since}) as a
order by last_active, course, learner limit 50"""
SCORES = """
select case when points * 10 {div} points_max < 9 then points * 10 {div} points_max else 9 end as band, count(*) as attempts
from {facts} where {courses} and kind = 'quiz_attempted' group by 1 order by 1"""
# What somebody types: no index was made for it.
KINDS = "select kind, count(*) as facts from {table} group by kind order by kind"
QUESTIONS = {"funnel": FUNNEL, "days": DAYS, "top courses": TOP, "at risk": IDLE, "scores": SCORES}


def micros(text):
    at = datetime.datetime.fromisoformat(text)
    return round(at.replace(microsecond=0).timestamp()) * 1_000_000 + at.microsecond


def of_json(told):
    """An answer of Campus as rows of the questions."""
    learners = told["funnel"]["learners"]
    idle = told["at_risk"]
    return {"funnel": [tuple(learners[name] for name in ("enrolled", "began", "attempted", "completed"))],
            "days": [(micros(day["day"]), day["learners"], day["lessons"], day["attempts"]) for day in told["activity"]["days"]],
            "top courses": [(one["course"], one["learners"], one["lessons"], one["attempts"]) for one in told["top_courses"]["courses"]],
            "scores": list(enumerate(told["scores"]["bands"])),
            "at risk": [(one["course"], one["learner"], micros(one["last_active"]), one["lessons_completed"], idle["total"])
                        for one in idle["learners"]]}


class Asked:
    """ask() gives the answers, and milliseconds of CPU of each question."""

    def statements(self, **words):
        words = {"day": DAY, "since": self.facts.since, "idle_since": self.facts.idle_since, "facts": "facts", "div": "/", "at": "happened_at", **words}
        return {name: sql.format(**words).strip() for name, sql in QUESTIONS.items()}

    def ask_kinds(self):
        before = self.cpu()
        rows = self.rows(KINDS.format(table="facts"))
        return [(str(kind), int(facts)) for kind, facts in rows], (self.cpu() - before) / 1e6

    def ask(self):
        answers, cpu = {}, {}
        for name, sql in self.questions.items():
            before = self.cpu()
            answers[name] = self.rows(sql)
            cpu[name] = (self.cpu() - before) / 1e6
        return answers, cpu


class InRawFacts(Asked):
    """Of Campus' column store, past its rollups: `ask` runs a statement and gives its rows and milliseconds of CPU."""

    name = "DuckDB, raw facts"

    def __init__(self, facts, ask):
        self.facts, self.ask_store = facts, ask
        ids = ",".join(map(str, range(1, COURSES + 1)))
        self.questions = self.statements(any="bool_or", courses=f"course in (select unnest(string_split('{ids}', ',')::bigint[]))",
                                         facts="learning_activity", div="//", at="epoch_us(happened_at)",
                                         since=f"make_timestamp({facts.since})", idle_since=f"make_timestamp({facts.idle_since})")

    def ask(self):
        answers, cpu = {}, {}
        for name, sql in self.questions.items():
            answers[name], cpu[name] = self.ask_store(sql)
        return answers, cpu


class InPostgres(Asked):
    """One session, without parallel workers: they cost a little more CPU, and end before it is counted."""

    name = "PostgreSQL"

    def __init__(self, facts):
        self.facts = facts
        ids = ",".join(map(str, range(1, COURSES + 1)))
        self.questions = self.statements(any="bool_or", courses=f"course = any('{{{ids}}}'::bigint[])")

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.server = stack.enter_context(Postgres())
            numbers = f"(select i from generate_series(0::bigint, {self.facts.count - 1}) as g (i)) as n"
            self.server.sql("alter system set max_wal_size = '8GB'; ")
            self.server.sql("alter system set work_mem = '64MB'")
            self.server.sql("select pg_reload_conf()")
            self.server.sql(f"create table facts as {self.facts.select('/').replace('from numbers', 'from ' + numbers)}")
            for index in INDEXES:
                self.server.sql(f"set maintenance_work_mem = '512MB'; {index}")
            self.server.settle()
            self.session = stack.enter_context(subprocess.Popen(["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", self.server.url],
                                                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            stack.callback(self.session.stdin.close)
            self.rows("set max_parallel_workers_per_gather = 0")
            self.pid = self.rows("select pg_backend_pid()")[0][0]
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def rows(self, sql):
        self.session.stdin.write(sql + ";\n\\echo .\n")
        self.session.stdin.flush()
        rows = []
        for line in self.session.stdout:
            if line == ".\n":
                return rows
            rows.append(tuple(int(field) if field.isdigit() else field for field in line.rstrip("\n").split("|")))
        raise SystemExit("PostgreSQL gave no answer")

    def cpu(self):
        return cpu_ns(self.pid)


class InSqlite(Asked):
    name = "SQLite"

    def __init__(self, facts):
        self.facts = facts
        self.questions = self.statements(any="max", courses=f"course in ({','.join(map(str, range(1, COURSES + 1)))})")

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(dir="/var/tmp")
        self.database = sqlite3.connect(pathlib.Path(self.folder.name, "facts.db"), isolation_level=None)
        for pragma in ("journal_mode = off", "synchronous = off", "cache_size = -262144"):
            self.database.execute("pragma " + pragma)
        numbers = f"(with recursive n (i) as (select 0 union all select i + 1 from n where i < {self.facts.count - 1}) select i from n) as n"
        self.database.execute(f"create table facts as {self.facts.select('/').replace('from numbers', 'from ' + numbers)}")
        for index in INDEXES:
            self.database.execute(index)
        self.database.execute("analyze")
        return self

    def __exit__(self, *_):
        self.database.close()
        self.folder.cleanup()

    def rows(self, sql):
        return self.database.execute(sql).fetchall()

    def cpu(self):
        return time.process_time_ns()
