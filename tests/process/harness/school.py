"""The base of scenarios with courses: a teacher, learners who are signed in, and many who ask at once."""

import hashlib
import pathlib
import secrets
import threading
import time

from .case import SHORT_LEASE, ProcessTest

DAY = 24 * 3600 * 1_000_000  # microseconds


def rounded(value, divisor):
    return (2 * value + divisor) // (2 * divisor)


def grade_of(scheme, best):
    """{quiz: (points_max, weight)}, {quiz: points} -> hundredths of a percent; as campus/learning/grade.h has it."""
    total = sum(weight * rounded(best.get(quiz, 0) * 1_000_000, points_max) for quiz, (points_max, weight) in scheme.items())
    return rounded(total, 100 * sum(weight for _, weight in scheme.values()))


class Learner:
    def __init__(self, id, cookie, email):
        self.id, self.cookie, self.email = id, cookie, email


class Course:
    def __init__(self, id, lessons, quizzes):
        self.id, self.lessons = id, lessons
        self.quizzes = quizzes  # {id: (points_max, weight)}
        self.path = f"/api/courses/{id}"

    @property
    def scheme(self):
        return {quiz: (points_max, weight) for quiz, (points_max, weight) in self.quizzes.items() if weight > 0}


class SchoolTest(ProcessTest):
    store_settings = {}  # of a column store that is not the default

    def start(self, role="all", **settings):
        settings = {**self.store_settings, **settings}
        self.mail.start()
        self.server = self.campus("campus", role=role, jobs_crashes_max=100, public_url="https://campus.example.org", store_strict="on",
                                  **SHORT_LEASE, **settings).start()
        self.client = self.server.client()
        self.addCleanup(self.client.close)
        self.teacher = self.client.register("ada@example.org").cookie
        self.eve = self.client.register("eve@example.org", name="Eve").cookie

    def worker(self):
        (self.folder / "data2").mkdir(exist_ok=True)
        return self.campus("work", role="work", data=self.folder / "data2", jobs_crashes_max=100,
                           public_url="https://campus.example.org", **SHORT_LEASE).start()

    def store_process(self):
        """The pid of the server's column store; None while there is none."""
        for folder in pathlib.Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
                parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            if words[0].endswith(b"/loadstone-duckdb") and parent == self.server.pid:
                return int(folder.name)
        return None

    def people(self, count):
        """Users who are signed in."""
        tokens = [secrets.token_hex(16) for _ in range(count)]
        self.database.execute("insert into users (name, email, password_hash, created_at) values " + ", ".join(
            f"('Zoë', 'zoe-{token}@example.org', '', 0)" for token in tokens))
        ids = {row["email"]: row["id"] for row in self.tables.users()}
        learners = [Learner(ids[f"zoe-{token}@example.org"], f"session={token}", f"zoe-{token}@example.org")
                    for token in tokens]
        self.database.execute("insert into sessions (user_id, token_hash, created_at, expires_at) values " + ", ".join(
            f"({learner.id}, '{hashlib.sha256(token.encode()).hexdigest()}', 0, {int(time.time() * 1e6) + DAY})"
            for learner, token in zip(learners, tokens)))
        return learners

    def ask(self, method, path, body=None, cookie=None, status=200, client=None):
        answer = (client or self.client).request(method, path, body, cookie=cookie)
        self.assertEqual(answer.status, status, f"{method} {path}: {answer}")
        return answer

    def course(self, title="Optics", capacity=100, lessons=(60,), quizzes=((10, 1),), prerequisites=None, is_published=True):
        body = {"title": title, "description": "What light does.", "capacity": capacity}
        if prerequisites is not None:
            body["prerequisites"] = prerequisites
        made = self.ask("POST", "/api/courses", body, self.teacher, 201)
        path = f"/api/courses/{made.json['id']}"
        self.assertEqual(made.headers["Location"], path)
        course = Course(made.json["id"], [], {})
        for number, length in enumerate(lessons):
            added = self.ask("POST", f"{path}/lessons", {"title": f"Lesson {number}", "length_s": length}, self.teacher, 201)
            course.lessons.append(added.json["id"])
        for points_max, weight in quizzes:
            added = self.ask("POST", f"{path}/lessons/{course.lessons[0]}/quizzes",
                             {"title": "Quiz", "points_max": points_max, "weight": weight}, self.teacher, 201)
            course.quizzes[added.json["id"]] = (points_max, weight)
        if is_published:
            self.ask("POST", f"{path}/publish", cookie=self.teacher, status=204)
        return course

    def enrol(self, course, learner, status=201):
        return self.ask("POST", f"{course.path}/enrolment", cookie=learner.cookie, status=status)

    def check_seats(self, course, capacity):
        """What the counter says is what the enrolments are; gives whose they are."""
        enrolled = {row["user_id"] for row in
                    self.database.rows(f"select user_id from enrolments where course_id = {course.id}")}
        taken = self.tables.value(f"select taken from course_seats where course_id = {course.id}")
        self.assertEqual(taken, len(enrolled))
        self.assertLessEqual(taken, capacity, "oversold")
        self.assertEqual(self.ask("GET", f"{course.path}/seats").json,
                         {"course": course.id, "capacity": capacity, "taken": taken})
        return enrolled

    def at_once(self, work, clients=24):
        """Calls each of `work` with a client, in threads that have one each; gives what they give."""
        queue, answers, broken = iter(work), [], []
        lock = threading.Lock()

        def run(server):
            with server.client() as client:
                while True:
                    with lock:
                        task = next(queue, None)
                    if task is None:
                        return
                    try:
                        answer = task(client)
                    except Exception as error:  # told by the test's own thread
                        broken.append(error)
                        return
                    with lock:
                        answers.append(answer)
        servers = [campus for campus in self.started if campus.role != "work"]
        threads = [threading.Thread(target=run, args=(servers[number % len(servers)],)) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(broken, [])
        self.assertFalse(any(thread.is_alive() for thread in threads))
        return answers
