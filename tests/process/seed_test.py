"""campus seed: what it makes keeps every rule that Campus keeps, and is the same for the same seed."""

import json
import re

from harness.campus import run
from harness.case import DATABASE, ProcessTest, main
from harness.database import Sqlite
from harness.postgres import Postgres
from harness.school import DAY, grade_of
from harness.terminal import Terminal

UNTIL = "2026-06-01"
UNTIL_US = 1780272000 * 1_000_000
TABLES = {
    "organisations": "*", "memberships": "*", "users": "id, name, email, created_at", "sessions": "id, user_id, created_at, expires_at",
    "courses": "*", "lessons": "*", "quizzes": "*", "prerequisites": "*", "course_seats": "*", "enrolments": "*",
    "completions": "*", "lesson_progress": "*", "quiz_attempts": "*", "grading_runs": "*", "grades": "*", "audit_events": "*",
}


class SeedTest(ProcessTest):
    def rows(self, database=None):
        """Every row of every seeded table, in an order of its own."""
        database = database or self.database
        return {table: sorted((tuple(row.values()) for row in database.rows(f"select {columns} from {table}")), key=repr)
                for table, columns in TABLES.items()}

    def seed(self, campus, *options):
        return campus.command("seed", "--users", "500", "--courses", "40", "--until", UNTIL, *options, timeout_s=300)

    def ready(self, name="campus", **settings):
        campus = self.campus(name, smtp=None, **settings)
        campus.command("migrate")
        return campus

    def table(self, name):
        return self.database.rows(f"select * from {name}")

    def test_the_rules_hold(self):
        campus = self.ready()
        done = self.seed(campus)
        self.say(done.stdout.splitlines()[0])
        self.assertIn("learners: ", done.stderr)
        count = self.tables.count
        self.assertEqual((count("users"), count("courses")), (500, 40))
        self.assertEqual(count("courses", "state = 'draft'"), 1)
        self.assertAlmostEqual(count("lesson_progress"), 10_000, delta=500)
        self.assertGreater(count("enrolments"), 1_500)
        self.assertGreater(count("quiz_attempts"), 1_500)
        self.assertGreater(count("grades"), 0.7 * count("enrolments"))
        self.assertGreater(count("audit_events"), count("enrolments") + count("users"))
        self.assertEqual(count("sessions"), 5)
        self.check_courses()
        self.check_learning()
        self.check_grades()
        self.check_popularity()
        self.check_organisations(done.stdout)
        self.check_answers(campus, done.stdout)

    def check_courses(self):
        lessons, quizzes = self.table("lessons"), self.table("quizzes")
        for course in self.table("courses"):
            numbers = sorted(lesson["number"] for lesson in lessons if lesson["course_id"] == course["id"])
            self.assertEqual(numbers, list(range(1, course["lesson_count"] + 1)))
            own = [quiz for quiz in quizzes if quiz["course_id"] == course["id"]]
            self.assertEqual(len(own), course["quiz_count"])
            self.assertTrue(any(quiz["weight"] > 0 for quiz in own))
        course_of = {lesson["id"]: lesson["course_id"] for lesson in lessons}
        self.assertEqual([quiz for quiz in quizzes if course_of[quiz["lesson_id"]] != quiz["course_id"]], [])

    def check_learning(self):
        """Counters are what they count; nobody is where they may not be; all happened in the year, in order."""
        users = {user["id"]: user for user in self.table("users")}
        courses = {course["id"]: course for course in self.table("courses")}
        lessons = {lesson["id"]: lesson for lesson in self.table("lessons")}
        enrolments = {(row["course_id"], row["user_id"]): row for row in self.table("enrolments")}
        completed = {(row["course_id"], row["user_id"]): row["completed_at"] for row in self.table("completions")}
        taken, lessons_of, ends = {}, {}, {}
        for (course, user), row in enrolments.items():
            taken[course] = taken.get(course, 0) + 1
            self.assertEqual(courses[course]["state"], "published")
            self.assertLess(courses[course]["published_at"], row["enrolled_at"])
            self.assertLessEqual(users[user]["created_at"], row["enrolled_at"])
            self.assertTrue(UNTIL_US - 365 * DAY <= row["enrolled_at"] < UNTIL_US)
        self.assertEqual(taken, {row["course_id"]: row["taken"] for row in self.table("course_seats")})
        self.assertEqual([course for course, seats in taken.items() if seats > courses[course]["capacity"]], [], "oversold")
        for row in self.table("lesson_progress"):
            key = row["course_id"], row["user_id"]
            lesson = lessons[row["lesson_id"]]
            self.assertEqual(lesson["course_id"], row["course_id"])
            self.assertTrue(enrolments[key]["enrolled_at"] <= row["updated_at"] < UNTIL_US)
            self.assertTrue(0 <= row["position_s"] <= lesson["length_s"])
            self.assertEqual(row["completed_at"] is not None, row["position_s"] == lesson["length_s"])
            if row["completed_at"] is not None:
                lessons_of[key] = lessons_of.get(key, 0) + 1
                ends[key] = max(ends.get(key, 0), row["completed_at"])
        self.assertEqual({key: row["lessons_completed"] for key, row in enrolments.items() if row["lessons_completed"]}, lessons_of)
        self.assertEqual(completed, {key: ends[key] for key, number in lessons_of.items()
                                     if number == courses[key[0]]["lesson_count"]})
        quizzes = {quiz["id"]: quiz for quiz in self.table("quizzes")}
        for row in self.table("quiz_attempts"):
            self.assertEqual(quizzes[row["quiz_id"]]["course_id"], row["course_id"])
            self.assertTrue(0 <= row["points"] <= quizzes[row["quiz_id"]]["points_max"])
            self.assertTrue(enrolments[row["course_id"], row["user_id"]]["enrolled_at"] < row["attempted_at"] < UNTIL_US)
        required = {row["course_id"]: row["required_id"] for row in self.table("prerequisites")}
        self.assertGreater(len(required), 0)
        self.assertEqual(set(required) & set(required.values()), set(), "a chain")
        for (course, user), row in enrolments.items():
            if course in required:
                self.assertLessEqual(completed[required[course], user], row["enrolled_at"])

    def check_grades(self):
        quizzes, attempts, enrolled = {}, {}, {}
        for quiz in self.table("quizzes"):
            if quiz["weight"] > 0:
                quizzes.setdefault(quiz["course_id"], {})[quiz["id"]] = (quiz["points_max"], quiz["weight"])
        for row in self.table("quiz_attempts"):
            attempts.setdefault((row["course_id"], row["user_id"]), []).append(row)
        for row in self.table("enrolments"):
            enrolled.setdefault(row["course_id"], []).append(row)
        grades = {}
        for row in self.table("grades"):
            grades.setdefault(row["run_id"], {})[row["user_id"]] = row["grade"]
        runs = self.table("grading_runs")
        self.assertEqual({run["course_id"] for run in runs}, set(enrolled))
        self.assertEqual({run["id"] for run in runs}, set(grades))
        for run_row in runs:
            course, before, expected = run_row["course_id"], run_row["started_at"], {}
            for row in enrolled[course]:
                if row["enrolled_at"] < before:
                    best = {}
                    for made in attempts.get((course, row["user_id"]), []):
                        if made["attempted_at"] < before:
                            best[made["quiz_id"]] = max(best.get(made["quiz_id"], 0), made["points"])
                    expected[row["user_id"]] = grade_of(quizzes[course], best)
            self.assertEqual(grades[run_row["id"]], expected)
            buckets = [0] * 10
            for grade in expected.values():
                buckets[min(grade // 1000, 9)] += 1
            self.assertEqual((run_row["graded"], run_row["grade_sum"], json.loads(run_row["buckets"])),
                             (len(expected), sum(expected.values()), buckets))

    def check_popularity(self):
        taken = sorted((row["taken"] for row in self.table("course_seats")), reverse=True)
        self.assertGreater(taken[0], 5 * taken[len(taken) // 2], taken)
        hours = [0] * 24
        for row in self.table("enrolments"):
            hours[row["enrolled_at"] // 3_600_000_000 % 24] += 1
        self.assertGreater(sum(hours[18:22]), 3 * sum(hours[0:4]), hours)

    def check_organisations(self, output):
        """Each has the admin that it counts, most people are in one, and courses are in their instructors'."""
        organisations, members = self.table("organisations"), {row["user_id"]: row for row in self.table("memberships")}
        self.assertEqual(len(organisations), 2)
        for organisation in organisations:
            own = [row for row in members.values() if row["organisation_id"] == organisation["id"]]
            self.assertEqual(sum(row["role"] == "admin" for row in own), organisation["admin_count"])
            self.assertGreaterEqual(sum(row["role"] == "instructor" for row in own), 1)
        self.assertAlmostEqual(len(members), 450, delta=40)
        for course in self.table("courses"):
            taught = members[course["instructor_id"]]
            self.assertEqual((taught["role"], taught["organisation_id"]), ("instructor", course["organisation_id"]))
        admin = re.search(r"largest organisation's\nadmin is (\S+)$", output, re.M).group(1)
        user = self.tables.value(f"select id from users where email = '{admin}'")
        self.assertEqual(members[user]["role"], "admin")

    def check_answers(self, campus, output):
        """Who was seeded signs in with what was printed, and is answered what the tables hold."""
        found = re.search(r"one of them, (\S+) or the instructor (\S+), with the password (\S+)$", output, re.M)
        self.assertIsNotNone(found, output)
        learner, instructor, password = found.groups()
        campus.start()
        with campus.client() as client:
            for email in (learner, instructor):
                self.assertEqual(client.post("/api/login", {"email": email, "password": password + "x"}).status, 401)
                signed_in = client.post("/api/login", {"email": email, "password": password})
                self.assertEqual(signed_in.status, 200, signed_in)
                self.assertEqual(client.get("/api/me", cookie=signed_in.cookie).json["email"], email)
            user = self.tables.value(f"select id from users where email = '{learner}'")
            signed_in = client.post("/api/login", {"email": learner, "password": password})
            self.assertEqual(signed_in.status, 200, signed_in)
            cookie = signed_in.cookie
            own = client.get("/api/enrolments?limit=200", cookie=cookie).json["enrolments"]
            rows = self.database.rows(f"select * from enrolments where user_id = {user} order by course_id")
            self.assertEqual([(one["course"], one["lessons_completed"]) for one in own],
                             [(row["course_id"], row["lessons_completed"]) for row in rows])
            for row in rows:
                shown = client.get(f"/api/courses/{row['course_id']}/progress", cookie=cookie).json
                self.assertEqual(shown["lessons_completed"], row["lessons_completed"])
            # The server goes on with what was seeded.
            cookie = client.post("/api/login", {"email": instructor, "password": password}).cookie
            made = client.post("/api/courses", {"title": "Mine", "description": "", "capacity": 5}, cookie=cookie)
            self.assertEqual(made.status, 201, made)

    def test_the_same_seed_gives_the_same_data(self):
        self.seed(self.ready(), "--seed", "7")
        first = self.rows()
        for seed, is_same in (("7", True), ("8", False)):
            folder = self.folder / f"seed{seed}"
            folder.mkdir()
            folder.chmod(0o755)
            other = Sqlite(folder) if DATABASE == "sqlite" else Postgres(folder / "postgres")
            if DATABASE == "postgres":
                self.addCleanup(other.stop)
            self.seed(self.ready(f"seed{seed}", database=other.url, data=folder), "--seed", seed)
            rows = self.rows(other)
            if is_same:
                for table in TABLES:
                    self.assertEqual(rows[table], first[table], table)
            else:
                self.assertNotEqual(rows["lesson_progress"], first["lesson_progress"])

    def test_a_terminal_shows_a_bar(self):
        campus = self.ready()
        terminal = Terminal(campus.program, "seed", "--users", "500", *campus.database_flags, cwd=self.folder, width=90)
        self.addCleanup(terminal.close)
        self.assertEqual(terminal.ended(60), 0, terminal.text)
        for what, total in (("users", 500), ("members", 500), ("courses", 10), ("learners", 498), ("grades", 10)):
            drawn = re.findall(rf"\r{what} +\[(#*)(\.*)\] +(\d+) %  (\d+)/{total}\b", terminal.text)
            self.assertGreater(len(drawn), 1, f"{what}: {terminal.text!r}")
            self.assertEqual(drawn[-1], ("#" * 30, "", "100", str(total)))
            for filled, empty, percent, done in drawn:
                self.assertEqual((len(filled), len(filled + empty)), (int(done) * 30 // total, 30))
                self.assertEqual(int(percent), int(done) * 100 // total)
        self.assertLess(max(map(len, re.split(r"[\r\n]", terminal.text.split("500 users")[0]))), 90)
        self.assertRegex(terminal.text, r"10/10\r\n500 users, 2 of them instructors of 10 courses")

    def test_users_that_there_are_are_not_mixed_with_others_unasked(self):
        campus = self.ready()
        for words, told in ((("--users", "9"), "--users is 10 to 10000000, not \"9\""),
                            (("--courses", "501"), "--courses is 1 to 500, not \"501\""),
                            (("--until", "soon"), "--until is a day like 2026-01-31, not \"soon\""),
                            (("--seed", "-1"), "--seed is 0 to"), (("more",), "seed takes options alone, not \"more\"")):
            refused = run("seed", "--users", "500", *words, *campus.database_flags, cwd=self.folder)
            if words[0] == "--users":
                refused = run("seed", *words, *campus.database_flags, cwd=self.folder)
            self.assertEqual(refused.returncode, 1, refused)
            self.assertIn(told, refused.stderr)
        self.assertEqual(self.tables.count("users"), 0)
        self.seed(campus)
        before = self.rows()
        refused = run("seed", *campus.database_flags, cwd=self.folder)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("this database has users already, the newest is 500: ", refused.stderr)
        self.assertIn("--add", refused.stderr)
        self.assertEqual(self.rows(), before)
        self.seed(campus, "--add")
        after = self.rows()
        for table in ("organisations", "memberships", "users", "courses", "lessons", "lesson_progress", "grades", "audit_events"):
            self.assertLess(set(before[table]), set(after[table]), table)
        self.check_courses()
        self.check_learning()
        self.check_grades()


if __name__ == "__main__":
    main()
