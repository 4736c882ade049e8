"""Courses and learning: no seat is given twice, and grades are right and told once, whoever dies meanwhile."""

import email
import email.policy
import itertools
import random
import time

from harness.case import main
from harness.school import DAY, SchoolTest, grade_of
from harness.waiting import wait_until


class LearningTest(SchoolTest):
    def attempt(self, course, quiz, learner, points, status=201):
        return self.ask("POST", f"{course.path}/quizzes/{quiz}/attempts", {"points": points}, learner.cookie, status)

    def ping(self, course, lesson, learner, position, status=200):
        return self.ask("POST", f"{course.path}/lessons/{lesson}/progress", {"position_s": position}, learner.cookie, status)

    def grade(self, course, learner):
        """In hundredths of a percent; None: there is none."""
        answer = self.client.get(f"{course.path}/grade", cookie=learner.cookie)
        return None if answer.status == 404 else round(answer.json["percent"] * 100)

    def calculate(self, course):
        started = self.ask("POST", f"{course.path}/grades", cookie=self.teacher, status=202)
        self.assertEqual(started.headers["Location"], f"{course.path}/grades/{started.json['id']}")
        return started.headers["Location"]

    def show(self, run):
        return self.ask("GET", run, cookie=self.teacher).json

    def wait_ended(self, run, state="done", timeout_s=30):
        shown = wait_until(lambda: s if (s := self.show(run))["state"] != "running" else None, timeout_s, "the run to end")
        self.assertEqual(shown["state"], state, shown)
        return shown

    def notices(self):
        texts = [email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
                 for file in self.mail.store.glob("*.eml")]
        return [text for text in texts if text["Subject"].startswith("The grades")]

    def test_no_seat_is_given_twice(self):
        self.start()
        for number in range(2, 5):
            self.campus(f"web{number}", role="web", data=self.folder / "data").start()
        seats = 100
        course = self.course(capacity=seats)
        people = self.people(300)

        def enrolling(learner):
            return lambda client: (learner, client.post(f"{course.path}/enrolment", cookie=learner.cookie))
        began = time.monotonic()
        # Each asks twice, at about the same time.
        answers = self.at_once(enrolling(learner) for learner in people for _ in range(2))
        seconds = time.monotonic() - began
        statuses = {}
        for _, answer in answers:
            statuses[answer.status] = statuses.get(answer.status, 0) + 1
            if answer.status == 409:
                self.assertRegex(answer.json["detail"], f"^course {course.id} is full: all {seats} seats are taken$|"
                                                        f"^you are enrolled in course {course.id} already$")
        self.assertEqual(set(statuses), {201, 409}, [answer for _, answer in answers if answer.status not in (201, 409)])
        acknowledged = [learner.id for learner, answer in answers if answer.status == 201]
        self.assertEqual(len(acknowledged), seats, "all seats are taken")
        self.assertEqual(self.check_seats(course, seats), set(acknowledged))
        self.say(f"{len(people)} people for {seats} seats, {len(answers)} requests in {seconds:.1f} s: {statuses}, "
                 f"oversold {max(0, len(acknowledged) - seats)}")
        # Some leave while others come.
        inside = [learner for learner in people if learner.id in set(acknowledged)]
        outside = [learner for learner in people if learner.id not in set(acknowledged)]
        leaving = inside[:60]

        def leave(learner):
            return lambda client: (learner, client.request("DELETE", f"{course.path}/enrolment", cookie=learner.cookie))
        moves = itertools.chain.from_iterable(zip((leave(learner) for learner in leaving),
                                                  (enrolling(learner) for learner in outside[:60]),
                                                  (enrolling(learner) for learner in outside[60:120])))
        answers = self.at_once(moves)
        left = {learner.id for learner, answer in answers if answer.status == 204}
        came = {learner.id for learner, answer in answers if answer.status == 201}
        self.assertEqual(left, {learner.id for learner in leaving})
        self.assertLessEqual({answer.status for _, answer in answers}, {201, 204, 409})
        self.assertEqual(self.check_seats(course, seats), set(acknowledged) - left | came)
        self.say(f"{len(left)} left, {len(came)} came")
        self.ask("DELETE", f"{course.path}/enrolment", cookie=leaving[0].cookie, status=404)
        empty = self.course("Nobody is in it")
        self.ask("DELETE", f"{empty.path}/enrolment", cookie=leaving[0].cookie, status=404)

    def test_the_catalogue(self):
        self.start(role="web")
        titles = ["Optics", "algebra", "Algebra II", "Ästhetik", "Botany", "ALGOL", "Algebra"]
        courses = {title: self.course(title).id for title in titles}
        draft = self.course("Algebra III", is_published=False)
        self.ask("GET", f"/api/courses?after={draft.id}", status=422)
        for after in (courses["Algebra"], courses["algebra"]):
            found = self.ask("GET", f"/api/courses?title=opt&after={after}").json["courses"]
            self.assertEqual([each["title"] for each in found], ["Optics"])

        def pages(query, limit):
            found, after = [], ""
            while True:
                page = self.ask("GET", f"/api/courses?limit={limit}{query}{after}").json
                self.assertLessEqual(len(page["courses"]), limit)
                found += [course["title"] for course in page["courses"]]
                if page["next_after"] is None:
                    return found
                after = f"&after={page['next_after']}"
        in_order = ["algebra", "Algebra", "Algebra II", "ALGOL", "Botany", "Optics", "Ästhetik"]
        for limit in (1, 2, 3, 7, 50):
            self.assertEqual(pages("", limit), in_order)
            self.assertEqual(pages("&title=aLgebra", limit), in_order[:3])
        self.assertEqual(pages("&title=%C3%84", 50), ["Ästhetik"])
        self.assertEqual(pages("&title=%25", 50), [])
        self.ask("GET", "/api/courses?after=999999", status=422)
        page = self.ask("GET", f"/api/courses/{courses['Optics']}").json
        self.assertEqual((page["title"], page["instructor"]["name"], page["state"]), ("Optics", "Ada Lovelace", "published"))
        self.assertEqual([(lesson["number"], lesson["length_s"], len(lesson["quizzes"])) for lesson in page["lessons"]],
                         [(1, 60, 1)])
        # A draft is its instructor's alone.
        for cookie, status in ((None, 404), (self.eve, 404), (self.teacher, 200)):
            self.ask("GET", draft.path, cookie=cookie, status=status)
        self.ask("POST", f"{draft.path}/publish", cookie=self.eve, status=404)
        self.ask("POST", f"{draft.path}/enrolment", cookie=self.eve, status=404)
        self.ask("POST", f"/api/courses/{courses['Optics']}/lessons", {"title": "Mine", "length_s": 1}, self.eve, 403)
        self.ask("POST", f"{draft.path}/lessons/{draft.lessons[0]}/progress", {"position_s": 99_999}, self.eve, 404)
        self.ask("POST", f"{draft.path}/quizzes/{next(iter(draft.quizzes))}/attempts", {"points": 99}, self.eve, 404)
        self.ask("POST", f"/api/courses/{courses['Optics']}/grades", cookie=self.eve, status=403)
        empty = self.course("Empty", lessons=(), quizzes=(), is_published=False)
        self.ask("POST", f"{empty.path}/publish", cookie=self.teacher, status=409)
        self.ask("POST", "/api/courses", {"title": "T", "description": "", "capacity": 1, "prerequisites": [draft.id]},
                 self.teacher, 422)
        self.ask("POST", "/api/courses", {"title": "T", "description": "", "capacity": 0}, self.teacher, 422)
        self.ask("POST", "/api/courses", {"title": "\U0010ffffT", "description": "", "capacity": 1}, self.teacher, 422)
        # Lessons that are added at once are numbered without a gap.
        answers = self.at_once([lambda client: client.post(f"{draft.path}/lessons", {"title": "L", "length_s": 5},
                                                           cookie=self.teacher)] * 30, clients=8)
        self.assertEqual({answer.status for answer in answers}, {201})
        page = self.ask("GET", draft.path, cookie=self.teacher).json
        self.assertEqual([lesson["number"] for lesson in page["lessons"]], list(range(1, 32)))
        # A limit that does not pass: nobody is told to come again.
        self.database.execute(f"update courses set lesson_count = 500, quiz_count = 200 where id = {draft.id}")
        for path, body in ((f"{draft.path}/lessons", {"title": "L", "length_s": 5}),
                           (f"{draft.path}/lessons/{draft.lessons[0]}/quizzes", {"title": "Q", "points_max": 1, "weight": 1})):
            refused = self.ask("POST", path, body, self.teacher, 409)
            self.assertNotIn("Retry-After", refused.headers)

    def test_a_learner_comes_through(self):
        self.start(role="web")
        first = self.course("First", lessons=(100, 50), quizzes=((10, 1),))
        second = self.course("Second", prerequisites=[first.id])
        self.assertEqual([course["id"] for course in self.ask("GET", second.path).json["prerequisites"]], [first.id])
        learner, other = self.people(2)
        refused = self.enrol(second, learner, status=409)
        self.assertEqual(refused.json["detail"], f"0 of the 1 prerequisites of course {second.id} are completed")
        self.ping(first, first.lessons[0], learner, 5, status=403)
        self.attempt(first, next(iter(first.quizzes)), learner, 5, status=403)
        self.ask("POST", f"{first.path}/enrolment", status=401)
        self.enrol(first, learner)
        self.enrol(first, learner, status=409)
        # The greatest position wins, in whatever order pings come.
        for position, kept in ((10, 10), (30, 30), (20, 30), (30, 30), (0, 30)):
            self.assertEqual(self.ping(first, first.lessons[0], learner, position).json["position_s"], kept)
        self.at_once([lambda client, position=position: client.post(
            f"{first.path}/lessons/{first.lessons[0]}/progress", {"position_s": position}, cookie=learner.cookie)
            for position in range(31, 99)], clients=8)
        progress = self.ask("GET", f"{first.path}/progress", cookie=learner.cookie).json
        self.assertEqual([(lesson["position_s"], lesson["completed_at"]) for lesson in progress["lessons"]], [(98, None), (0, None)])
        self.ping(first, first.lessons[0], learner, 101, status=422)
        self.ping(second, first.lessons[0], learner, 1, status=404)
        # Both last lessons are completed at the same moment, several times each.
        answers = self.at_once([lambda client, lesson=lesson, length=length: client.post(
            f"{first.path}/lessons/{lesson}/progress", {"position_s": length}, cookie=learner.cookie)
            for _ in range(4) for lesson, length in zip(first.lessons, (100, 50))], clients=8)
        self.assertEqual({answer.status for answer in answers}, {200})
        progress = self.ask("GET", f"{first.path}/progress", cookie=learner.cookie).json
        self.assertEqual(progress["lessons_completed"], 2)
        self.assertIsNotNone(progress["completed_at"])
        self.enrol(second, learner)
        self.enrol(second, other, status=409)
        own = self.ask("GET", "/api/enrolments?limit=1", cookie=learner.cookie).json
        self.assertEqual([(each["course"], each["lessons_completed"]) for each in own["enrolments"]], [(first.id, 2)])
        rest = self.ask("GET", f"/api/enrolments?limit=1&after={own['next_after']}", cookie=learner.cookie).json
        self.assertEqual([each["course"] for each in rest["enrolments"]], [second.id])
        # Who leaves and comes back has what they had.
        self.ask("DELETE", f"{first.path}/enrolment", cookie=learner.cookie, status=204)
        self.enrol(first, learner)
        self.assertEqual(self.ask("GET", "/api/enrolments", cookie=learner.cookie).json["enrolments"][0]["lessons_completed"], 2)
        quiz = next(iter(first.quizzes))
        for number, (points, best) in enumerate(((3, 3), (7, 7), (5, 7)), 1):
            self.assertEqual(self.attempt(first, quiz, learner, points).json, {"attempts": number, "best": best})
        self.attempt(first, quiz, learner, 11, status=422)
        self.attempt(second, quiz, learner, 1, status=404)
        self.database.execute(f"insert into quiz_attempts (course_id, user_id, quiz_id, points, attempted_at) "
                              f"select course_id, user_id, quiz_id, 0, 0 from quiz_attempts cross join ("
                              + " union all ".join(f"select {number}" for number in range(32)) + ") as n")
        self.attempt(first, quiz, learner, 1)
        self.attempt(first, quiz, learner, 1, status=409)

    def test_a_run_counts_what_was_before_it(self):
        self.start(role="web")
        course = self.course(quizzes=((10, 1), (4, 3), (5, 0)))
        one, two, three = course.quizzes
        early, idle, late = self.people(3)
        self.enrol(course, early)
        self.enrol(course, idle)
        self.attempt(course, one, early, 10)
        self.attempt(course, two, early, 1)
        self.attempt(course, three, early, 5)
        self.assertIsNone(self.grade(course, early))
        run = self.calculate(course)
        shown = self.show(run)
        self.assertEqual((shown["state"], shown["learners"], shown["graded"], shown["average_percent"]), ("running", 2, 0, None))
        refused = self.ask("POST", f"{course.path}/grades", cookie=self.teacher, status=409)
        self.assertEqual(refused.json["detail"], f"run {shown['id']} of course {course.id} is running")
        self.ask("GET", run, cookie=self.eve, status=403)
        # All of this is later, though nothing has been graded yet.
        self.attempt(course, two, early, 4)
        self.enrol(course, late)
        self.ask("POST", f"{course.path}/lessons/{course.lessons[0]}/quizzes",
                 {"title": "Late", "points_max": 1, "weight": 100}, self.teacher, 201)
        self.worker()
        shown = self.wait_ended(run)
        self.assertEqual((shown["learners"], shown["graded"]), (2, 2))
        self.assertEqual(self.grade(course, early), 4375)
        self.assertEqual(self.grade(course, idle), 0)
        self.assertIsNone(self.grade(course, late))
        self.assertEqual(shown["average_percent"], 21.875)
        self.assertEqual(shown["distribution"], [1, 0, 0, 0, 1, 0, 0, 0, 0, 0])
        # The next one counts it.
        shown = self.wait_ended(self.calculate(course))
        self.assertEqual(shown["graded"], 3)
        self.assertEqual(self.grade(course, early), grade_of({one: (10, 1), two: (4, 3), 0: (1, 100)}, {one: 10, two: 4}))
        self.wait_for_jobs(20)
        self.assertEqual(len(self.notices()), 2)
        nobody = self.course("Nobody")
        shown = self.wait_ended(self.calculate(nobody))
        self.assertEqual((shown["graded"], shown["average_percent"], shown["distribution"]), (0, 0, [0] * 10))
        bare = self.course("Bare", quizzes=((5, 0),))
        refused = self.ask("POST", f"{bare.path}/grades", cookie=self.teacher, status=409)
        self.assertEqual(refused.json["detail"], f"course {bare.id} has no quiz with a weight")

    def fill(self, course, learners, first_user=1_000_000):
        """Learners without accounts, with two attempts at most quizzes."""
        enrolled_at = int(time.time() * 1e6) - DAY
        self.database.execute(
            f"with recursive n(i) as (select 0 union all select i + 1 from n where i + 1 < {learners}) "
            "insert into enrolments (course_id, user_id, enrolled_at, lessons_completed) "
            f"select {course.id}, {first_user} + i * 3, {enrolled_at}, 0 from n")
        for quiz, (points_max, _) in course.quizzes.items():
            self.database.execute(
                "insert into quiz_attempts (course_id, user_id, quiz_id, points, attempted_at) "
                f"select course_id, user_id, {quiz}, (user_id / 3 * 7919 + {quiz} * 104729 + k.k * 1299721) % {points_max + 1}, "
                f"{enrolled_at} + k.k from enrolments cross join (select 1 as k union all select 2) as k "
                f"where course_id = {course.id} and (user_id / 3 + {quiz}) % 5 > 0")
        self.database.execute(f"delete from course_seats where course_id = {course.id}")
        self.database.execute("insert into course_seats (course_id, taken) select course_id, count(*) from enrolments "
                              f"where course_id = {course.id} group by course_id")

    def expected_grades(self, course):
        best = {row["user_id"]: {} for row in self.database.rows(f"select user_id from enrolments where course_id = {course.id}")}
        for row in self.database.rows("select user_id, quiz_id, max(points) as points from quiz_attempts "
                                      f"where course_id = {course.id} group by user_id, quiz_id"):
            best[row["user_id"]][row["quiz_id"]] = row["points"]
        return {user: grade_of(course.scheme, points) for user, points in best.items()}

    def test_killed_in_the_middle_the_run_ends_once(self):
        self.start()
        course = self.course(capacity=50_000, quizzes=((10, 1), (7, 3), (100, 10), (3, 2), (50, 0), (13, 5)))
        people = self.people(20)
        for number, learner in enumerate(people):
            self.enrol(course, learner)
            self.attempt(course, next(iter(course.quizzes)), learner, number % 11)
        self.fill(course, 25_000)
        expected = self.expected_grades(course)
        self.assertEqual(len(expected), 25_020)
        began = time.monotonic()
        run = self.calculate(course)
        answered = time.monotonic() - began
        seen = [0]

        def progressed(share):
            shown = self.show(run)
            self.assertEqual(shown["state"], "running", "it ends too soon to be killed")
            self.assertGreaterEqual(shown["graded"], seen[-1], "what is graded stays graded")
            return shown["graded"] if shown["graded"] > max(seen[-1], share * len(expected)) else None
        for share in (random.uniform(0, 0.3), random.uniform(0.3, 0.7)):
            seen.append(wait_until(lambda: progressed(share), 30, "slices to be graded"))
            self.server.kill()
            self.client.close()
            self.server.start()
        self.assertLess(seen[-1], len(expected))
        shown = self.wait_ended(run, timeout_s=60)
        self.say(f"{len(expected)} learners, answered in {answered * 1e3:.0f} ms, killed at {seen[1:]}, done after "
                 f"{time.monotonic() - began:.1f} s")
        self.assertEqual((shown["learners"], shown["graded"]), (len(expected), len(expected)), "each is graded once")
        grades = {row["user_id"]: row["grade"] for row in
                  self.database.rows(f"select user_id, grade from grades where course_id = {course.id}")}
        self.assertEqual(grades, expected)
        for learner in people[:5]:
            self.assertEqual(self.grade(course, learner), expected[learner.id])
        buckets = [0] * 10
        for grade in expected.values():
            buckets[min(grade // 1000, 9)] += 1
        self.assertEqual(shown["distribution"], buckets)
        self.assertGreater(sum(bucket > 0 for bucket in buckets), 5, "grades are of many kinds")
        average = sum(expected.values()) / len(expected) / 100
        self.assertAlmostEqual(shown["average_percent"], average, places=6)
        self.wait_for_jobs(20)
        notice, = self.notices()
        self.assertEqual(notice["To"], "Ada Lovelace <ada@example.org>")
        self.assertIn(f'the grades of "Optics" are calculated: {len(expected)} learners, {average:.2f} % on average',
                      notice.get_content())
        self.assertIn(f"https://campus.example.org{run}", notice.get_content())
        self.assertEqual(self.tables.count("deliveries", "subject like 'The grades%'"), 1)
        self.assertEqual(self.show(run), shown, "it has ended once")
        self.assertEqual(self.tables.count("grading_slices"), 0)

    def test_a_run_that_cannot_go_on_fails(self):
        self.start(role="web")
        course = self.course()
        learner, = self.people(1)
        self.enrol(course, learner)
        run = self.calculate(course)
        self.database.execute("update grading_runs set scheme = '['")
        large = self.course("Large", capacity=10_000)
        self.fill(large, 4_001)
        stranded = self.calculate(large)
        self.assertEqual(self.show(stranded)["learners"], 4_001)
        plan = self.tables.value(f"select job from grading_runs where course_id = {large.id}")
        self.server.command("jobs", "cancel", str(plan))
        self.database.execute(f"update grading_runs set started_at = started_at - 3600000000 where course_id = {large.id}")
        worker = self.worker()
        shown = self.wait_ended(run, state="failed")
        self.assertEqual(shown["reason"], "1 of 1 slices of the learners could not be graded")
        self.assertIsNone(shown["distribution"])
        self.assertIsNone(self.grade(course, learner))
        self.database.execute("update loadstone_schedules set fired_at = fired_at - 3600000000 where name = 'learning.stranded'")
        shown = self.wait_ended(stranded, state="failed")
        self.assertEqual(shown["reason"], f"job {plan}, which was to go on with it, is gone")
        wait_until(lambda: len(self.notices()) == 2, 20, "two mails")
        for notice in self.notices():
            self.assertEqual(notice["Subject"], "The grades are not ready")
        # What would end it cannot: it is given up at once, and says how many were graded.
        spoilt = self.course("Spoilt")
        self.enrol(spoilt, learner)
        worker.terminate()
        unended = self.calculate(spoilt)
        id = self.show(unended)["id"]
        finish = self.tables.value(f"select job from grading_runs where id = {id}")
        self.database.execute("insert into grading_slices (run_id, number, after_user, last_user, learners, graded, grade_sum, buckets) "
                              f"values ({id}, 2, 0, 0, 7, 7, 0, '[')")
        worker.start()
        shown = self.wait_ended(unended, state="failed")
        self.assertEqual((shown["reason"], shown["graded"]), (f"it was given up; the log has the reason under job {finish}", 8))
        wait_until(lambda: len(self.notices()) == 3, 20, "the mail")
        # Another may begin.
        self.wait_ended(self.calculate(course))
        self.wait_ended(self.calculate(large))
        self.assertEqual(self.tables.count("grades", f"course_id = {large.id}"), 4_001)


if __name__ == "__main__":
    main()
