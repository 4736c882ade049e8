"""The charts of many readers cost the column store the questions of one, until a fact comes; who has them is told so without a question."""

import re
from concurrent.futures import ThreadPoolExecutor

from harness.case import ProcessTest, main
from harness.waiting import wait_until

QUESTIONS = 5
READERS = 20
PATH = "/api/dashboards/instructor/analytics"


class SharedChartsTest(ProcessTest):
    def setUp(self):
        super().setUp()
        self.server = self.campus("campus", smtp=None)
        self.server.command("migrate")
        seeded = self.server.command("seed", "--users", "200", "--courses", "10", timeout_s=300).stdout
        self.instructor, self.password = re.search(r"the instructor (\S+), with the password (\S+)$", seeded, re.M).groups()
        self.server.start()
        self.client = self.server.client()
        self.addCleanup(self.client.close)
        self.cookie = self.sign_in(self.instructor)
        wait_until(lambda: self.tables.value("select count(*) from loadstone_fact_work where state = 'done'") == 1, 30, "the back-fill")
        self.wait_for_the_store()

    def sign_in(self, email):
        return self.client.post("/api/login", {"email": email, "password": self.password}).cookie

    def wait_for_the_store(self):
        wait_until(lambda: self.tables.count("loadstone_facts") == 0, 30, "all facts to be carried")

    def metric(self, name):
        text = self.client.get("/metrics").body.decode()
        return sum(float(value) for value in re.findall(rf"^loadstone_analytics_answer_{name}(?:{{[^}}]*}})? (\S+)$", text, re.M))

    def asked(self):
        return self.metric("misses_total")

    def charts(self, client=None, **headers):
        answer = (client or self.client).get(PATH, cookie=self.cookie, headers=headers)
        self.assertIn(answer.status, (200, 304), answer)
        return answer

    def figures(self, answer):
        return {name: {key: value for key, value in part.items() if key != "as_of"} if isinstance(part, dict) else part
                for name, part in answer.json.items()}

    def test_many_readers_ask_as_one(self):
        before = self.asked()
        clients = [self.server.client() for _ in range(READERS)]
        for client in clients:
            self.addCleanup(client.close)
        with ThreadPoolExecutor(READERS) as pool:
            answers = list(pool.map(self.charts, clients))
        self.assertEqual(self.asked(), before + QUESTIONS)
        for answer in answers:
            self.assertEqual(self.figures(answer), self.figures(answers[0]))
        self.assertGreater(answers[0].json["funnel"]["learners"]["enrolled"], 0)
        self.assertEqual(self.metric("hits_total") + self.metric("waits_total"), QUESTIONS * (READERS - 1))
        self.assertGreater(self.metric("bytes"), 0)

        # Who has them is told so, of a state that is known anew, and the store is asked nothing.
        tag, as_of = answers[0].headers["ETag"], answers[0].headers["Loadstone-As-Of"]

        def confirmed():
            again = self.charts(**{"If-None-Match": tag})
            self.assertEqual((again.status, again.headers["ETag"]), (304, tag))
            return again.headers["Loadstone-As-Of"] > as_of
        wait_until(confirmed, 10, "a later state that is the same")
        self.assertEqual(self.asked(), before + QUESTIONS)

        # A fact: all are asked anew, once, and show it.
        course, learner = self.idle_one(answers[0].json)
        lesson = self.tables.value(f"select max(id) from lessons where course_id = {course}")
        posted = self.client.post(f"/api/courses/{course}/lessons/{lesson}/progress", {"position_s": 1}, cookie=learner)
        self.assertEqual(posted.status, 200, posted)
        self.wait_for_the_store()
        after = self.charts(**{"If-None-Match": tag})
        self.assertEqual(after.status, 200)
        self.assertEqual(after.json["at_risk"]["total"], answers[0].json["at_risk"]["total"] - 1)
        self.assertEqual(self.asked(), before + 2 * QUESTIONS)
        self.assertEqual(self.figures(self.charts()), self.figures(after))
        self.assertEqual(self.asked(), before + 2 * QUESTIONS)

    def idle_one(self, shown):
        one = shown["at_risk"]["learners"][0]
        email = self.tables.value(f"select email from users where id = {one['learner']}")
        return one["course"], self.sign_in(email)


if __name__ == "__main__":
    main()
