"""Grading runs that begin at a time, one after the other, and that are cancelled."""

import concurrent.futures
import email
import email.policy
import json
import time
import unittest

from harness.case import DATABASE, main
from harness.school import SchoolTest
from harness.waiting import wait_until


def after(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


class GradingTest(SchoolTest):
    def setUp(self):
        super().setUp()
        self.start()
        self.course_ = self.class_of("Optics")

    def class_of(self, title, learners=2, **more):
        course = self.course(title, **more)
        for number, learner in enumerate(self.people(learners)):
            self.enrol(course, learner)
            for quiz in course.quizzes:
                self.ask("POST", f"{course.path}/quizzes/{quiz}/attempts", {"points": number % 2}, learner.cookie, 201)
        return course

    def large(self):
        """Of 5,003 learners, more than are planned at once."""
        course = self.class_of("Large", capacity=10_000)
        self.database.execute("with recursive n(i) as (select 0 union all select i + 1 from n where i < 5000) insert into enrolments "
                              f"(course_id, user_id, enrolled_at, lessons_completed) select {course.id}, 1000000 + i, 0, 0 from n")
        self.database.execute(f"update course_seats set taken = 5003 where course_id = {course.id}")
        return course

    def calculate(self, course, at=None, status=202):
        answer = self.ask("POST", f"{course.path}/grades" + (f"?at={at}" if at else ""), cookie=self.teacher, status=status)
        return answer.headers["Location"] if status == 202 else answer

    def show(self, run):
        return self.ask("GET", run, cookie=self.teacher).json

    def wait_for(self, run, state, timeout_s=30):
        return wait_until(lambda: s if (s := self.show(run))["state"] == state else None, timeout_s, f"{run} to be {state}")

    def job(self, run):
        """That is to begin it or to go on with it."""
        return self.tables.value(f"select job from grading_runs where id = {run.rsplit('/', 1)[1]}")

    def cancel(self, run, status=204, cookie=None):
        return self.ask("DELETE", run, cookie=cookie or self.teacher, status=status)

    def notices(self):
        texts = [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in self.mail.store.glob("*.eml")]
        return sorted(text["Subject"] for text in texts if text["Subject"].startswith("The grades"))

    def test_a_run_begins_at_its_time_with_what_holds_then(self):
        at = after(3600)
        run = self.calculate(self.course_, at)
        shown = self.show(run)
        self.assertEqual((shown["state"], shown["learners"], shown["graded"], shown["ended_at"]), ("waiting", 0, 0, None))
        self.assertEqual(shown["started_at"][:19], at[:19])
        self.assertIn("it is scheduled for", self.server.command("jobs", "why", str(self.job(run))).stdout)
        refused = self.calculate(self.course_, after(60), 409)
        self.assertEqual(refused.json["detail"], f"a run of course {self.course_.id} waits for its time")
        self.calculate(self.course_, after(367 * 24 * 3600), 422)
        # One that begins now is no matter.
        self.wait_for(self.calculate(self.course_), "done")
        late, = self.people(1)
        self.enrol(self.course_, late)
        self.server.command("jobs", "retry", str(self.job(run)))
        shown = self.wait_for(run, "done")
        self.assertEqual((shown["learners"], shown["graded"]), (3, 3))
        self.assertLess(shown["started_at"], at)
        self.wait_for(self.calculate(self.course_, after(-60)), "done")
        self.wait_for_jobs(20)
        self.assertEqual(self.notices(), ["The grades are ready"] * 3)
        actions = self.database.rows("select action from audit_events where action like 'grades.%' order by id")
        self.assertEqual([row["action"] for row in actions], ["grades.scheduled", "grades.started", "grades.scheduled"])

    def test_a_run_whose_time_has_come_waits_for_the_end_of_the_one_that_runs(self):
        self.server.command("jobs", "pause", "grades")
        first = self.calculate(self.course_)
        second = self.calculate(self.course_, after(-60))
        wait_until(lambda: self.tables.count("loadstone_blocked") == 2, 20, "the second to wait for the first")
        self.assertEqual((self.show(first)["state"], self.show(second)["state"]), ("running", "waiting"))
        self.assertIn("it waits for 1 other jobs to end", self.server.command("jobs", "why", str(self.job(second))).stdout)
        self.server.command("jobs", "resume", "grades")
        ended = self.wait_for(second, "done")
        self.assertGreaterEqual(ended["started_at"], self.show(first)["ended_at"])
        # Also when the first is cancelled meanwhile.
        self.server.command("jobs", "pause", "grades")
        first = self.calculate(self.course_)
        second = self.calculate(self.course_, after(-60))
        wait_until(lambda: self.tables.count("loadstone_blocked") == 2, 20, "the second to wait for the first")
        self.cancel(first)
        self.wait_for(second, "running")
        self.server.command("jobs", "resume", "grades")
        self.wait_for(second, "done")
        self.assertEqual(self.show(first)["state"], "cancelled")
        self.wait_for_jobs(20)
        self.assertEqual(self.notices(), ["The grades are ready"] * 3)

    def test_a_run_that_is_cancelled_leaves_no_jobs(self):
        waiting = self.calculate(self.course_, after(3600))
        self.cancel(waiting)
        self.assertEqual(self.tables.count("loadstone_scheduled"), 0)
        shown = self.show(waiting)
        self.assertEqual((shown["state"], shown["reason"], shown["graded"]), ("cancelled", None, 0))
        refused = self.cancel(waiting, 409)
        self.assertEqual(refused.json["detail"], f"run {shown['id']} has ended, or has just gone on")
        large = self.large()
        self.server.command("jobs", "pause", "grades")
        running = self.calculate(large)
        wait_until(lambda: self.tables.count("grading_slices") > 20, 20, "the run to be planned")
        self.cancel(running, 403, self.eve)
        self.cancel(f"{self.course_.path}/grades/{self.show(running)['id']}", 404)
        self.cancel(running)
        self.wait_for_jobs(20)
        self.assertEqual((self.tables.count("grading_slices"), self.tables.count("grades")), (0, 0))
        self.assertEqual(self.show(running)["state"], "cancelled")
        self.server.command("jobs", "resume", "grades")

    def test_what_is_graded_when_a_run_is_cancelled_stays_and_the_rest_is_not(self):
        large = self.large()
        self.server.command("jobs", "pause", "grades")
        running = self.calculate(large)
        wait_until(lambda: self.tables.count("grading_slices") > 20, 20, "the run to be planned")
        # All but six slices are where nobody looks for them.
        self.database.execute("update loadstone_ready set queue = 'held' where queue = 'grades' and seq not in "
                              "(select seq from loadstone_ready where queue = 'grades' order by seq limit 6)")
        self.server.command("jobs", "resume", "grades")
        wait_until(lambda: self.show(running)["graded"] == 1200, 20, "six slices")
        self.cancel(running)
        self.wait_for_jobs(20)
        shown = self.show(running)
        self.assertEqual((shown["state"], shown["graded"], self.tables.count("grades")), ("cancelled", 1200, 1200))
        self.wait_for(self.calculate(large), "done")
        self.assertEqual(self.tables.count("grades"), 5003)

    def test_a_run_waits_no_more_for_one_whose_job_was_cancelled(self):
        self.server.command("jobs", "pause", "grades")
        first = self.calculate(self.course_)
        second = self.calculate(self.course_, after(-60))
        wait_until(lambda: self.tables.count("loadstone_blocked") == 2, 20, "the second to wait for the first")
        job = self.job(first)
        self.server.command("jobs", "cancel", str(job))
        self.wait_for(second, "running")
        shown = self.show(first)
        self.assertEqual((shown["state"], shown["reason"]), ("failed", f"job {job}, which was to go on with it, is gone"))
        self.server.command("jobs", "resume", "grades")
        self.wait_for(second, "done")
        self.wait_for_jobs(20)
        self.assertEqual(self.notices(), ["The grades are not ready", "The grades are ready"])

    @unittest.skipUnless(DATABASE == "postgres", "SQLite has one writer")
    def test_what_is_graded_while_a_run_is_cancelled_counts(self):
        learner = self.tables.value(f"select min(user_id) from enrolments where course_id = {self.course_.id}")
        # The job that grades this learner has recorded its slice, and waits to give the grade.
        other = (f"insert into grades (course_id, user_id, run_id, grade, graded_at) values ({self.course_.id}, {learner}, 0, 0, 0); "
                 "select pg_sleep(60)")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            with self.database.session(other):
                running = self.calculate(self.course_)
                wait_until(lambda: self.database.waiting_for_locks("insert into grades ") == 1, 20, "the slice to be recorded")
                cancelled = pool.submit(self.cancel, running)
                wait_until(lambda: self.database.waiting_for_locks("delete from grading_slices ") == 1, 20, "the cancellation to wait")
            cancelled.result(20)
        self.wait_for_jobs(20)
        shown = self.show(running)
        self.assertEqual((shown["state"], shown["graded"], self.tables.count("grades")), ("cancelled", 2, 2))

    def test_runs_whose_time_has_come_give_way_to_one_that_is_started(self):
        self.server.terminate()
        self.client.close()
        self.server.settings["jobs_running_max"] = 1
        self.server.start()
        self.server.command("jobs", "pause", "learning")
        scheduled = [self.calculate(self.class_of(f"Course {number}", 1), after(-60)) for number in range(3)]
        started = self.calculate(self.large())
        self.server.command("jobs", "resume", "learning")
        for run in (started, *scheduled):
            self.wait_for(run, "done", 60)
        # Each was given the job that ends it when it was planned.
        self.assertLess(self.job(started), min(map(self.job, scheduled)))

    def listed(self, queue, *words):
        return json.loads(self.server.command("jobs", "list", "--queue", queue, *words, "--json").stdout)

    def test_mails_that_hang_hold_up_no_run(self):
        # More of them than the module has places, and all that they can take are taken.
        self.wait_for_jobs(20)
        self.mail.mode("silent stage=rcpt")
        for _ in range(6):
            self.wait_for(self.calculate(self.course_), "done")
        self.assertEqual(len(self.listed("grade_notices")), 6)
        wait_until(lambda: self.mail.stats()["held"] == 2, 20, "mails to hang")
        self.assertEqual(len(self.listed("grade_notices", "--state", "running")), 2)
        self.wait_for(self.calculate(self.large()), "done")

    def test_a_run_that_cannot_begin_fails(self):
        bare = self.class_of("Bare", quizzes=((5, 0),))
        shown = self.wait_for(self.calculate(bare, after(-60)), "failed")
        self.assertEqual(shown["reason"], f"course {bare.id} has no quiz with a weight")
        # Whose job an operator has cancelled.
        stranded = self.calculate(self.course_, after(3600))
        job = self.job(stranded)
        self.server.command("jobs", "cancel", str(job))
        self.database.execute("update grading_runs set started_at = started_at - 7200000000 where state = 'waiting'")
        self.database.execute("update loadstone_schedules set fired_at = fired_at - 3600000000 where name = 'learning.stranded'")
        shown = self.wait_for(stranded, "failed")
        self.assertEqual(shown["reason"], f"job {job}, which was to go on with it, is gone")
        self.wait_for_jobs(20)
        self.assertEqual(self.notices(), ["The grades are not ready"] * 2)
        self.wait_for(self.calculate(self.course_, after(-60)), "done")


if __name__ == "__main__":
    main()
