"""Organisations: invitations make members, roles decide, and nobody sees or changes another's."""

import datetime
import re
import threading
import time

from harness.campus import run
from harness.case import ProcessTest, main
from harness.waiting import wait_until

TRIES_MAX = 500
ROLES = ("learner", "instructor", "admin")


class Person:
    def __init__(self, id, cookie, email):
        self.id, self.cookie, self.email = id, cookie, email


class Askers:
    """Ask for one page again and again, each on a connection of its own, until they are told to stop."""

    def __init__(self, server, path, cookie, count=8):
        self.server, self.path, self.cookie = server, path, cookie
        self.answers, self.is_over = [], False
        self.threads = [threading.Thread(target=self.run) for _ in range(count)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def run(self):
        with self.server.client() as client:
            while not self.is_over:
                answer = client.get(self.path, cookie=self.cookie)
                self.answers.append((answer, time.time()))

    def __exit__(self, *_):
        self.is_over = True
        for thread in self.threads:
            thread.join(60)


class OrganisationsTest(ProcessTest):
    def setUp(self):
        super().setUp()
        self.server = self.campus("campus", smtp=None, public_url="https://campus.example.org").start()
        self.client = self.server.client()
        self.addCleanup(self.client.close)

    def person(self, name):
        registered = self.client.register(f"{name}@example.org", name=name)
        self.assertEqual(registered.status, 201, registered)
        return Person(registered.json["id"], registered.cookie, f"{name}@example.org")

    def ask(self, method, path, who=None, body=None, status=200, **options):
        answer = self.client.request(method, path, body, cookie=who.cookie if who else None, **options)
        self.assertEqual(answer.status, status, f"{method} {path} as {who and who.email}: {answer}")
        return answer

    def organisation(self, name, admin):
        self.server.command("organisations", "add", name, admin.email)
        return self.tables.value(f"select organisation_id from memberships where user_id = {admin.id}")

    def join(self, name, role, organisation="Acme"):
        person = self.person(name)
        self.server.command("organisations", "join", organisation, person.email, role)
        return person

    def code(self, email, but=()):
        """What the mails to `email` say, once one says another than those of `but`."""
        def found():
            mails = [path.read_text() for path in (self.folder / "data" / "mail").glob("**/new/*")]
            codes = re.findall(r"^([\w-]{43})\r?$", "\n".join(mail for mail in mails if f"<{email}>" in mail), re.M)
            return next((code for code in codes if code not in but), None)
        return wait_until(found, 20, f"an invitation of {email}")

    def role(self, who):
        rows = self.database.rows(f"select role from memberships where user_id = {who.id}")
        return rows[0]["role"] if rows else None

    def school(self):
        """Acme has an admin, an instructor and a learner; Umbrella an admin; a stranger is in neither."""
        self.admin, self.other, self.stranger = self.person("ada"), self.person("bob"), self.person("sam")
        self.organisation("Acme", self.admin)
        self.organisation("Umbrella", self.other)
        self.instructor, self.learner = self.join("ines", "instructor"), self.join("leo", "learner")

    def test_an_invitation_makes_a_member_once(self):
        admin, eve, sam = self.person("ada"), self.person("eve"), self.person("sam")
        id = self.organisation("Acme", admin)
        self.ask("GET", "/api/organisation", eve, status=404)
        made = self.ask("POST", "/api/organisation/invitations", admin, {"email": "EVE@example.org", "role": "instructor"}, 201)
        code = self.code(eve.email)
        open_ones = self.ask("GET", "/api/organisation/invitations", admin).json
        self.assertEqual([(one["id"], one["email"], one["role"]) for one in open_ones["invitations"]],
                         [(made.json["id"], eve.email, "instructor")])
        for table in ("member_invitations", "audit_events", "deliveries"):
            self.assertNotIn(code, str(self.database.rows(f"select * from {table}")), f"the code stands in {table}")
        self.ask("POST", "/api/organisation/membership", eve, {"invitation": code[:-1]}, 404)
        self.ask("POST", "/api/organisation/membership", None, {"invitation": code}, 401)
        joined = self.ask("POST", "/api/organisation/membership", eve, {"invitation": code}, 201).json
        self.assertEqual((joined["id"], joined["name"], joined["role"]), (id, "Acme", "instructor"))
        self.assertEqual(self.ask("GET", "/api/organisation", eve).json, joined)
        self.ask("POST", "/api/organisation/membership", sam, {"invitation": code}, 404)
        self.assertIsNone(self.role(sam))
        # A member of one cannot join another, and the invitation is not used up by that.
        self.ask("POST", "/api/organisation/invitations", admin, {"email": "sam@example.org", "role": "learner"}, 201)
        code = self.code(sam.email)
        self.ask("POST", "/api/organisation/membership", eve, {"invitation": code}, 409)
        # Who is invited again has one invitation, and the first code is void.
        codes = [code]
        for role in ("learner", "instructor", "learner", "admin"):
            self.ask("POST", "/api/organisation/invitations", admin, {"email": "sam@example.org", "role": role}, 201)
            codes.append(self.code(sam.email, but=codes))  # invited again at once: the job of this mail may not have ended
        *_, code, newer = codes
        self.ask("POST", "/api/organisation/membership", sam, {"invitation": code}, 404)
        self.ask("POST", "/api/organisation/membership", sam, {"invitation": newer}, 201)
        self.assertEqual(self.role(sam), "admin")
        self.assertEqual(self.tables.value(f"select admin_count from organisations where id = {id}"), 2)
        self.wait_for_jobs(20)

    def test_what_is_over_or_taken_back_is_void(self):
        admin, eve = self.person("ada"), self.person("eve")
        self.organisation("Acme", admin)
        invitation = {"email": eve.email, "role": "learner"}
        made = self.ask("POST", "/api/organisation/invitations", admin, invitation, 201).json["id"]
        code = self.code(eve.email)
        self.database.execute("update member_invitations set expires_at = 1")
        self.ask("POST", "/api/organisation/membership", eve, {"invitation": code}, 404)
        self.ask("DELETE", f"/api/organisation/invitations/{made}", admin, status=204)
        self.ask("DELETE", f"/api/organisation/invitations/{made}", admin, status=404)
        self.assertEqual(self.tables.count("member_invitations"), 0)
        self.assertEqual(self.ask("GET", "/api/organisation/invitations", admin).json,
                         {"invitations": [], "next_after": None})

    def test_invitations_are_bounded(self):
        admin = self.person("ada")
        id = self.organisation("Acme", admin)
        self.database.execute("insert into member_invitations (organisation_id, email, role, expires_at) values " + ", ".join(
            f"({id}, 'a{number}@example.org', 'learner', {4 * 10 ** 15})" for number in range(999)))
        for name, status in (("last", 201), ("beyond", 409), ("last", 201)):
            self.ask("POST", "/api/organisation/invitations", admin, {"email": f"{name}@example.org", "role": "learner"}, status)
        listed, after = [], ""
        while True:
            page = self.ask("GET", f"/api/organisation/invitations?limit=200{after}", admin).json
            listed += [one["email"] for one in page["invitations"]]
            if page["next_after"] is None:
                break
            after = f"&after={page['next_after']}"
        self.assertEqual(listed, sorted([f"a{number}@example.org" for number in range(999)] + ["last@example.org"]))
        self.database.execute("update member_invitations set expires_at = 1 where email = 'a1@example.org'")
        self.ask("POST", "/api/organisation/invitations", admin, {"email": "beyond@example.org", "role": "learner"}, 201)

    def test_each_route_is_for_its_role_in_its_organisation(self):
        self.school()
        invitation = self.ask("POST", "/api/organisation/invitations", self.admin,
                              {"email": "x@example.org", "role": "learner"}, 201).json["id"]
        routes = [("GET", "/api/organisation/members", None), ("GET", "/api/organisation/invitations", None),
                  ("GET", "/api/dashboards/organisation", None), ("GET", "/api/dashboards/organisation/courses", None),
                  ("GET", "/api/dashboards/organisation/at-risk", None),
                  ("POST", "/api/organisation/invitations", {"email": "y@example.org", "role": "admin"}),
                  ("PUT", f"/api/organisation/members/{self.learner.id}", {"role": "admin"}),
                  ("DELETE", f"/api/organisation/members/{self.instructor.id}", None),
                  ("DELETE", f"/api/organisation/invitations/{invitation}", None)]
        before = self.state()
        for method, path, body in routes:
            for who, status in ((None, 401), (self.stranger, 403), (self.learner, 403)):
                self.ask(method, path, who, body, status)
            if not path.endswith(f"/{self.instructor.id}"):
                self.ask(method, path, self.instructor, body, 403)
            if method != "GET":
                self.ask(method, path, self.admin, body, 403, headers={"Origin": "https://evil.example"})
        # The admin of another organisation: members and invitations of this one are not there.
        for method, path, body in routes:
            if path.endswith((f"/{self.learner.id}", f"/{self.instructor.id}", f"/invitations/{invitation}")):
                self.ask(method, path, self.other, body, 404)
        self.assertEqual(self.state(), before)
        self.assertEqual([one["user"] for one in self.ask("GET", "/api/organisation/members", self.other).json["members"]],
                         [self.other.id])
        self.assertEqual(self.ask("GET", "/api/organisation/invitations", self.other).json["invitations"], [])
        for who, role in ((self.learner, "learner"), (self.instructor, "instructor"), (self.admin, "admin")):
            own = self.ask("GET", "/api/organisation", who).json
            self.assertEqual((own["name"], own["role"]), ("Acme", role))
        # Its own admin may, in an order in which each is possible.
        for method, path, body in routes:
            self.ask(method, path, self.admin, body, {"GET": 200, "POST": 201}.get(method, 204))
        self.assertEqual((self.role(self.learner), self.role(self.instructor)), ("admin", None))
        for body in ({"role": "owner"}, {"role": ""}):
            self.ask("PUT", f"/api/organisation/members/{self.learner.id}", self.admin, body, 422)
        self.ask("POST", "/api/organisation/invitations", self.admin, {"email": "no address", "role": "learner"}, 422)

    def test_who_loses_a_role_is_refused_at_once_on_every_node(self):
        """What one may see is kept in the cache of each node: whoever asks next after the commit has what it says, also who has seen nothing of it."""
        self.school()
        other = self.campus("other", role="web", smtp=None).start().client()
        self.addCleanup(other.close)
        ann = self.person("ann")
        nodes = [self.client, other]

        def expect(status, why):
            for node in nodes:
                for path in ("/api/dashboards/organisation", "/api/dashboards/organisation/courses"):
                    answer = node.get(path, cookie=ann.cookie)
                    self.assertEqual(answer.status, status, f"{why}: {path}: {answer}")
            nodes.reverse()
        expect(403, "a member of nothing")
        self.server.command("organisations", "join", "Acme", ann.email, "admin")
        member = f"/api/organisation/members/{ann.id}"
        expect(200, "another process has made her an admin")
        for _ in range(5):
            for role, status in (("instructor", 403), ("admin", 200)):
                answer = nodes[0].request("PUT", member, {"role": role}, cookie=self.admin.cookie)
                self.assertEqual(answer.status, 204, answer)
                expect(status, f"she is an {role} now")
                expect(status, f"she is still an {role}")
        answer = nodes[0].request("DELETE", member, cookie=self.admin.cookie)
        self.assertEqual(answer.status, 204, answer)
        expect(403, "she is no member any more")

    def state(self):
        return [sorted(map(str, self.database.rows(f"select {columns} from {table}"))) for table, columns in (
            ("memberships", "*"), ("organisations", "*"), ("member_invitations", "id, organisation_id, email, role"))]

    def test_members_are_paged(self):
        self.school()
        expected = sorted([(self.admin.id, "ada", "admin"), (self.instructor.id, "ines", "instructor"),
                           (self.learner.id, "leo", "learner")])
        for limit in (1, 2, 3, 200):
            seen, after = [], ""
            while True:
                page = self.ask("GET", f"/api/organisation/members?limit={limit}{after}", self.admin).json
                self.assertLessEqual(len(page["members"]), limit)
                seen += [(one["user"], one["name"], one["role"]) for one in page["members"]]
                if page["next_after"] is None:
                    break
                after = f"&after={page['next_after']}"
            self.assertEqual(seen, expected)
        for query in ("limit=0", "limit=201", "after=0"):
            self.ask("GET", f"/api/organisation/members?{query}", self.admin, status=422)

    def test_an_admin_is_left(self):
        self.school()
        path = f"/api/organisation/members/{self.admin.id}"
        self.assertIn("no other admin", self.ask("DELETE", path, self.admin, status=409).body.decode())
        self.ask("PUT", path, self.admin, {"role": "learner"}, 409)
        self.ask("PUT", path, self.admin, {"role": "admin"}, 204)
        self.ask("PUT", f"/api/organisation/members/{self.learner.id}", self.admin, {"role": "admin"}, 204)
        # Each removes the other at once: one is left, again and again.
        for _ in range(5):
            self.assertEqual((self.role(self.admin), self.role(self.learner)), ("admin", "admin"))
            answers = {}

            def remove(by, user):
                with self.server.client() as client:
                    answers[by.id] = client.request("PUT", f"/api/organisation/members/{user.id}", {"role": "learner"},
                                                    cookie=by.cookie).status
            threads = [threading.Thread(target=remove, args=pair)
                       for pair in ((self.admin, self.learner), (self.learner, self.admin))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
            left = [one for one in (self.admin, self.learner) if self.role(one) == "admin"]
            self.assertEqual((len(left), sorted(answers.values())[0]), (1, 204), answers)
            self.assertIn(sorted(answers.values())[1], (403, 409), answers)
            demoted = self.learner if left == [self.admin] else self.admin
            self.ask("PUT", f"/api/organisation/members/{demoted.id}", left[0], {"role": "admin"}, 204)
        self.ask("DELETE", path, self.admin, status=204)
        self.ask("GET", "/api/organisation", self.admin, status=404)
        self.ask("DELETE", path, self.admin, status=403)
        # Learners may leave.
        self.ask("DELETE", f"/api/organisation/members/{self.instructor.id}", self.instructor, status=204)
        self.assertIsNone(self.role(self.instructor))

    def test_courses_and_their_jobs_are_the_organisations(self):
        self.school()
        course = {"title": "Optics", "description": "", "capacity": 5}
        self.ask("POST", "/api/courses", self.learner, course, 403)
        of = {}
        for who in (self.instructor, self.admin, self.other, self.stranger):
            of[who.id] = self.ask("POST", "/api/courses", who, course, 201).json["id"]
        ids = {row["name"]: row["id"] for row in self.database.rows("select id, name from organisations")}
        self.assertEqual({row["id"]: row["organisation_id"] for row in
                          self.database.rows("select id, organisation_id from courses")},
                         {of[self.instructor.id]: ids["Acme"], of[self.admin.id]: ids["Acme"],
                          of[self.other.id]: ids["Umbrella"], of[self.stranger.id]: None})
        for who, expected in ((self.admin, [of[self.admin.id], of[self.instructor.id]]), (self.other, [of[self.other.id]])):
            lines = self.ask("GET", "/api/dashboards/organisation/courses", who).json["courses"]
            self.assertEqual([line["course"] for line in lines], expected)
        self.server.command("jobs", "pause", "grades")
        for who, tenant in ((self.instructor, str(ids["Acme"])), (self.stranger, f"course {of[self.stranger.id]}")):
            id = of[who.id]
            path = f"/api/courses/{id}"
            lesson = self.ask("POST", f"{path}/lessons", who, {"title": "One", "length_s": 60}, 201).json["id"]
            self.ask("POST", f"{path}/lessons/{lesson}/quizzes", who, {"title": "Q", "points_max": 5, "weight": 1}, 201)
            self.ask("POST", f"{path}/publish", who, status=204)
            self.ask("POST", f"{path}/enrolment", self.learner, status=201)
            self.ask("POST", f"{path}/grades", who, status=202)
            jobs = self.server.command("jobs", "list", "--tenant", tenant, "--json").stdout
            self.assertIn("learning.GradeSlice", jobs, f"tenant {tenant}")
        self.server.command("jobs", "resume", "grades")

    def test_the_operator_makes_organisations(self):
        ada = self.person("ada")
        self.assertIn("there are no organisations", self.server.command("organisations").stdout)
        self.assertRegex(self.server.command("organisations", "add", "Acme School", "ADA@example.org").stdout,
                         r"^organisation \d+, Acme School; ADA@example.org is its admin\n$")
        self.assertRegex(self.server.command("organisations", "list").stdout, r"(?m)^ +\d+  \S+ +1  Acme School$")
        for words, told in ((("add", "Acme School", ada.email), "there is an organisation \"Acme School\" already"),
                            (("add", "Other", ada.email), f"user {ada.id} is a member of an organisation already"),
                            (("add", "Other", "eve@example.org"), "nobody has registered as eve@example.org"),
                            (("add", "a\nb", ada.email), "control characters"),
                            (("join", "Acme School", ada.email, "owner"), "not \"owner\""),
                            (("join", "Nowhere", ada.email, "learner"), "there is no organisation \"Nowhere\""),
                            (("add", "Acme"), "expected organisations [list], add NAME ADMIN")):
            refused = run("organisations", *words, *self.server.database_flags, cwd=self.folder)
            self.assertEqual(refused.returncode, 1, refused)
            self.assertIn(told, refused.stderr)
        self.assertEqual(self.tables.count("organisations"), 1)

    def test_admins_do_not_wait_for_who_is_at_risk_while_it_is_looked_at(self):
        self.school()
        made = self.ask("POST", "/api/courses", self.instructor, {"title": "Optics", "description": "", "capacity": 10_000}, 201)
        course = made.headers["Location"]
        lesson = self.ask("POST", f"{course}/lessons", self.instructor, {"title": "One", "length_s": 60}, 201).json["id"]
        self.ask("POST", f"{course}/lessons", self.instructor, {"title": "Two", "length_s": 60}, 201)
        self.ask("POST", f"{course}/publish", self.instructor, status=204)
        self.ask("POST", f"{course}/enrolment", self.learner, status=201)
        old = "enrolled_at = 0, active_day = 0"
        self.database.execute(f"update enrolments set {old}")
        self.database.execute("with recursive n(i) as (select 0 union all select i + 1 from n where i < 20000) insert into enrolments "
                              "(course_id, user_id, enrolled_at, lessons_completed, active_day) "
                              f"select {made.json['id']}, 1000000 + i, 0, 2, 0 from n")
        path = "/api/dashboards/organisation/at-risk"

        def at_risk():
            return [one["user"] for one in self.ask("GET", path, self.admin).json["at_risk"]]

        def given_stale():
            # Whoever comes is at risk of nothing yet, and makes what was looked at untrue.
            self.ask("DELETE", f"{course}/enrolment", self.learner, status=204)
            self.ask("POST", f"{course}/enrolment", self.learner, status=201)
            self.database.execute(f"update enrolments set {old} where user_id = {self.learner.id}")
            return any("Loadstone-Stale" in answer.headers for answer, _ in list(askers.answers))
        with Askers(self.server, path, self.admin.cookie) as askers:
            # However long each takes: everybody has asked again before it is tried again.
            for _ in range(TRIES_MAX):
                answered = len(askers.answers)
                if given_stale():
                    break
                wait_until(lambda: len(askers.answers) >= answered + 2 * len(askers.threads), 60, "everybody to be answered")
            else:
                self.fail("nobody was given what was true before")
        self.assertEqual({answer.status for answer, _ in askers.answers}, {200})
        for answer, at in askers.answers:
            self.assertLessEqual({one["user"] for one in answer.json["at_risk"]}, {self.learner.id})
            stale = answer.headers["Loadstone-Stale"]
            if stale is not None:
                self.assertLessEqual(float(stale), 30)
                as_of = datetime.datetime.fromisoformat(answer.json["as_of"].replace("Z", "+00:00")).timestamp()
                self.assertLessEqual(as_of, at - float(stale) + 0.1, "it says how old it is")
        # Who asks alone sees what is.
        self.ask("POST", f"{course}/lessons/{lesson}/progress", self.learner, {"position_s": 60})
        self.assertEqual(at_risk(), [])


if __name__ == "__main__":
    main()
