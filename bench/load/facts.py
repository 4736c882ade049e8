"""Facts of learning, the same in each store: each follows from its number, by SQL of three dialects and here.

A learner of a course enrols, completes lessons, attempts quizzes, and some come to the end; others begin when one has stopped. Facts
are a year's, in their order, and none is within an hour of the days that a dashboard looks back to: 30 and 14 days before `now`.
"""

import time

COURSES = 1_000
FACTS_EACH = 20  # of a learner who comes to the end
HOUR = 3_600_000_000
DAY = 24 * HOUR
COLUMNS = "happened_at, course, learner, kind, lesson, quiz, points, points_max"


class Facts:
    def __init__(self, count):
        assert count % (COURSES * FACTS_EACH) == 0, count
        self.count, self.learners = count, count // (COURSES * FACTS_EACH)
        self.now = int(time.time()) * 1_000_000
        self.start, self.step = self.now - 365 * DAY, 363 * DAY // count
        self.since, self.idle_since = self.now - 30 * DAY, self.now - 14 * DAY
        # From here on they are two and four hours later: nothing falls to the look back itself, give or take an hour.
        self.gaps = tuple(limit - HOUR - self.start for limit in (self.since, self.idle_since - 2 * HOUR))

    def select(self, div):
        """Rows of COLUMNS, times in microseconds; `numbers` is a table of i from 0 on."""
        first, second = self.gaps
        return f"""
select {self.start} + past + case when past > {first} then {2 * HOUR} else 0 end + case when past > {second} then {2 * HOUR} else 0 end as happened_at,
  course, course * 100000 + cohort * {self.learners} + l as learner,
  case when o = 0 then 'enrolled' when o = 19 then 'course_completed' when o % 5 = 4 then 'quiz_attempted' else 'lesson_completed' end as kind,
  case when o not in (0, 19) and o % 5 <> 4 then course * 100 + o end as lesson,
  case when o not in (0, 19) and o % 5 = 4 then course * 100 + o end as quiz,
  case when o not in (0, 19) and o % 5 = 4 then (i * 13) % 101 end as points,
  case when o not in (0, 19) and o % 5 = 4 then 100 end as points_max
from (select i, i * {self.step} as past, course, l, turn {div} (3 + l % 18) as cohort, turn % (3 + l % 18) as o
  from (select i, 1 + i % {COURSES} as course, (i {div} {COURSES}) % {self.learners} as l,
    i {div} {COURSES * self.learners} as turn from numbers) as a) as b"""

    def rows(self, begin=0, end=None):
        """The same, here."""
        first, second = self.gaps
        for i in range(begin, self.count if end is None else end):
            course, l, turn = 1 + i % COURSES, i // COURSES % self.learners, i // (COURSES * self.learners)
            cohort, o = divmod(turn, 3 + l % 18)
            at = i * self.step
            at += self.start + 2 * HOUR * ((at > first) + (at > second))
            learner = course * 100_000 + cohort * self.learners + l
            if o in (0, 19):
                yield at, course, learner, "enrolled" if o == 0 else "course_completed", None, None, None, None
            elif o % 5 == 4:
                yield at, course, learner, "quiz_attempted", None, course * 100 + o, i * 13 % 101, 100
            else:
                yield at, course, learner, "lesson_completed", course * 100 + o, None, None, None

    def sums(self):
        """A checksum of all rows that does not look at their order: as SUMS says of a table."""
        totals = [0] * 9
        for at, course, learner, kind, lesson, quiz, points, points_max in self.rows():
            totals[0] += 1
            totals[1] += at
            totals[2] += course * (at % 1_000_003)
            totals[3] += learner * (at % 999_983)
            totals[4] += len(kind) * learner
            totals[5] += (lesson or 0) * (at % 1_009)
            totals[6] += (quiz or 0) * (at % 1_013)
            totals[7] += (points or 0) * learner
            totals[8] += (points_max or 0) * learner
        return totals


# DuckDB's, of a table whose times are timestamps.
SUMS = """
select count(*), sum(us), sum(course * (us % 1000003)), sum(learner * (us % 999983)), sum(length(kind) * learner),
  sum(coalesce(lesson, 0) * (us % 1009)), sum(coalesce(quiz, 0) * (us % 1013)), sum(coalesce(points, 0) * learner),
  sum(coalesce(points_max, 0) * learner)
from (select *, epoch_us(happened_at) as us from learning_activity)"""
# Its sums are those of 64 bits.
SUMS_IN_CLICKHOUSE = "select " + ", ".join(f"toUInt64({total})" for total in (
    "count()", "sum(us)", "sum(course * (us % 1000003))", "sum(learner * (us % 999983))", "sum(toInt64(length(kind)) * learner)",
    "sum(coalesce(lesson, 0) * (us % 1009))", "sum(coalesce(quiz, 0) * (us % 1013))", "sum(coalesce(points, 0) * learner)",
    "sum(coalesce(points_max, 0) * learner)")) + " from (select *, happened_at as us from learning_activity)"


def varint(value):
    """Zigzag, as analytics/internal/wire.h has it; for numbers from 0 on."""
    value <<= 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


KINDS = {kind: varint(len(kind)) + kind.encode() for kind in ("enrolled", "course_completed", "quiz_attempted", "lesson_completed")}


def body(row):
    """What loadstone_facts holds of it."""
    at, course, learner, kind, *optional = row
    return b"".join((varint(at), varint(course), varint(learner), KINDS[kind],
                     *(b"\0" if value is None else b"\1" + varint(value) for value in optional)))
