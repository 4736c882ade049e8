"""Dashboards say of seeded courses what their rows say, in few statements."""

import collections
import contextlib
import datetime
import json
import re
import signal
import socket
import time
import unittest
from unittest.mock import ANY

from harness import case
from harness.case import ProcessTest, main
from harness.school import DAY
from harness.statements import ExpectStatements, top
from harness.waiting import wait_until


def now_us():
    return int(time.time() * 1e6)


def day_start(before=0):
    """The start of the day, UTC, so many days before today."""
    return (now_us() // DAY - before) * DAY


def day_number(day):
    return int(datetime.datetime.fromisoformat(day["day"].replace("Z", "+00:00")).timestamp()) * 1_000_000 // DAY


def us(text):
    return text and round(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1e6)


class DashboardsTest(ExpectStatements, ProcessTest):
    def setUp(self):
        super().setUp()
        self.server = self.campus("campus", smtp=None, cache_warm="on", store_strict="on", store_analytic_rows=100)
        self.server.command("migrate")
        seeded = self.server.command("seed", "--users", "500", "--courses", "40", timeout_s=300).stdout
        learner, instructor, self.password = re.search(
            r"one of them, (\S+) or the instructor (\S+), with the password (\S+)$", seeded, re.M).groups()
        admin = re.search(r"admin is (\S+)$", seeded, re.M).group(1)
        # As of before it was kept what their quizzes have.
        self.database.execute("update quiz_attempts set points_max = null where id % 9 = 0")
        self.server.start()
        self.client = self.server.client()
        self.addCleanup(lambda: self.client.close())
        self.cookie, self.learner, self.admin = (
            self.client.post("/api/login", {"email": email, "password": self.password}).cookie for email in (instructor, learner, admin))
        self.organisation = self.tables.value("select organisation_id from memberships as m join users as u on u.id = m.user_id "
                                              f"where u.email = '{admin}'")
        self.instructor = self.tables.value(f"select id from users where email = '{instructor}'")
        self.own = self.database.rows(f"select * from courses where instructor_id = {self.instructor} order by id desc")
        self.progress, self.attempts = self.table("lesson_progress"), self.table("quiz_attempts")

    def table(self, name):
        found = {}
        for row in self.database.rows(f"select * from {name}"):
            found.setdefault(row["course_id"], []).append(row)
        return found

    def get(self, path, cookie=None, status=200):
        answer = self.client.get(path, cookie=cookie or self.cookie)
        self.assertEqual(answer.status, status, f"{path}: {answer}")
        return answer.json

    def active(self, course, since):
        """Who went on with a lesson or attempted a quiz."""
        return {user for user, at in self.activity(course) if at >= since}

    def activity(self, course):
        progress, attempts = self.progress.get(course, []), self.attempts.get(course, [])
        return ([(row["user_id"], row[time]) for row in progress for time in ("updated_at", "completed_at") if row[time] is not None] +
                [(row["user_id"], row["attempted_at"]) for row in attempts])

    def at_risk(self, course):
        """[(user, lessons completed)], in order: enrolled, nothing done today nor on the 14 days before, less than half completed."""
        since = day_start(14)
        busy = self.active(course["id"], since)
        return sorted((row["user_id"], row["lessons_completed"])
                      for row in self.database.rows(f"select * from enrolments where course_id = {course['id']}")
                      if row["enrolled_at"] < since and row["lessons_completed"] * 2 < course["lesson_count"] and row["user_id"] not in busy)

    def test_an_instructor_sees_their_courses(self):
        seats, completions, grades = self.table("course_seats"), self.table("completions"), self.table("grades")
        self.assertGreater(len(self.own), 3)
        for limit in (1, 3, len(self.own), 100):
            lines, before = [], ""
            while True:
                page = self.get(f"/api/dashboards/instructor?limit={limit}{before}")
                self.assertLessEqual(len(page["courses"]), limit)
                lines += page["courses"]
                if page["next_before"] is None:
                    break
                before = f"&before={page['next_before']}"
            self.assertEqual([line["course"] for line in lines], [course["id"] for course in self.own])
        some_active = ever_active = 0
        for line, course in zip(lines, self.own):
            id = course["id"]
            self.assertEqual((line["title"], line["state"], line["capacity"], line["lessons"]),
                             (course["title"], course["state"], course["capacity"], course["lesson_count"]))
            self.assertEqual(line["enrolled"], sum(row["taken"] for row in seats.get(id, [])))
            self.assertEqual(line["completed"], len(completions.get(id, [])))
            times = [row["completed_at"] for row in completions.get(id, [])]
            self.assertEqual([us(line["first_completed_at"]), us(line["last_completed_at"])],
                             [min(times, default=None), max(times, default=None)])
            self.assertEqual(line["active"], len(self.active(id, day_start(6))), "in 7 days with today")
            some_active += line["active"]
            ever_active += len(self.active(id, 0))
            own = [row["grade"] for row in grades.get(id, [])]
            if own:
                self.assertAlmostEqual(line["average_percent"], sum(own) / len(own) / 100, places=9)
            else:
                self.assertIsNone(line["average_percent"])
        self.assertTrue(0 < some_active < ever_active / 2, f"{some_active} of {ever_active}")
        self.assertEqual(self.get("/api/dashboards/instructor", self.learner), {"courses": [], "next_before": None, "as_of": ANY})

    def test_a_course_is_shown_whole(self):
        grades = self.table("grades")
        lessons = self.table("lessons")
        at_risk_somewhere = 0
        for course in self.own:
            id = course["id"]
            began = now_us()
            pages, after = [], ""
            while True:
                shown = self.get(f"/api/dashboards/courses/{id}?limit=7{after}")
                pages.append(shown["at_risk"])
                self.assertLessEqual(len(shown["at_risk"]), 7)
                if shown["next_after"] is None:
                    break
                after = f"&after={shown['next_after']}"
            ended = now_us()
            self.assertEqual((shown["course"], shown["title"]), (id, course["title"]))
            self.check_days(id, shown["days"], began, ended)
            progress = self.progress.get(id, [])
            self.assertEqual(shown["funnel"], [
                {"lesson": lesson["id"], "number": lesson["number"], "title": lesson["title"],
                 "begun": sum(row["lesson_id"] == lesson["id"] for row in progress),
                 "completed": sum(row["lesson_id"] == lesson["id"] and row["completed_at"] is not None for row in progress)}
                for lesson in sorted(lessons[id], key=lambda lesson: lesson["number"])])
            bins = [0] * 10
            for row in grades.get(id, []):
                bins[min(row["grade"] // 1000, 9)] += 1
            self.assertEqual(shown["grades"], bins)
            found = [(one["user"], one["lessons_completed"]) for page in pages for one in page]
            self.assertEqual(found, self.at_risk(course))
            at_risk_somewhere += len(found)
        self.assertGreater(at_risk_somewhere, 10)

    def check_answers(self, path, cookie, courses):
        """The column store's answers about courses, {id: row}, against the rows."""
        def pairs(table, time, condition=lambda row: True):
            return [(row["course_id"], row["user_id"], row[time]) for id in courses for row in table.get(id, []) if condition(row)]

        def learners(rows):
            return {(course, user) for course, user, _ in rows}
        enrolled = pairs(self.table("enrolments"), "enrolled_at")
        lessons = pairs(self.progress, "completed_at", lambda row: row["completed_at"] is not None)
        attempts = pairs(self.attempts, "attempted_at")
        completed = pairs(self.table("completions"), "completed_at")
        shown = wait_until(lambda: (found := self.get(path + "?days=366", cookie))["funnel"]["learners"]["enrolled"] == len(enrolled) and found,
                           30, "the seeded learning in the column store")
        self.assertEqual((shown["courses"], shown["is_partial"]), (len(courses), False))
        self.assertEqual(shown["funnel"]["learners"], {
            "enrolled": len(enrolled), "began": sum(len(self.active(id, 0)) for id in courses), "attempted": len(learners(attempts)),
            "completed": len(completed)})
        bands, unknown = [0] * 10, 0
        for id in courses:
            for row in self.attempts.get(id, []):
                if row["points_max"] is None:
                    unknown += 1
                else:
                    bands[min(row["points"] * 10 // row["points_max"], 9)] += 1
        self.assertGreater(unknown, 0)
        self.assertEqual((shown["scores"]["bands"], shown["scores"]["unknown"]), (bands, unknown))
        for part in ("funnel", "activity", "top_courses", "at_risk", "scores"):
            self.assertRegex(shown[part]["as_of"], r"^20\d\d-.*Z$")
        self.assertEqual(sum(day["lessons"] for day in shown["activity"]["days"]), len(lessons))
        self.assertEqual(sum(day["attempts"] for day in shown["activity"]["days"]), len(attempts))
        for count in (1, 7, 30):
            self.check_whole_days(f"{path}?days={count}", cookie, count, list(courses))
        active = {course: len(self.active(course, 0)) for course in courses}
        top = sorted((-count, course) for course, count in active.items() if count > 0)[:10]
        self.assertEqual([(-line["learners"], line["course"]) for line in shown["top_courses"]["courses"]], top)
        for line in shown["top_courses"]["courses"]:
            self.assertEqual((line["title"], line["lessons"], line["attempts"]), (
                courses[line["course"]]["title"], sum(course == line["course"] for course, _, _ in lessons),
                sum(course == line["course"] for course, _, _ in attempts)))
        at_risk, idle = shown["at_risk"], {(id, user) for id, course in courses.items() for user, _ in self.at_risk(course)}
        self.assertEqual(at_risk["total"], len(idle))
        self.assertEqual(len(at_risk["learners"]), min(50, at_risk["total"]))
        self.assertLessEqual({(one["course"], one["learner"]) for one in at_risk["learners"]}, idle)
        self.assertEqual([one["last_active"] for one in at_risk["learners"]], sorted(one["last_active"] for one in at_risk["learners"]))
        return shown

    def day_counts(self, courses, day):
        """Learners who were active, lessons completed, attempts."""
        active = {user for course in courses for user, at in self.activity(course) if at // DAY == day}
        lessons = sum(row["completed_at"] is not None and row["completed_at"] // DAY == day for course in courses
                      for row in self.progress.get(course, []))
        return len(active), lessons, sum(row["attempted_at"] // DAY == day for course in courses for row in self.attempts.get(course, []))

    def check_whole_days(self, path, cookie, count, courses):
        """The last `count` days with today, each from its beginning on."""
        today = now_us() // DAY
        shown = {day_number(day): (day["learners"], day["lessons"], day["attempts"]) for day in self.get(path, cookie)["activity"]["days"]}
        counts = {day: self.day_counts(courses, day) for day in range(today - count + 1, today + 1)}
        self.assertEqual(shown, {day: each for day, each in counts.items() if any(each)})

    def test_the_column_store_answers(self):
        shown = self.check_answers("/api/dashboards/instructor/analytics", self.cookie, {course["id"]: course for course in self.own})
        self.assertGreater(shown["at_risk"]["total"], 10)
        self.check_answers("/api/dashboards/organisation/analytics", self.admin, {course["id"]: course for course in self.of_organisation()})
        nothing = self.get("/api/dashboards/instructor/analytics", self.learner)
        self.assertEqual((nothing["courses"], nothing["funnel"]["learners"]["enrolled"], nothing["top_courses"]["courses"],
                          nothing["at_risk"]["total"]), (0, 0, [], 0))
        self.get("/api/dashboards/organisation/analytics", self.learner, status=403)
        self.get("/api/dashboards/instructor/analytics?days=367", status=422)
        self.get("/api/dashboards/instructor/analytics?idle_days=0", status=422)

    def of_organisation(self):
        return self.database.rows(f"select * from courses where organisation_id = {self.organisation} order by id desc")

    def test_an_organisation_is_added_up(self):
        courses = {course["id"]: course for course in self.of_organisation()}
        self.assertTrue(3 < len(courses) < self.tables.count("courses"))
        began = now_us()
        shown = self.get("/api/dashboards/organisation", self.admin)
        ended = now_us()
        taken = {id: sum(row["taken"] for row in rows) for id, rows in self.table("course_seats").items() if id in courses}
        completions = self.table("completions")
        self.assertEqual((shown["courses"], shown["is_partial"], shown["enrolled"], shown["completed"]),
                         (len(courses), False, sum(taken.values()), sum(len(completions.get(id, [])) for id in courses)))
        self.check_days(list(courses), shown["days"], began, ended)
        self.assertGreater(sum(day["learners"] for day in shown["days"]), 0)
        self.assertEqual([line["course"] for line in shown["top_courses"]],
                         sorted(taken, key=lambda id: (-taken[id], id))[:10])
        lines, before = [], ""
        while True:
            page = self.get(f"/api/dashboards/organisation/courses?limit=3{before}", self.admin)
            self.assertLessEqual(len(page["courses"]), 3)
            lines += page["courses"]
            if page["next_before"] is None:
                break
            before = f"&before={page['next_before']}"
        self.assertEqual([line["course"] for line in lines], list(courses))
        for line in lines:
            course = courses[line["course"]]
            self.assertEqual((line["title"], line["state"], line["lessons"], line["enrolled"], line["completed"]),
                             (course["title"], course["state"], course["lesson_count"], taken.get(course["id"], 0),
                              len(completions.get(course["id"], []))))
        of_course = {line["course"]: line for line in lines}
        for line in shown["top_courses"]:
            self.assertEqual(line, of_course[line["course"]])

    def test_learners_at_risk_are_those_of_each_course(self):
        expected = [(course["id"], *one) for course in sorted(self.of_organisation(), key=lambda course: course["id"])
                    for one in self.at_risk(course)]
        for limit in (17, 200):
            found, after = [], ""
            while True:
                page = self.get(f"/api/dashboards/organisation/at-risk?limit={limit}{after}", self.admin)
                self.assertLessEqual(len(page["at_risk"]), limit)
                found += [(one["course"], one["user"], one["lessons_completed"]) for one in page["at_risk"]]
                if page["next_after_course"] is None:
                    break
                after = f"&after_course={page['next_after_course']}&after_user={page['next_after_user']}"
            self.assertEqual(found, expected)
        self.assertGreater(len(found), 17)
        for query in ("limit=0", "limit=201", "after_course=0", "after_course=1", "after_user=1"):
            self.get(f"/api/dashboards/organisation/at-risk?{query}", self.admin, 422)
        for query in ("limit=0", "limit=101", "before=0"):
            self.get(f"/api/dashboards/organisation/courses?{query}", self.admin, 422)

    def test_what_is_beyond_the_newest_thousand_is_said(self):
        own = {course["id"] for course in self.of_organisation()}
        taken = {id: sum(row["taken"] for row in rows) for id, rows in self.table("course_seats").items() if id in own}
        top = sorted(taken, key=lambda id: (-taken[id], id))[:10]
        self.assertGreater(len(top), 0)
        self.database.execute(
            "insert into courses (title, title_key, description, instructor_id, organisation_id, capacity, state, lesson_count, "
            "quiz_count, created_at) values " + ", ".join(
                f"('t', 't', '', {self.instructor}, {self.organisation}, 1, 'draft', 0, 0, 0)" for _ in range(1_000)))
        shown = self.get("/api/dashboards/organisation", self.admin)
        self.assertEqual((shown["courses"], shown["is_partial"], shown["enrolled"]), (1_000, True, 0))
        self.assertEqual([line["course"] for line in shown["top_courses"]], top, "of all courses")
        self.assertEqual(self.get("/api/dashboards/organisation/at-risk", self.admin),
                         {"is_partial": True, "at_risk": [], "next_after_course": None, "next_after_user": None, "as_of": ANY})

    def check_days(self, courses, days, began, ended):
        courses = courses if isinstance(courses, list) else [courses]
        self.assertEqual(len(days), 30)
        numbers = [day_number(day) for day in days]
        self.assertIn(numbers[-1], (began // DAY, ended // DAY))
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + 30)))
        for number, day in zip(numbers, days):
            self.assertEqual((day["learners"], day["lessons"], day["attempts"]), self.day_counts(courses, number))

    def test_the_dashboard_of_a_large_organisation_is_kept(self):
        """An answer about 1,000 courses has no more tags than are kept with one."""
        self.database.execute(
            "insert into courses (title, title_key, description, instructor_id, organisation_id, capacity, state, lesson_count, "
            "quiz_count, created_at) values " + ", ".join(
                f"('t', 't', '', {self.instructor}, {self.organisation}, 1, 'draft', 0, 0, 0)"
                for _ in range(1_000 - len(self.of_organisation()))))
        for path in ("organisation", "organisation/at-risk", "organisation/courses"):
            path = f"/api/dashboards/{path}"
            first = self.get(path, self.admin)
            computed = self.metric("loadstone_cache_misses_total")
            self.assertGreater(computed, 0)
            self.assertEqual({**self.get(path, self.admin), "as_of": None}, {**first, "as_of": None})
            self.assertEqual(self.metric("loadstone_cache_misses_total"), computed, path)
        self.assertEqual(self.get("/api/dashboards/organisation", self.admin)["courses"], 1_000)
        self.assertEqual(self.metric("loadstone_cache_too_large_total"), 0)

    def metric(self, name):
        text = self.client.get("/metrics").body.decode()
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.M))

    def test_who_is_at_work_is_active_in_every_dashboard(self):
        """A lesson that goes on is activity of its day, before it is completed: told by views and by the column store alike."""
        course, (user, _) = next((course, one) for course in self.own for one in self.at_risk(course))
        id = course["id"]
        email = self.tables.value(f"select email from users where id = {user}")
        learner = self.client.post("/api/login", {"email": email, "password": self.password}).cookie
        lessons = self.database.rows(f"select id from lessons where course_id = {id} order by number desc")

        def from_store():
            found = self.get("/api/dashboards/instructor/analytics?days=1", self.cookie)
            return found["at_risk"]["total"], sum(day["learners"] for day in found["activity"]["days"])

        def from_views():
            shown = self.get(f"/api/dashboards/courses/{id}?limit=200")
            line = next(line for line in self.get("/api/dashboards/instructor?limit=100")["courses"] if line["course"] == id)
            return {one["user"] for one in shown["at_risk"]}, shown["days"][-1]["learners"], line["active"]
        everybody = sum(len(self.at_risk(each)) for each in self.own)
        wait_until(lambda: from_store()[0] == everybody, 30, "the seeded learning in the column store")
        idle, today, week = from_views()
        active = from_store()[1]
        self.assertIn(user, idle)
        for position in (1, 2, 3):  # of the first of which it is told
            answer = self.client.post(f"/api/courses/{id}/lessons/{lessons[0]['id']}/progress", {"position_s": position}, cookie=learner)
            self.assertEqual(answer.status, 200, answer)
        self.assertEqual(from_views(), (idle - {user}, today + 1, week + 1))
        wait_until(lambda: from_store() == (everybody - 1, active + 1), 30, "the column store to tell it")
        rows = self.database.rows(f"select * from active_days where course_id = {id} and user_id = {user} and day = {now_us() // DAY}")
        self.assertEqual([(row["lessons"], row["attempts"]) for row in rows], [(0, 0)])
        self.server.command("analytics", "verify")

    def test_hundreds_who_look_at_once_are_all_answered_by_one_computation(self):
        """Of a course in which somebody has just gone on: none is turned away, and each is shown it."""
        course = self.own[0]["id"]
        user = self.tables.value(f"select min(user_id) from enrolments where course_id = {course}")
        lesson = self.tables.value(f"select max(id) from lessons where course_id = {course}")
        email = self.tables.value(f"select email from users where id = {user}")
        learner = self.client.post("/api/login", {"email": email, "password": self.password}).cookie
        path = f"/api/dashboards/courses/{course}"
        self.get(path)

        def computed_for(viewers):
            place = self.tables.value(f"select coalesce(max(position_s), 0) from lesson_progress where lesson_id = {lesson} and user_id = {user}")
            answer = self.client.post(f"/api/courses/{course}/lessons/{lesson}/progress", {"position_s": place + 1}, cookie=learner)
            self.assertEqual(answer.status, 200, answer)
            before = self.metric("loadstone_cache_misses_total")
            with contextlib.ExitStack() as stack:
                sockets = [stack.enter_context(socket.create_connection(("127.0.0.1", self.server.port), 60)) for _ in range(viewers)]
                self.server.signal(signal.SIGSTOP)  # so that they ask at one time
                for each in sockets:
                    each.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {self.cookie}\r\nConnection: close\r\n\r\n".encode())
                self.server.signal(signal.SIGCONT)
                answers = [b"".join(iter(lambda each=each: each.recv(1 << 16), b"")).partition(b"\r\n\r\n") for each in sockets]
            self.assertEqual(collections.Counter(head[:12] for head, _, _ in answers), {b"HTTP/1.1 200": viewers})
            shown = [json.loads(body) for _, _, body in answers]
            self.assertTrue(all({**one, "as_of": None} == {**shown[0], "as_of": None} for one in shown))
            return self.metric("loadstone_cache_misses_total") - before
        computed_for(1)  # who begins a lesson changes more than who goes on
        alone = computed_for(1)
        self.assertGreater(alone, 0)
        self.assertEqual(computed_for(300), alone)

    def test_courses_are_their_instructors_own(self):
        own = self.own[0]["id"]
        others = self.database.rows(f"select id, state from courses where instructor_id <> {self.instructor}")
        self.get(f"/api/dashboards/courses/{own}", self.learner, 403)
        self.assertEqual(self.client.get("/api/dashboards/instructor").status, 401)
        self.assertEqual(self.client.get(f"/api/dashboards/courses/{own}").status, 401)
        self.assertEqual({course["state"] for course in others}, {"draft", "published"})
        for course in others:
            self.get(f"/api/dashboards/courses/{course['id']}", status=404 if course["state"] == "draft" else 403)
        self.get("/api/dashboards/courses/999999", status=404)
        for query in ("limit=0", "limit=101", "before=0"):
            self.get(f"/api/dashboards/instructor?{query}", status=422)
        for query in ("limit=0", "limit=201", "after=0"):
            self.get(f"/api/dashboards/courses/{own}?{query}", status=422)

    def ask_again(self, path, tag, cookie):
        return self.client.get(path, cookie=cookie, headers={"If-None-Match": f'"other", {tag}'})

    def test_who_has_a_dashboard_is_not_sent_it_again(self):
        course = f"/api/dashboards/courses/{self.own[0]['id']}"
        wait_until(lambda: self.tables.value("select count(*) from loadstone_fact_work where state = 'done'") == 1, 30, "the back-fill")
        instructor, organisation = "/api/dashboards/instructor", "/api/dashboards/organisation"
        for path, cookie, others in ((course, self.cookie, (403, 401)), (f"{course}/activity", self.cookie, (403, 401)),
                                     (instructor, self.cookie, (200, 401)), (f"{instructor}/analytics", self.cookie, (200, 401)),
                                     (organisation, self.admin, (403, 401)), (f"{organisation}/analytics", self.admin, (403, 401)),
                                     (f"{organisation}/courses", self.admin, (403, 401)), (f"{organisation}/at-risk", self.admin, (403, 401))):
            first = self.client.get(path, cookie=cookie)
            tag, as_of = first.headers["ETag"], first.headers["Loadstone-As-Of"]
            self.assertEqual(first.headers["Cache-Control"], "private, no-cache")
            if "as_of" in first.json:
                self.assertEqual(first.json["as_of"], as_of)
            self.assertRegex(as_of, r"^20\d\d-\d\d-\d\dT.*Z$")
            again = self.ask_again(path, tag, cookie)
            self.assertEqual((again.status, again.body, again.headers["ETag"]), (304, b"", tag), path)
            self.assertGreaterEqual(again.headers["Loadstone-As-Of"], as_of, "it is known anew")
            for other, status in zip((self.learner, None), others):
                self.assertEqual(self.ask_again(path, tag, other).status, status, "another is not told that it is the same")

    def test_a_dashboard_says_as_of_when(self):
        """Not long ago, and all that was acknowledged before is counted."""
        course = self.own[0]["id"]
        paths = [("/api/dashboards/instructor", self.cookie), (f"/api/dashboards/courses/{course}", self.cookie)]
        paths += [(f"/api/dashboards/organisation{each}", self.admin) for each in ("", "/courses", "/at-risk")]
        for path, cookie in paths * 2:
            began = now_us()
            as_of = self.get(path, cookie)["as_of"]
            at = datetime.datetime.fromisoformat(as_of.replace("Z", "+00:00")).timestamp() * 1e6
            self.assertTrue(began - 1_500_000 < at <= now_us(), f"{path}: {as_of}")

    def test_few_statements_are_needed(self):
        """One finds the session, and aggregates are read in one; what is left is a view, and costs none."""
        course = f"/api/dashboards/courses/{self.own[0]['id']}"
        dashboards = [("GET /api/dashboards/instructor", "/api/dashboards/instructor?limit=100", self.cookie, 5, 2),
                      ("GET /api/dashboards/courses/{course}", course, self.cookie, 6, 1),
                      # Totals, those with most learners, and their lines.
                      ("GET /api/dashboards/organisation", "/api/dashboards/organisation", self.admin, 11, 4),
                      ("GET /api/dashboards/organisation/courses", "/api/dashboards/organisation/courses", self.admin, 5, 2),
                      ("GET /api/dashboards/organisation/at-risk", "/api/dashboards/organisation/at-risk", self.admin, 3, 1)]
        for activity, path, cookie, first, kept in dashboards:
            self.expect_statements(self.server, activity, first, lambda: self.get(path, cookie))
            self.expect_statements(self.server, activity, kept, lambda: self.get(path, cookie), times=3)
        # So it is in the server that starts in its place; that one is an admin is asked anew.
        self.client.close()
        self.assertEqual(self.server.terminate(), 0)
        self.server.start()
        self.client = self.server.client()
        wait_until(lambda: "answers of before the start are used" in self.server.log_text(), 20, "the answers that were kept")
        for activity, path, cookie, _, kept in dashboards:
            self.expect_statements(self.server, activity, kept + (cookie == self.admin), lambda: self.get(path, cookie))

    @unittest.skipUnless(case.DATABASE == "sqlite", "PostgreSQL tells of those statements that it samples")
    def test_what_a_view_costs_is_told_as_such(self):
        """Nobody is told to declare a view of what a view's computation runs."""
        self.get("/api/dashboards/organisation", self.admin)
        told = {line["statement"]: line["is_of_view"] for line in top(self.server)["analytic"] if line["statement"].startswith("learning.")}
        self.assertEqual(told.get("learning.active_days"), True, told)
        self.assertNotIn(False, told.values(), told)
        lines = [line for line in self.server.log_lines() if line.get("statement") == "learning.active_days"]
        self.assertEqual([line["event"] for line in lines], ["computing a view added up many rows of the transactional database"])
        self.assertNotIn("declare a view", lines[0]["do"])

    def not_begun(self):
        """Of one course: lessons that a learner, signed in, has not begun; two of them at least."""
        own = ", ".join(str(course["id"]) for course in self.own)
        rows = self.database.rows("select e.course_id, e.user_id, l.id as lesson_id from enrolments as e "
                                  "join lessons as l on l.course_id = e.course_id left join lesson_progress as p "
                                  "on p.course_id = e.course_id and p.user_id = e.user_id and p.lesson_id = l.id "
                                  f"where e.course_id in ({own}) and p.user_id is null order by e.course_id, e.user_id, l.id")
        lessons = {}
        for row in rows:
            lessons.setdefault((row["course_id"], row["user_id"]), []).append(row["lesson_id"])
        (course, user), found = next(item for item in lessons.items() if len(item[1]) > 1)
        email = self.tables.value(f"select email from users where id = {user}")
        return course, found, self.client.post("/api/login", {"email": email, "password": self.password}).cookie

    def test_a_course_is_shown_as_it_is_now(self):
        course, (lesson, *_), learner = self.not_begun()
        path = f"/api/dashboards/courses/{course}"

        def begun():
            shown = self.get(path)
            return next(step["begun"] for step in shown["funnel"] if step["lesson"] == lesson)
        before = begun()
        self.assertEqual(begun(), before)
        tag = self.client.get(path, cookie=self.cookie).headers["ETag"]
        answer = self.client.post(f"/api/courses/{course}/lessons/{lesson}/progress", {"position_s": 1}, cookie=learner)
        self.assertEqual(answer.status, 200, str(answer))
        self.assertEqual(begun(), before + 1)
        self.assertEqual(self.ask_again(path, tag, self.cookie).status, 200, "it is another now")
        lessons = len(self.get(path)["funnel"])
        answer = self.client.post(f"/api/courses/{course}/lessons", {"title": "One more", "length_s": 60}, cookie=self.cookie)
        self.assertEqual(answer.status, 201, str(answer))
        self.assertEqual([step["title"] for step in self.get(path)["funnel"]][lessons:], ["One more"])

    def test_what_was_seen_on_one_node_is_shown_by_the_other(self):
        """By what the answer to a write gave its session to carry, whoever carries it then; and by nothing on the same node."""
        other = self.campus("other", role="web", smtp=None).start().client()
        self.addCleanup(other.close)
        nodes = self.client, other
        course, lessons, learner = self.not_begun()
        path = f"/api/dashboards/courses/{course}"

        def begun(node, *cookies):
            answer = node.get(path, cookie="; ".join((self.cookie, *cookies)))
            self.assertEqual(answer.status, 200, answer)
            return sum(step["begun"] for step in answer.json["funnel"])
        before = begun(self.client)
        for number, lesson in enumerate(lessons):
            node = nodes[number % 2]
            begun(nodes[1 - number % 2])  # it has asked the database a moment ago
            answer = node.post(f"/api/courses/{course}/lessons/{lesson}/progress", {"position_s": 1}, cookie=learner)
            self.assertEqual(answer.status, 200, answer)
            told = [line.split(";")[0] for line in answer.headers.get_all("Set-Cookie") or [] if line.startswith("position=")]
            self.assertEqual(len(told), 0 if case.DATABASE == "sqlite" else 1)
            self.assertEqual(begun(nodes[1 - number % 2], *told), before + number + 1)
            self.assertEqual(begun(node), before + number + 1)


if __name__ == "__main__":
    main()
