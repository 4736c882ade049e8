"""Discussions: no post is lost or doubled, pages miss none, and whoever is answered gets one mail an hour."""

import concurrent.futures
import email
import email.policy
import time

from harness.case import main
from harness.http_client import Lost
from harness.school import DAY, SchoolTest
from harness.waiting import wait_until


class DiscussionsTest(SchoolTest):
    def begin(self, course, cookie, title="Lenses", text="What bends light?", status=201):
        """A thread; gives its path."""
        answer = self.ask("POST", f"{course.path}/threads", {"title": title, "text": text}, cookie, status)
        if status != 201:
            return None
        path = f"{course.path}/threads/{answer.json['id']}"
        self.assertEqual(answer.headers["Location"], path)
        return path

    def post(self, thread, cookie, text="Glass.", status=201, **more):
        answer = self.ask("POST", f"{thread}/posts", {"text": text, **more}, cookie, status)
        return answer.json["number"] if status == 201 else answer

    def shown(self, thread, cookie):
        return self.ask("GET", thread, cookie=cookie).json

    def posts(self, thread, cookie, limit=200):
        found, after = [], ""
        while True:
            page = self.ask("GET", f"{thread}/posts?limit={limit}{after}", cookie=cookie).json
            self.assertLessEqual(len(page["posts"]), limit)
            found += page["posts"]
            if page["next_after"] is None:
                return found
            after = f"&after={page['next_after']}"

    def threads(self, course, cookie, limit=200, client=None):
        found, after = [], ""
        while True:
            page = self.ask("GET", f"{course.path}/threads?limit={limit}{after}", cookie=cookie, client=client).json
            self.assertLessEqual(len(page["threads"]), limit)
            found += page["threads"]
            if page["next_after"] is None:
                return found
            after = f"&after={page['next_after']}"

    def class_of(self, count, **course):
        course = self.course(**course)
        learners = self.people(count)
        for learner in learners:
            self.enrol(course, learner)
        return course, *learners

    def check_counters(self):
        """What threads say of their posts is what the posts are: numbers from 1 on, without gaps."""
        counted = {row["id"]: row for row in self.database.rows("select id, post_count, last_post_at from threads")}
        found = {row["thread_id"]: row for row in self.database.rows(
            "select thread_id, count(*) as posts, min(number) as first, max(number) as last, max(created_at) as newest "
            "from posts group by thread_id")}
        self.assertEqual(set(counted), set(found))
        for thread, row in counted.items():
            posts = found[thread]
            self.assertEqual((posts["posts"], posts["first"], posts["last"]), (row["post_count"], 1, row["post_count"]))
            self.assertEqual(row["last_post_at"], posts["newest"])

    def notices(self):
        """Of each address the messages that tell of posts."""
        found = {}
        for file in self.mail.store.glob("*.eml"):
            message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            if message["Subject"] == "New posts in a discussion":
                found.setdefault(message["X-Envelope-To"], []).append(message)
        return found

    def test_who_may_read_and_write(self):
        self.start(role="web")
        course, zoe, tim = self.class_of(2)
        thread = self.begin(course, zoe.cookie)
        listed, = self.threads(course, zoe.cookie)
        self.assertEqual(listed, self.shown(thread, zoe.cookie))
        self.assertEqual({name: listed[name] for name in ("title", "author", "posts", "unread", "pinned", "locked")},
                         {"title": "Lenses", "author": {"id": zoe.id, "name": "Zoë"}, "posts": 1, "unread": 0,
                          "pinned": False, "locked": False})
        for cookie, status in ((self.eve, 403), (None, 401)):
            self.ask("GET", f"{course.path}/threads", cookie=cookie, status=status)
            self.ask("GET", thread, cookie=cookie, status=status)
            self.ask("GET", f"{thread}/posts", cookie=cookie, status=status)
            self.ask("PUT", f"{thread}/read", {"number": 1}, cookie, status)
            self.ask("PATCH", f"{thread}/posts/1", {"text": "Mine"}, cookie, status)
            self.ask("DELETE", f"{thread}/posts/1", cookie=cookie, status=status)
            self.ask("PATCH", thread, {"pinned": True}, cookie, status)
            self.ask("DELETE", thread, cookie=cookie, status=status)
            self.begin(course, cookie, status=status)
            self.post(thread, cookie, status=status)
        draft = self.course("Draft", is_published=False)
        self.ask("GET", f"{draft.path}/threads", cookie=self.teacher, status=404)
        other = self.course("Another")
        self.enrol(other, zoe)
        elsewhere = thread.replace(course.path, other.path)
        for method, path, body in (("GET", "", None), ("GET", "/posts", None), ("POST", "/posts", {"text": "x"}),
                                   ("PUT", "/read", {"number": 1}), ("PATCH", "/posts/1", {"text": "x"}),
                                   ("DELETE", "/posts/1", None)):
            self.ask(method, elsewhere + path, body, zoe.cookie, 404)
            self.ask(method, f"{course.path}/threads/999999{path}", body, zoe.cookie, 404)
        for method, body in (("PATCH", {"locked": True}), ("DELETE", None)):
            self.ask(method, elsewhere, body, self.teacher, 404)
            self.ask(method, thread, body, zoe.cookie, 403)
        # Who leaves may no longer.
        self.ask("DELETE", f"{course.path}/enrolment", cookie=zoe.cookie, status=204)
        self.post(thread, zoe.cookie, status=403)
        self.ask("GET", thread, cookie=zoe.cookie, status=403)
        # The instructor removes the thread, and it is nobody's.
        self.post(thread, tim.cookie)
        self.ask("DELETE", thread, cookie=self.teacher, status=204)
        for cookie in (tim.cookie, self.teacher):
            self.assertEqual(self.threads(course, cookie), [])
            self.ask("GET", thread, cookie=cookie, status=404)
            self.ask("GET", f"{thread}/posts", cookie=cookie, status=404)
            self.post(thread, cookie, status=404)
        self.ask("DELETE", thread, cookie=self.teacher, status=404)
        self.check_counters()

    def test_posts_and_what_becomes_of_them(self):
        self.start(role="web")
        course, zoe, tim = self.class_of(2)
        text = '<b>"&\u2028\t ends with spaces  \n'
        thread = self.begin(course, zoe.cookie, text=text)
        self.assertEqual(self.post(thread, self.teacher, answers=1), 2)
        self.assertEqual(self.post(thread, tim.cookie, "ä" * 5120), 3)
        first, second, third = self.posts(thread, tim.cookie)
        self.assertEqual((first["text"], first["author"], first["answers"]), (text, {"id": zoe.id, "name": "Zoë"}, None))
        self.assertEqual((second["text"], second["author"]["name"], second["answers"]), ("Glass.", "Ada Lovelace", 1))
        self.assertEqual((third["text"], third["edited_at"], third["removed_at"]), ("ä" * 5120, None, None))
        for body in ({"text": ""}, {"text": " \n"}, {"text": "ä" * 5120 + "."}, {"text": "x", "answers": 4},
                     {"text": "x", "answers": 0}):
            self.ask("POST", f"{thread}/posts", body, tim.cookie, 422)
        self.ask("POST", f"{thread}/posts", {"text": "a\0b"}, tim.cookie, 422)
        self.begin(course, zoe.cookie, title="two\nlines", status=422)
        # Unread: what is behind the mark; one's own is read if all before it is.
        unread = {learner: self.shown(thread, learner.cookie)["unread"] for learner in (zoe, tim)}
        self.assertEqual(unread, {zoe: 2, tim: 3})
        for number, left in ((2, 1), (1, 1), (3, 0)):
            self.ask("PUT", f"{thread}/read", {"number": number}, zoe.cookie, 204)
            self.assertEqual(self.shown(thread, zoe.cookie)["unread"], left)
        self.ask("PUT", f"{thread}/read", {"number": 4}, zoe.cookie, 422)
        self.assertEqual(self.post(thread, zoe.cookie), 4)
        self.assertEqual([each["unread"] for each in self.threads(course, zoe.cookie)], [0])
        self.assertEqual([each["unread"] for each in self.threads(course, tim.cookie)], [4])
        # Edits: one's own, within a day.
        self.ask("PATCH", f"{thread}/posts/4", {"text": "Water."}, zoe.cookie, 204)
        self.ask("PATCH", f"{thread}/posts/4", {"text": "Mine."}, tim.cookie, 403)
        self.ask("PATCH", f"{thread}/posts/4", {"text": "Mine."}, self.teacher, 403)
        self.ask("PATCH", f"{thread}/posts/5", {"text": "None."}, zoe.cookie, 404)
        edited = self.posts(thread, tim.cookie)[3]
        self.assertEqual(edited["text"], "Water.")
        self.assertGreaterEqual(edited["edited_at"], edited["created_at"])
        self.database.execute(f"update posts set created_at = created_at - {DAY - 60_000_000} where number = 4")
        self.ask("PATCH", f"{thread}/posts/4", {"text": "Ice."}, zoe.cookie, 204)
        self.database.execute("update posts set created_at = created_at - 60000000 where number = 4")
        refused = self.ask("PATCH", f"{thread}/posts/4", {"text": "Steam."}, zoe.cookie, 409)
        self.assertIn("is older than 24 hours", refused.json["detail"])
        # A removed one keeps its number alone, however old it was.
        self.ask("DELETE", f"{thread}/posts/4", cookie=tim.cookie, status=403)
        self.ask("DELETE", f"{thread}/posts/5", cookie=tim.cookie, status=404)
        for _ in range(2):
            self.ask("DELETE", f"{thread}/posts/4", cookie=zoe.cookie, status=204)
            self.ask("DELETE", f"{thread}/posts/3", cookie=self.teacher, status=204)
        _, _, third, fourth = self.posts(thread, tim.cookie)
        self.assertEqual((third["text"], third["removed_by"], third["author"]["id"]), (None, "instructor", tim.id))
        self.assertEqual((fourth["text"], fourth["removed_by"]), (None, "author"))
        self.assertEqual(self.tables.count("posts", "text = '' and removed_at is not null"), 2)
        self.ask("PATCH", f"{thread}/posts/3", {"text": "Again."}, tim.cookie, 409)
        self.assertEqual(self.tables.count("audit_events", "action = 'post.removed'"), 1)
        # Locked: the instructor's alone.
        self.ask("PATCH", thread, {}, self.teacher, 422)
        self.ask("PATCH", thread, {"locked": True}, self.teacher, 204)
        refused = self.post(thread, zoe.cookie, status=409)
        self.assertRegex(refused.json["detail"], r"^thread \d+ is locked$")
        self.ask("PATCH", f"{thread}/posts/1", {"text": "x"}, zoe.cookie, 409)
        self.assertEqual(self.post(thread, self.teacher), 5)
        self.ask("PATCH", thread, {"locked": False, "pinned": True}, self.teacher, 204)
        self.assertEqual(self.post(thread, zoe.cookie), 6)
        shown = self.shown(thread, zoe.cookie)
        self.assertEqual((shown["pinned"], shown["locked"], shown["posts"]), (True, False, 6))
        for limit in (1, 2, 5, 6, 7):
            self.assertEqual([post["number"] for post in self.posts(thread, zoe.cookie, limit)], [1, 2, 3, 4, 5, 6])

    def test_pages_miss_nothing_while_posts_come_in(self):
        self.start(role="web")
        self.campus("web2", role="web", data=self.folder / "data").start()
        course, *learners = self.class_of(6)
        quiet = [self.begin(course, learners[0].cookie, f"Quiet {number}") for number in range(5)]
        busy = [self.begin(course, learners[0].cookie, f"Busy {number}") for number in range(5)]
        self.ask("PATCH", quiet[2], {"pinned": True}, self.teacher, 204)
        quiet_ids = {int(path.rsplit("/", 1)[1]) for path in quiet}
        total = 241  # of the first busy thread, with its first

        def reading(client):
            numbers = []

            def read_on():
                after = f"&after={numbers[-1]}" if numbers else ""
                page = self.ask("GET", f"{busy[0]}/posts?limit=7{after}", cookie=self.teacher, client=client).json
                numbers.extend(post["number"] for post in page["posts"])
                return len(numbers) >= total
            wait_until(read_on, 50, "all posts")
            return numbers

        def listing(client):
            walks = []

            def walk():
                ids = [thread["id"] for thread in self.threads(course, self.teacher, limit=3, client=client)]
                walks.append(ids)
                return self.tables.value("select max(post_count) from threads") >= total
            wait_until(walk, 50, "all posts")
            return walks

        def posting(learner, thread, text):
            return lambda client: self.ask("POST", f"{thread}/posts", {"text": text}, learner.cookie, 201, client) and None
        work = [reading, reading, reading, listing]
        for number in range(total - 1):
            work.append(posting(learners[number % 6], busy[0], f"{number}"))
            if number % 4 == 0:
                work.append(posting(learners[number % 5], busy[1 + number // 4 % 4], f"{number}"))
        answers = [answer for answer in self.at_once(work, clients=12) if answer]
        for answer in answers:
            if isinstance(answer[0], int):
                self.assertEqual(answer, list(range(1, total + 1)))
            else:
                for ids in answer:
                    self.assertEqual(len(ids), len(set(ids)), "a thread twice")
                    self.assertLessEqual(quiet_ids, set(ids), "a thread was passed over that nobody has moved")
                self.say(f"{len(answer)} walks through the list meanwhile")
        self.assertEqual(len(answers), 4)
        self.check_counters()
        in_order = [row["id"] for row in self.database.rows(
            "select id from threads order by pinned desc, last_post_at desc, id desc")]
        self.assertEqual(in_order[0], int(quiet[2].rsplit("/", 1)[1]))
        for limit in (1, 3, 9, 10, 11):
            self.assertEqual([thread["id"] for thread in self.threads(course, self.teacher, limit)], in_order)
        for after in ("", "1", "0.1.x", "0.1.1.1", "-1.1.1"):
            self.ask("GET", f"{course.path}/threads?after={after}", cookie=self.teacher, status=422)

    def test_killed_in_the_middle_no_post_is_lost_or_doubled(self):
        self.start()
        course, *learners = self.class_of(12)
        threads = [self.begin(course, self.teacher, f"Thread {number}") for number in range(2)]
        total = 800

        def posting(number):
            learner, thread = learners[number % 12], threads[number % 3 // 2]
            body = {"text": f"post {number}"}
            if number % 2 == 0:
                body["answers"] = 1

            def post(client):
                def acknowledged():
                    try:
                        answer = client.post(f"{thread}/posts", body, cookie=learner.cookie, key=f"key-{number}")
                    except Lost:
                        return None
                    self.assertIn(answer.status, (201, 409, 503), answer)
                    return answer if answer.status == 201 else None
                return thread, body["text"], wait_until(acknowledged, 50, "a post to be acknowledged").json["number"]
            return post

        at = []
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            posted = pool.submit(self.at_once, map(posting, range(total)), 16)
            # By this thread: the server ends with the one that has started it.
            for share in (0.2, 0.5):
                at.append(wait_until(lambda: n if (n := self.tables.count("posts")) > share * total else None, 50, "posts"))
                self.server.kill()
                self.server.start()
            answers = posted.result()
        self.client.close()
        self.assertLess(at[-1], total, "it ended too soon to be killed")
        self.assertEqual(len(answers), total)
        self.check_counters()
        for thread in threads:
            found = {post["number"]: post["text"] for post in self.posts(thread, self.teacher)[1:]}
            acknowledged = {number: text for path, text, number in answers if path == thread}
            self.assertEqual(found, acknowledged)
        self.wait_for_jobs(60)
        # The teacher's alone, one of each thread, however many posts there were.
        self.assertEqual(self.tables.count("deliveries", "subject = 'New posts in a discussion'"), 2)
        notices = self.notices()
        self.assertEqual(set(notices), {"ada@example.org"})
        self.assertEqual(len({message["Message-ID"] for message in notices["ada@example.org"]}), 2)
        self.say(f"{total} posts, killed at {at}")

    def test_who_is_told_of_a_post(self):
        self.start()
        course, zoe, tim, ida = self.class_of(3)
        thread = self.begin(course, zoe.cookie, title="Why is the sky blue?")

        def told():
            self.wait_for_jobs(20)
            return {address: len(messages) for address, messages in self.notices().items()}
        self.post(thread, zoe.cookie, answers=1)
        self.assertEqual(told(), {})
        self.post(thread, tim.cookie)
        self.assertEqual(told(), {zoe.email: 1})
        letter = self.notices()[zoe.email][0]
        self.assertEqual(letter["To"], f"Zoë <{zoe.email}>")
        self.assertIn('in the discussion "Why is the sky blue?" of the course "Optics"', letter.get_content())
        self.assertIn(f"https://campus.example.org{thread}/posts?after=2", letter.get_content().splitlines())
        # Within the hour no other; whose post is answered has one of their own.
        self.post(thread, tim.cookie)
        self.post(thread, ida.cookie, answers=3)
        self.assertEqual(told(), {zoe.email: 1, tim.email: 1})
        # Each thread counts for itself.
        self.post(self.begin(course, zoe.cookie), tim.cookie)
        self.assertEqual(told(), {zoe.email: 2, tim.email: 1})
        self.database.execute("update loadstone_unique set until = 1 where until > 0")
        self.post(thread, ida.cookie)
        self.assertEqual(told(), {zoe.email: 3, tim.email: 1})
        # Neither who has left nor whose post is removed.
        self.database.execute("update loadstone_unique set until = 1 where until > 0")
        self.ask("DELETE", f"{course.path}/enrolment", cookie=zoe.cookie, status=204)
        self.ask("DELETE", f"{thread}/posts/3", cookie=tim.cookie, status=204)
        self.post(thread, ida.cookie, answers=3)
        self.assertEqual(told(), {zoe.email: 3, tim.email: 1})

    def test_limits(self):
        self.start(role="web", rate_limits="on")
        course, zoe, tim = self.class_of(2)
        began = time.monotonic()
        thread = self.begin(course, zoe.cookie)
        passed = 1
        for method, path, body, status in (("POST", f"{thread}/posts", {"text": "x"}, 201),
                                           ("PATCH", f"{thread}/posts/1", {"text": "x"}, 204),
                                           ("POST", f"{course.path}/threads", {"title": "T", "text": "x"}, 201)):
            while (answer := self.client.request(method, path, body, cookie=zoe.cookie)).status == status:
                passed += 1
            self.assertEqual(answer.status, 429, answer)
            self.assertIn("discussions.posts allows 20 in 60 s", answer.json["detail"])
            self.assertGreater(int(answer.headers["Retry-After"]), 0)
            # Twenty at once, and one more each three seconds.
            self.assertGreaterEqual(passed, 20)
            self.assertLessEqual(passed, 20 + (time.monotonic() - began) / 3)
        self.post(thread, tim.cookie)
        # Of a day, whatever was removed of it.
        for _ in range(19):
            self.begin(course, tim.cookie)
        self.assertEqual(self.tables.count("threads", f"author_id = {tim.id}"), 19)
        self.database.execute("insert into threads (course_id, author_id, title, created_at, post_count, last_post_at, pinned, "
                              "locked, removed_at) select course_id, author_id, 'Removed', max(created_at), 1, 0, 0, 0, 1 "
                              f"from threads where author_id = {tim.id} group by course_id, author_id")
        self.server.terminate()
        self.client.close()
        self.server.start()
        refused = self.ask("POST", f"{course.path}/threads", {"title": "One more", "text": "x"}, tim.cookie, 429)
        self.assertIn("20 threads of course", refused.json["detail"])
        self.database.execute(f"update threads set created_at = created_at - {DAY} where author_id = {tim.id}")
        self.begin(course, tim.cookie)
        self.database.execute("update threads set post_count = 9999 where id = " + thread.rsplit("/", 1)[1])
        self.assertEqual(self.post(thread, self.teacher), 10_000)
        refused = self.post(thread, self.teacher, status=409)
        self.assertIn("has 10000 posts, the limit", refused.json["detail"])


if __name__ == "__main__":
    main()
