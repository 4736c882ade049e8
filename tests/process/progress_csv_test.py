"""The progress of a course as CSV: every row, whoever reads how slowly, in flat memory. 10,000,000 rows with LOADSTONE_FULL=1."""

import hashlib
import http.client
import pathlib
import re
import socket
import struct
import time

from harness.case import DATABASE, FULL, main
from harness.school import SchoolTest
from harness.waiting import wait_until

LESSONS = 500
ROWS = 10_000_000 if FULL else 300_000
# Whatever the rows: some pages, what libraries keep of them, and the kernel's buffers are not counted.
GROWTH_MAX = 64 << 20 if FULL else 16 << 20
FIRST_LEARNER = 1_000
HEADER = b"learner,lesson,lesson_number,lesson_title,length_s,position_s,updated_at,completed_at\r\n"


def rfc3339(value):
    seconds, fraction = divmod(value, 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{fraction:06}Z"


def title(number):
    """In the table, and in CSV."""
    return [("Lesson, the {}th", '"Lesson, the {}th"'), ('The "{}"', '"The ""{}"""'), ("=1+{}", "'=1+{}"),
            ("Zürich {}", "Zürich {}")][number % 4]


class Stream:
    """An answer that is read as far as the test wants; its socket takes little in advance."""

    def __init__(self, server, path, cookie, window=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, 60)
        self.connection.sock = socket.socket()
        if window:
            self.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.connection.sock.settimeout(60)
        self.connection.sock.connect(("127.0.0.1", server.port))
        self.connection.request("GET", path, headers={"Cookie": cookie})
        self.answer = self.connection.getresponse()
        self.taken = self.rows = 0
        self.hash = hashlib.sha256()

    def read(self, bytes_max=float("inf")):
        """True when it has ended as it must; http.client raises IncompleteRead when not."""
        while self.taken < bytes_max:
            piece = self.answer.read(256 * 1024)
            if not piece:
                return True
            self.hash.update(piece)
            self.rows += piece.count(b"\n")
            self.taken += len(piece)
        return False

    def vanish(self):
        self.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.answer.close()
        self.connection.close()


class ProgressCsvTest(SchoolTest):
    def fill(self, rows, **settings):
        """A course in which `rows` / LESSONS learners have begun every lesson, and another that has a row."""
        self.start(role="web", **settings)
        self.course_id = self.course().id
        other = self.course(title="Acoustics")
        self.path = f"/api/courses/{self.course_id}/progress.csv"
        self.database.execute("insert into lessons (course_id, number, title, length_s) values " + ", ".join(
            f"({self.course_id}, {number}, '{title(number)[0].format(number)}', {number * 10})" for number in range(2, LESSONS + 1)))
        self.lessons = self.database.rows(f"select id, number, length_s from lessons where course_id = {self.course_id} order by id")
        self.assertEqual(len(self.lessons), LESSONS)
        self.learners, at_once = rows // LESSONS, 1_000
        for first in range(0, self.learners, at_once):
            self.database.execute(
                f"with recursive n(i) as (select {FIRST_LEARNER + first} union all "
                f"select i + 1 from n where i + 1 < {FIRST_LEARNER + min(first + at_once, self.learners)}) "
                "insert into lesson_progress (user_id, course_id, lesson_id, position_s, updated_at, completed_at) "
                "select i, course_id, id, i % 12, 1600000000000000 + number * 1000003, "
                "case when (i + number) % 3 = 0 then 1700000000000000 + i % 12 end "
                f"from n cross join (select id, course_id, number from lessons where course_id = {self.course_id}) as l")
        self.database.execute("insert into lesson_progress (user_id, course_id, lesson_id, position_s, updated_at) "
                              f"values ({FIRST_LEARNER}, {other.id}, {other.lessons[0]}, 1, 1)")

    def expected(self):
        """The hash and the length of it."""
        def line_end(kind, lesson):
            number = lesson["number"]
            shown = "Lesson 0" if number == 1 else title(number)[1].format(number)
            completed = rfc3339(1700000000000000 + kind) if (kind + number) % 3 == 0 else ""
            return (f",{lesson['id']},{number},{shown},{lesson['length_s']},{kind},"
                    f"{rfc3339(1600000000000000 + number * 1000003)},{completed}\r\n")
        kinds = [[line_end(kind, lesson) for lesson in self.lessons] for kind in range(12)]
        hash, length = hashlib.sha256(HEADER), len(HEADER)
        for learner in range(FIRST_LEARNER, FIRST_LEARNER + self.learners):
            text = "".join([f"{learner}{end}" for end in kinds[learner % 12]]).encode()
            hash.update(text)
            length += len(text)
        return hash.hexdigest(), length

    def stream(self, window=None):
        stream = Stream(self.server, self.path, self.teacher, window)
        self.assertEqual(stream.answer.status, 200)
        self.assertEqual(stream.answer.headers["Transfer-Encoding"], "chunked")
        return stream

    def check_whole(self, stream):
        self.assertTrue(stream.read())
        hash, length = self.expected()
        self.assertEqual((stream.rows, stream.taken), (self.learners * LESSONS + 1, length))
        self.assertEqual(stream.hash.hexdigest(), hash)

    def metric(self, name):
        text = self.client.get("/metrics").body.decode()
        return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.M)[1])

    def places_taken(self):
        return self.metric('loadstone_bulkhead_in_use{module="learning.heavy"}')

    def broken(self):
        return self.metric("loadstone_http_streams_broken_total")

    def said(self):
        return [line for line in self.server.log_lines() if line.get("event") == "an answer broke off"]

    def check_nothing_is_held(self):
        """No statement, no snapshot."""
        if DATABASE == "sqlite":
            # It waits for readers of what it would drop, and says so.
            with self.database.connect() as connection:
                connection.execute("pragma busy_timeout = 3000")
                self.assertEqual(connection.execute("pragma wal_checkpoint(truncate)").fetchone()[0], 0, "a reader holds the log")
        else:
            wait_until(lambda: not self.database.rows("select pid, query from pg_stat_activity where datname = 'campus' "
                                                      "and pid <> pg_backend_pid() and (backend_xmin is not null or "
                                                      "state like 'idle in transaction%')"), 5, "snapshots to be given up")

    @property
    def peak_memory(self):
        status = pathlib.Path(f"/proc/{self.server.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) << 10

    def test_every_row_is_in_it_in_flat_memory(self):
        self.fill(ROWS)
        self.assertEqual(self.client.get(self.path).status, 401)
        self.assertEqual(self.client.get(self.path, cookie=self.eve).status, 403)
        self.assertEqual(self.client.get("/api/courses/999/progress.csv", cookie=self.teacher).status, 404)
        draft = self.course(title="Draft", is_published=False)
        self.assertEqual(self.client.get(f"{draft.path}/progress.csv", cookie=self.teacher).status, 404)
        empty = self.client.get(f"{self.course(title='Empty').path}/progress.csv", cookie=self.teacher)
        self.assertEqual((empty.status, empty.body), (200, HEADER))
        self.assertEqual(empty.headers["Content-Type"], "text/csv; charset=utf-8")
        head = self.client.request("HEAD", self.path, cookie=self.teacher)
        self.assertEqual(head.headers["Content-Disposition"], f'attachment; filename="progress-of-course-{self.course_id}.csv"')
        self.assertEqual(head.headers["Cache-Control"], "private, no-store")
        before = self.peak_memory
        began = time.monotonic()
        stream = self.stream()
        self.check_whole(stream)
        grown = self.peak_memory - before
        self.say(f"{stream.rows - 1} rows, {stream.taken >> 20} MiB in {time.monotonic() - began:.1f} s, sha256 "
                 f"{stream.hash.hexdigest()[:16]}; VmHWM {before >> 10} KiB before, {grown >> 10} KiB more after")
        self.assertLess(grown, GROWTH_MAX)
        self.assertEqual(self.broken(), 0)

    def test_who_goes_away_or_does_not_read_gives_its_place_back(self):
        self.fill(200_000, http_write_timeout_ms=1_000)
        for _ in range(5):  # there are 4 places
            stream = self.stream(window=16 * 1024)
            stream.read(1_000_000)
            self.assertEqual(self.places_taken(), 1)
            stream.vanish()
            wait_until(lambda: self.places_taken() == 0, 10, "the place to be given back")
        self.assertEqual((self.broken(), self.said()), (0, []), "that is nobody's failure")
        slow = [self.stream(window=16 * 1024) for _ in range(4)]
        wait_until(lambda: self.places_taken() == 4, 10, "all places to be taken")
        self.check_nothing_is_held()
        refused = self.client.get(self.path, cookie=self.teacher)
        self.assertIn(refused.status, (200, 503), "it waits a little for a place")
        wait_until(lambda: self.broken() == 4, 20, "them to be cut off")
        wait_until(lambda: self.places_taken() == 0, 10, "their places to be given back")
        self.assertEqual(self.metric('loadstone_http_limit_hits_total{limit="write_timeout"}'), 4)
        for stream in slow:
            with self.assertRaises((http.client.IncompleteRead, ConnectionError)):
                stream.read()
        self.assertEqual([line["level"] for line in self.said()], ["warning"] * 4)
        self.assertIn("http.write_timeout_ms", self.said()[0]["error"])
        self.check_whole(self.stream())

    def test_one_that_fails_has_no_end(self):
        self.fill(200_000)
        stream = self.stream(window=16 * 1024)
        stream.read(1_000_000)
        self.database.execute("alter table lesson_progress rename to hidden")
        with self.assertRaises(http.client.IncompleteRead):
            stream.read()
        self.assertLess(stream.rows, self.learners * LESSONS)
        wait_until(lambda: self.places_taken() == 0, 10, "the place to be given back")
        self.assertEqual(self.broken(), 1)
        line, = self.said()
        self.assertEqual(line["level"], "error")
        self.assertIn("lesson_progress", line["error"])
        self.database.execute("alter table hidden rename to lesson_progress")
        self.check_whole(self.stream())


if __name__ == "__main__":
    main()
