"""The routes of accounts and audit over real connections: what a client may rely on."""

import concurrent.futures
import pathlib

from harness.case import ProcessTest, main

PASSWORD = "Tr0ub4dor & 3 more words"


class AccountsTest(ProcessTest):
    def setUp(self):
        super().setUp()
        self.mail.start()
        self.server = self.campus(**self.settings()).start()
        self.client = self.server.client()
        self.addCleanup(self.client.close)

    def settings(self):
        return {"rate_limits": "on"} if "limit" in self._testMethodName else {}

    def register(self, email="ada@example.org", **options):
        answer = self.client.register(email, password=PASSWORD, **options)
        self.assertEqual(answer.status, 201, answer)
        return answer

    def log_in(self, email="ada@example.org", password=PASSWORD, **options):
        return self.client.post("/api/login", {"email": email, "password": password}, **options)

    def cpu_seconds(self):
        """Of all threads of the server."""
        tasks = pathlib.Path(f"/proc/{self.server.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def check_problem(self, answer, status):
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
        self.assertEqual(answer.json["status"], status)
        self.assertEqual(answer.json["request_id"], answer.headers["X-Request-Id"])
        return answer.json

    def test_register_me_logout_login(self):
        registered = self.register("Ada@Example.org")
        me = self.client.get("/api/me", cookie=registered.cookie)
        self.assertEqual(me.status, 200, me)
        self.assertEqual((me.json["email"], me.json["name"]), ("ada@example.org", "Ada Lovelace"))
        self.assertEqual(me.json["id"], registered.json["id"])
        self.assertNotIn("password_hash", me.json)
        attributes = registered.headers["Set-Cookie"]
        for attribute in ("HttpOnly", "SameSite=Lax", "Path=/"):
            self.assertIn(attribute, attributes)
        self.assertEqual(self.client.post("/api/logout", cookie=registered.cookie).status, 204)
        self.check_problem(self.client.get("/api/me", cookie=registered.cookie), 401)
        self.check_problem(self.client.get("/api/me"), 401)
        self.check_problem(self.log_in(password="wrong horse battery"), 401)
        self.check_problem(self.log_in(email="nobody@example.org"), 401)
        again = self.log_in("ADA@example.org")
        self.assertEqual(again.status, 200, again)
        self.assertEqual(self.client.get("/api/me", cookie=again.cookie).status, 200)

    def test_a_login_gives_a_session_that_works_also_under_a_used_key(self):
        self.register()
        for _ in range(2):
            answer = self.log_in(key="key-1")
            self.assertEqual(answer.status, 200, answer)
            self.assertEqual(self.client.get("/api/me", cookie=answer.cookie).status, 200)

    def test_an_address_is_taken_once(self):
        self.register()
        taken = self.check_problem(self.client.register("ADA@example.ORG"), 409)
        self.assertIn("email", str(taken))
        self.assertEqual(self.tables.count("users"), 1)

    def test_of_many_at_once_one_gets_the_address(self):
        def one(_):
            with self.server.client() as client:
                return client.register("ada@example.org").status
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            statuses = sorted(pool.map(one, range(16)))
        self.assertEqual(statuses, [201] + [409] * 15)
        self.mail.wait_for(1, 10)
        self.wait_for_jobs(10)
        self.check_mails(self.check_accounts({"ada@example.org"}, {"ada@example.org"}))

    def test_secrets_are_hashed_at_rest(self):
        registered = self.register()
        hash_at_rest = self.tables.value("select password_hash from users")
        self.assertTrue(hash_at_rest.startswith("$argon2id$v=19$m=19456,t=2,p=1$"), hash_at_rest)
        token = registered.cookie.partition("=")[2]
        self.assertNotIn(token, self.tables.value("select token_hash from sessions"))
        for secret in (token, PASSWORD):
            self.assertNotIn(secret, self.server.log_text())

    def test_bad_input_is_named(self):
        def errors_of(body, status=422):
            return str(self.check_problem(self.client.post("/api/register", body), status))
        self.assertIn("password", errors_of({"name": "Ada", "email": "ada@example.org", "password": "short"}))
        self.assertIn("email", errors_of({"name": "Ada", "email": "ada", "password": PASSWORD}))
        self.assertIn("name", errors_of({"email": "ada@example.org", "password": PASSWORD}))
        self.assertIn("nickname", errors_of({"name": "Ada", "email": "ada@example.org", "password": PASSWORD, "nickname": "A"}))
        self.assertIn("name", errors_of({"name": 7, "email": "ada@example.org", "password": PASSWORD}))
        self.check_problem(self.client.post("/api/register", b"{not json", headers={"Content-Type": "application/json"}), 400)
        self.check_problem(self.client.post("/api/register", b"a=b", headers={"Content-Type": "text/plain"}), 415)
        zipped = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        self.check_problem(self.client.post("/api/register", b"{}", headers=zipped), 415)
        for hidden in ("a\u009b31m@example.org", "a@\u202eexample.org"):
            self.assertIn("email", errors_of({"name": "Ada", "email": hidden, "password": PASSWORD}))
        long = {"name": "Ada", "email": "ada@example.org", "password": PASSWORD, "more": "x" * 100_000}
        self.check_problem(self.client.post("/api/register", long), 413)
        self.check_problem(self.client.get("/api/nothing"), 404)
        wrong = self.client.get("/api/register")
        self.check_problem(wrong, 405)
        self.assertIn("POST", wrong.headers["Allow"])
        self.assertEqual(self.tables.count("users"), 0)

    def test_an_account_has_so_many_sessions(self):
        first = self.register().cookie
        for _ in range(50):
            last = self.log_in().cookie
        self.assertEqual(self.tables.count("sessions"), 50)
        self.check_problem(self.client.get("/api/me", cookie=first), 401)
        self.assertEqual(self.client.get("/api/me", cookie=last).status, 200)

    def test_the_audit_log_has_pages(self):
        cookie = self.register().cookie
        for _ in range(6):
            self.assertEqual(self.log_in().status, 200)
        self.register("other@example.org")
        entries, before = [], None
        while True:
            path = "/api/audit?limit=3" + (f"&before={before}" if before else "")
            page = self.client.get(path, cookie=cookie)
            self.assertEqual(page.status, 200, page)
            entries += page.json["entries"]
            before = page.json["next_before"]
            if before is None:
                break
        self.assertEqual([entry["action"] for entry in entries], ["session.started"] * 6 + ["account.created"])
        self.assertEqual(entries[-1]["address"], "127.0.0.1")
        ids = [entry["id"] for entry in entries]
        self.assertEqual(ids, sorted(set(ids), reverse=True))
        for limit, more in ((6, True), (7, False), (8, False), (200, False)):
            page = self.client.get(f"/api/audit?limit={limit}", cookie=cookie).json
            self.assertEqual(len(page["entries"]), min(limit, 7))
            self.assertEqual(page["next_before"] is not None, more, limit)
        self.check_problem(self.client.get("/api/audit?limit=0", cookie=cookie), 422)
        self.check_problem(self.client.get("/api/audit?limit=201", cookie=cookie), 422)
        self.check_problem(self.client.get("/api/audit?limit=x", cookie=cookie), 422)
        self.check_problem(self.client.get("/api/audit"), 401)

    def test_a_page_of_another_site_cannot_act(self):
        cookie = self.register().cookie
        for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
                        {"Origin": f"http://127.0.0.1:{self.server.port + 1}"}):
            self.check_problem(self.client.post("/api/logout", cookie=cookie, headers=headers), 403)
        self.assertEqual(self.client.get("/api/me", cookie=cookie).status, 200, "still signed in")
        own = {"Origin": f"http://127.0.0.1:{self.server.port}", "Sec-Fetch-Site": "same-origin"}
        self.assertEqual(self.client.post("/api/logout", cookie=cookie, headers=own).status, 204)

    def test_the_same_key_and_body_give_the_same_answer(self):
        first = self.register(key="key-1")
        second = self.register(key="key-1")
        self.assertEqual(first.body, second.body)
        self.assertIsNone(first.headers["Idempotency-Replayed"])
        self.assertEqual(second.headers["Idempotency-Replayed"], "true")
        self.assertEqual(self.client.get("/api/me", cookie=second.cookie).status, 200, "its session works too")
        other = self.check_problem(self.client.register("eve@example.org", key="key-1"), 422)
        self.assertIn("Idempotency-Key", str(other))
        self.mail.wait_for(1, 10)
        self.wait_for_jobs(10)
        users = self.check_accounts({"ada@example.org"}, {"ada@example.org"})
        self.check_mails(users)

    def test_the_same_key_after_a_restart_gives_the_same_answer(self):
        first = self.register(key="key-1")
        self.server.kill()
        self.client.close()
        self.server.start()
        self.assertEqual(self.register(key="key-1").body, first.body)
        self.assertEqual(self.tables.count("users"), 1)

    def test_the_same_key_at_once_makes_one_account(self):
        def one(_):
            with self.server.client() as client:
                return client.register("ada@example.org", password=PASSWORD, key="key-1")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(one, range(8)))
        statuses = [answer.status for answer in answers]
        self.assertIn(201, statuses)
        self.assertEqual(set(statuses) - {201, 409}, set())
        self.assertEqual(len({answer.body for answer in answers if answer.status == 201}), 1)
        for answer in answers:
            if answer.status == 409:
                self.assertNotIn("exists", str(answer.json), "in progress, not taken")
        self.assertEqual(self.register(key="key-1").json, next(a.json for a in answers if a.status == 201))
        self.assertEqual(self.tables.count("users"), 1)

    def test_a_failed_request_does_not_use_up_its_key(self):
        self.register("taken@example.org")
        self.check_problem(self.client.register("taken@example.org", key="key-2"), 409)
        self.check_problem(self.client.register("taken@example.org", key="key-2"), 409)
        self.check_problem(self.client.post("/api/register", {}, key=""), 400)
        self.check_problem(self.client.post("/api/register", {"name": "A", "email": "a@example.org",
                                                              "password": PASSWORD}, key="k" * 256), 400)

    def test_registrations_are_limited_by_address(self):
        answers = [self.client.register(f"reader{number}@example.org") for number in range(24)]
        statuses = [answer.status for answer in answers]
        self.assertEqual(statuses[:20], [201] * 20)
        self.assertIn(429, statuses[20:])
        refused = next(answer for answer in answers if answer.status == 429)
        self.check_problem(refused, 429)
        self.assertGreater(int(refused.headers["Retry-After"]), 0)
        self.assertIn("r=0", refused.headers["RateLimit"])
        self.assertIn("RateLimit-Policy", answers[0].headers)
        self.assertEqual(self.tables.count("users"), statuses.count(201))

    def test_guesses_are_limited_by_account(self):
        self.register()
        statuses = [self.log_in(password=f"guess {number}").status for number in range(12)]
        self.assertEqual(statuses[:10], [401] * 10)
        self.assertEqual(statuses[10:], [429] * 2)
        self.assertGreater(int(self.log_in().headers["Retry-After"]), 0)

    def test_the_operator_sees_where_the_time_goes(self):
        self.register()
        self.mail.wait_for(1, 10)
        self.wait_for_jobs(10)
        why = self.server.command("why", "--since-start").stdout
        self.assertIn("POST /api/register", why)
        self.assertIn("accounts.SendWelcomeEmail", why)
        metrics = self.client.get("/metrics")
        self.assertEqual(metrics.status, 200)
        self.assertIn("/api/register", metrics.body.decode())
        for headers in ({"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": ""},
                        {"Host": "evil.example"}, {"Host": "127.0.0.1.evil.example"}):
            self.assertEqual(self.client.get("/metrics", headers=headers).status, 404, headers)
        self.assertEqual(self.client.get("/openapi.json").json["openapi"][:3], "3.1")

    def test_a_request_id_is_taken_over_if_it_is_one(self):
        answer = self.client.get("/healthz", headers={"X-Request-Id": "from-the-proxy.1"})
        self.assertEqual(answer.headers["X-Request-Id"], "from-the-proxy.1")
        answer = self.client.get("/healthz", headers={"X-Request-Id": "no spaces, please"})
        self.assertNotIn(" ", answer.headers["X-Request-Id"])

    def test_the_time_of_a_login_does_not_tell_whether_an_account_exists(self):
        self.register()

        def median(email):
            seconds = []
            for _ in range(9):
                before = self.cpu_seconds()
                self.log_in(email, password="wrong horse battery")
                seconds.append(self.cpu_seconds() - before)
            return sorted(seconds)[4]
        known, unknown = median("ada@example.org"), median("nobody@example.org")
        self.say(f"wrong password {known * 1e3:.0f} ms of CPU, no such account {unknown * 1e3:.0f} ms")
        self.assertLess(max(known, unknown) / min(known, unknown), 2)


if __name__ == "__main__":
    main()
