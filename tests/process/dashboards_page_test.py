"""The page /dashboards in Chromium: what it shows is what the API says; by keyboard; in light and dark; empty and failing.

LOADSTONE_SCREENSHOTS=FOLDER keeps pictures of it."""

import json
import os
import pathlib
import re

from harness.browser import Browser
from harness.case import ProcessTest, main
from harness.waiting import wait_until

PALETTE = {"--text": 4.5, "--quiet": 4.5, "--accent": 4.5, "--error": 4.5, "--first": 3, "--second": 3, "--third": 3}

# Of a page that has seen 0-0, and asks twice before it is answered: what the answers to the first (0) and the second (1) tell, in the order
# in which they come, and what the page has seen then.
UNKNOWN = "FFFFFFFF-FFFFFFFFFFFFFFFF"
OVERLAPPING = [
    ([(0, "1-20"), (1, "1-30")], "1-30"),
    ([(1, "1-30"), (0, "1-20")], "1-30"),
    ([(1, "1-9"), (0, "1-10")], "1-10"),
    ([(0, "2-1"), (1, "1-FF")], "2-1"),
    ([(0, "1-20"), (1, None)], "1-20"),
    ([(0, None), (1, "0-0")], "0-0"),
    ([(0, "1-20"), (1, UNKNOWN)], UNKNOWN),
    ([(0, UNKNOWN), (1, "1-20")], UNKNOWN),
    ([(0, "80000007-5"), (1, "80000007-4")], "80000007-5"),
    ([(0, "80000007-5"), (1, "80000009-9")], UNKNOWN),
    ([(0, "80000007-5"), (1, "0-0")], "80000007-5"),
]
# Plays a list of steps: null asks, [number, told] answers the question of that number. Gives what the next question would carry.
PLAY = """async steps => {
    const real = window.fetch, answer = [], asked = [];
    let carried;
    window.fetch = (path, {headers}) => new Promise(done => {
        carried = headers['Loadstone-Position'];
        answer.push(told => done(new Response(null, {headers: told === null ? {} : {'Loadstone-Position': told}})));
    });
    for (const step of steps) {
        if (step === null) asked.push(fetchAsSeen('/'));
        else { answer[step[0]](step[1]); await asked[step[0]]; }
    }
    fetchAsSeen('/');
    window.fetch = real;
    return carried;
}"""

FRESH = r"^As of 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC, \d+ (s|min) ago$"


def luminance(colour):
    parts = [int(colour[at:at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """WCAG 2.2, 1.4.3."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


class DashboardsPageTest(ProcessTest):
    def setUp(self):
        super().setUp()
        self.server = self.campus("campus", smtp=None)
        self.server.command("migrate")
        seeded = self.server.command("seed", "--users", "300", "--courses", "12", timeout_s=300).stdout
        self.learner, self.instructor, self.password = re.search(
            r"one of them, (\S+) or the instructor (\S+), with the password (\S+)$", seeded, re.M).groups()
        self.database.execute("update quiz_attempts set points_max = null where id % 9 = 0")
        self.admin = re.search(r"admin is (\S+)$", seeded, re.M).group(1)
        self.server.start()
        self.client = self.server.client()
        self.addCleanup(self.client.close)
        self.url = f"http://127.0.0.1:{self.server.port}"
        wait_until(lambda: self.tables.value("select count(*) from loadstone_fact_work where state = 'done'") == 1, 30, "the back-fill")
        self.browser = Browser(self.folder)
        self.addCleanup(self.browser.close)

    def screenshot(self, name):
        folder = os.environ.get("LOADSTONE_SCREENSHOTS")
        if folder:
            self.browser.screenshot(pathlib.Path(folder) / f"{name}.png")

    def message(self):
        return self.browser.run("document.getElementById('message')?.textContent")

    def shows(self, id):
        return self.browser.run(f"document.getElementById('{id}')?.checkVisibility() === true")

    def table(self, id):
        return self.browser.run(f"[...document.querySelectorAll('#{id} tbody tr')].map(row => [...row.cells].map(cell => cell.textContent))")

    def focused(self):
        return self.browser.run("document.activeElement.id || document.activeElement.textContent.trim()")

    def sign_in(self, email):
        wait_until(lambda: self.shows("sign-in"), 30, "the form to sign in")
        self.browser.run("document.getElementById('email').focus()")
        self.browser.type(email)
        self.browser.tab()
        self.assertEqual(self.focused(), "password")
        self.browser.type(self.password)
        self.browser.key("Enter", 13, "\r")

    def test_the_page(self):
        self.browser.go(self.url + "/dashboards")
        wait_until(lambda: self.shows("sign-in"), 30, "the form to sign in")
        self.check_names("signed out")
        self.sign_in(self.instructor)
        wait_until(lambda: self.shows("charts"), 30, "the charts")
        cookie = self.client.post("/api/login", {"email": self.instructor, "password": self.password}).cookie
        self.check_data(self.client.get("/api/dashboards/instructor/analytics?days=30", cookie=cookie).json)
        self.check_views(cookie)
        self.check_positions()
        self.check_that_ages_move()
        self.check_schemes()
        self.check_keyboard()
        self.check_names("with charts")
        self.check_other_days(cookie)
        self.check_policy()
        self.check_failures(cookie)
        self.assertEqual(self.browser.complaints(), [])

    def test_an_organisation_and_many_courses(self):
        self.browser.go(self.url + "/dashboards")
        self.sign_in(self.admin)
        wait_until(lambda: "no courses here yet" in (self.message() or ""), 30, "that the admin teaches none")
        cookie = self.client.post("/api/login", {"email": self.admin, "password": self.password}).cookie
        answers = self.client.get("/api/dashboards/organisation/analytics?days=30", cookie=cookie).json
        now = self.client.get("/api/dashboards/organisation", cookie=cookie).json
        self.choose_scope("organisation")
        wait_until(lambda: self.message() == f"{answers['courses']} courses.", 30, "the charts of the organisation")
        self.assertGreater(answers["courses"], 3)
        self.check_data(answers)
        self.assertEqual(self.table("now-table"), [self.line_of(line) for line in now["top_courses"]])
        self.assertRegex(self.browser.run("document.getElementById('now-fresh').textContent"), FRESH)
        for section, is_shown in (("activity-chart", True), ("now-list", True), ("lessons-section", False), ("grades-section", False)):
            self.assertEqual(self.shows(section), is_shown, section)
        self.check_names("of an organisation")
        self.screenshot("organisation")
        self.check_many_courses()
        self.assertEqual(self.browser.complaints(), [])

    def check_many_courses(self):
        """More than a page of them: all are listed, and can be chosen."""
        instructor = self.tables.value(f"select id from users where email = '{self.instructor}'")
        self.database.execute(
            "insert into courses (title, title_key, description, instructor_id, capacity, state, lesson_count, quiz_count, created_at) values " +
            ", ".join(f"('New {number}', 'new {number}', '', {instructor}, 1, 'draft', 0, 0, 0)" for number in range(150)))
        courses = self.tables.value(f"select count(*) from courses where instructor_id = {instructor}")
        self.assertGreater(courses, 150)
        self.browser.ask("Network.clearBrowserCookies")
        self.browser.go(self.url + "/dashboards")
        self.sign_in(self.instructor)
        wait_until(lambda: self.message() == f"{courses} courses.", 30, "the charts of many courses")
        self.assertEqual(len(self.table("now-table")), courses)
        self.assertEqual(self.browser.run("new Set([...document.getElementById('course').options].map(option => option.value)).size"), courses)
        # A page that fails: what was found is shown, and how many those are.
        self.browser.run("{ const all = fetchAsSeen; fetchAsSeen = (path, options) => path.includes('before=') ? Promise.reject() : all(path, options); }")
        self.browser.run("document.getElementById('wanted').requestSubmit()")
        wait_until(lambda: self.message() == f"{courses} courses. Listed are the newest 100. Some figures cannot be shown now.", 30, "what is listed to be said")
        self.assertEqual(len(self.table("now-table")), 100)

    @staticmethod
    def line_of(line):
        return [line["title"], str(line["enrolled"]), str(line["active"]), str(line["completed"]),
                "–" if line["average_percent"] is None else f"{line['average_percent']:.1f} %"]

    def check_data(self, answers):
        day = [[line["day"][:10], str(line["learners"]), str(line["lessons"]), str(line["attempts"])] for line in answers["activity"]["days"]]
        self.assertEqual(self.table("activity-table"), day)
        steps = answers["funnel"]["learners"]
        self.assertGreater(steps["enrolled"], steps["completed"])
        self.assertEqual(self.table("funnel-table"), [["Enrolled", str(steps["enrolled"])], ["Began", str(steps["began"])],
                                                      ["Attempted", str(steps["attempted"])], ["Completed", str(steps["completed"])]])
        self.assertEqual(self.table("top-table"), [[line["title"], str(line["learners"]), str(line["lessons"]), str(line["attempts"])]
                                                   for line in answers["top_courses"]["courses"]])
        bands = answers["scores"]["bands"]
        self.assertGreater(sum(bands), 100)
        self.assertEqual(self.table("scores-table"), [[f"{at * 10}–{100 if at == 9 else at * 10 + 9} %", str(attempts)]
                                                      for at, attempts in enumerate(bands)])
        unknown = answers["scores"]["unknown"]
        self.assertGreater(unknown, 0)
        self.assertEqual(self.browser.run("document.getElementById('scores-unknown').textContent"), f"Of {unknown} older attempts it is not known.")
        self.assertEqual(self.table("risk-table"), [[one["title"], one["name"], one["last_active"][:10], str(one["lessons_completed"])]
                                                    for one in answers["at_risk"]["learners"]])
        self.assertTrue(all(one["title"] and one["name"] for one in answers["at_risk"]["learners"]))
        self.assertIn(str(answers["at_risk"]["total"]), self.browser.run("document.getElementById('risk-total').textContent"))
        for part in ("activity", "funnel", "top", "scores", "risk"):
            text = self.browser.run(f"document.getElementById('{part}-fresh').textContent")
            self.assertRegex(text, FRESH)

    def check_views(self, cookie):
        """What the database keeps, of each course and of one of them."""
        lines = self.client.get("/api/dashboards/instructor?limit=100", cookie=cookie).json["courses"]
        self.assertEqual(self.table("now-table"), [self.line_of(line) for line in lines])
        self.assertGreater(len(lines), 1)
        for line in (lines[0], lines[-1]):
            shown = self.client.get(f"/api/dashboards/courses/{line['course']}", cookie=cookie).json
            self.browser.run(f"{{ const course = document.getElementById('course'); course.value = '{line['course']}'; "
                             "course.dispatchEvent(new Event('change')); }")
            wait_until(lambda: self.table("lessons-table") == [[step["title"], str(step["begun"]), str(step["completed"])] for step in shown["funnel"]],
                       20, "the lessons of a course")
            grades = [[f"{at * 10}–{100 if at == 9 else at * 10 + 9} %", str(learners)] for at, learners in enumerate(shown["grades"])]
            wait_until(lambda: self.table("grades-table") == (grades if any(shown["grades"]) else []), 20, "its grades")
        for part in ("now", "lessons", "grades"):
            self.assertRegex(self.browser.run(f"document.getElementById('{part}-fresh').textContent"), FRESH)

    def check_positions(self):
        """The page carries the latest of what all its answers have told."""
        sent = [event["params"]["request"] for event in self.browser.events if event.get("method") == "Network.requestWillBeSent"]
        sent = [request for request in sent if "/api/" in request["url"]]
        self.assertGreater(len(sent), 3)
        for request in sent:
            self.assertIn("loadstone-position", {name.lower() for name in request["headers"]}, request)
        before = self.browser.run(f"({PLAY})([])")

        def play(*steps):
            return self.browser.run(f"({PLAY})({json.dumps(steps)})")
        for answers, seen in OVERLAPPING:
            self.assertEqual(play(None, [0, "0-0"]), "0-0")
            self.assertEqual(play(None, None, *answers), seen, answers)
        self.assertEqual(play(None, [0, "1-30"]), "1-30")
        self.assertEqual(play(None, [0, "1-10"]), "1-10", "it was of a history that is no more")
        self.assertEqual(self.browser.run("sessionStorage.getItem('loadstone-position')"), "1-10")
        self.assertEqual(play(None, [0, before]), before)

    def check_that_ages_move(self):
        """How old a figure is is told anew while it is looked at."""
        def age():
            return int(re.search(r"(\d+) s ago", self.browser.run("document.getElementById('now-fresh').textContent")).group(1))
        before = age()
        wait_until(lambda: age() > before, 10, "the age to move")

    def drawn(self, id, variable):
        """Pixels of a chart in the colour of a variable of the palette."""
        return self.browser.run(f"""(() => {{
            const canvas = document.querySelector('#{id} canvas');
            const wanted = getComputedStyle(document.documentElement).getPropertyValue('{variable}').trim();
            const [red, green, blue] = [1, 3, 5].map(at => parseInt(wanted.slice(at, at + 2), 16));
            const {{data}} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
            let count = 0;
            for (let at = 0; at < data.length; at += 4)
                if (data[at] === red && data[at + 1] === green && data[at + 2] === blue && data[at + 3] === 255) count++;
            return count;
        }})()""")

    def check_schemes(self):
        for scheme in ("light", "dark"):
            self.browser.colour_scheme(scheme)
            colours = {name: self.browser.run(f"getComputedStyle(document.documentElement).getPropertyValue('{name}').trim()")
                       for name in (*PALETTE, "--background")}
            for name, least in PALETTE.items():
                self.assertGreaterEqual(contrast(colours[name], colours["--background"]), least, f"{name}, {scheme}")
            for chart, variable in (("activity-chart", "--first"), ("activity-chart", "--second"), ("funnel-chart", "--first"),
                                    ("top-chart", "--first"), ("scores-chart", "--first"), ("lessons-chart", "--second")):
                wait_until(lambda: self.drawn(chart, variable) > 50, 10, f"{chart} in {variable}, {scheme}")
            self.screenshot(scheme)
        self.browser.colour_scheme("light")

    def check_keyboard(self):
        """Every control and chart, in the order in which it stands; arrow keys read a chart."""
        self.browser.run("document.activeElement.blur()")
        self.browser.run("document.querySelector('.skip').focus()")
        order = [self.focused()]
        for _ in range(18):
            self.browser.tab()
            order.append(self.focused())
        self.assertEqual(order, ["To the charts", "scope", "days", "Refresh", "activity-chart", "Activity as a table", "funnel-chart",
                                 "Completion as a table", "top-chart", "Courses as a table", "scores-chart", "Scores as a table", "risk-list", "now-list", "course",
                                 "lessons-chart", "Lessons as a table", "grades-chart", "Grades as a table"])
        self.browser.run("document.getElementById('funnel-chart').focus()")
        self.browser.key("ArrowRight", 39)
        enrolled = self.table("funnel-table")[0][1]
        self.assertEqual(self.browser.run("document.getElementById('funnel-point').textContent"), f"Enrolled: {enrolled} learners")
        self.browser.key("End", 35)
        self.assertRegex(self.browser.run("document.getElementById('funnel-point').textContent"), r"^Completed: \d+ learners$")

    def check_names(self, when):
        """What can be focused has a name, and there is one main and one first heading."""
        nodes = [node for node in self.browser.ask("Accessibility.getFullAXTree")["nodes"] if not node.get("ignored")]
        roles = [node["role"]["value"] for node in nodes]
        self.assertEqual((roles.count("main"), roles.count("banner")), (1, 1))
        for node in nodes:
            properties = {each["name"]: each["value"].get("value") for each in node.get("properties", [])}
            if properties.get("focusable") and node["role"]["value"] not in ("RootWebArea", "main"):
                self.assertTrue(node.get("name", {}).get("value"), f"{when}: {node}")
        self.assertEqual(self.browser.run("document.querySelectorAll('h1').length"), 1)
        self.assertEqual(self.browser.run("document.documentElement.lang"), "en")

    def check_other_days(self, cookie):
        answers = self.client.get("/api/dashboards/instructor/analytics?days=366", cookie=cookie).json
        self.browser.run("{ const days = document.getElementById('days'); days.value = '366'; days.dispatchEvent(new Event('change')); }")
        wait_until(lambda: len(self.table("activity-table")) == len(answers["activity"]["days"]), 20, "a year")
        self.check_data(answers)

    def check_policy(self):
        policy = self.client.get("/dashboards").headers["Content-Security-Policy"]
        self.assertIn("default-src 'none'; script-src 'self'; style-src 'self'", policy)
        self.assertNotIn("unsafe", policy)
        self.browser.run("{ const script = document.createElement('script'); script.textContent = 'window.smuggled = 1'; document.head.append(script); }")
        self.assertIsNone(self.browser.run("window.smuggled"))
        refused = [text for text in self.browser.complaints() if "Content Security Policy" in str(text)]
        self.assertEqual(len(refused), 1)
        self.browser.events.clear()
        self.assertEqual(self.client.get("/dashboards/LICENSE").status, 200)
        self.assertEqual(self.client.get("/dashboards/passwords").status, 404)

    def choose_scope(self, scope):
        self.browser.run(f"{{ const scope = document.getElementById('scope'); scope.value = '{scope}'; scope.dispatchEvent(new Event('change')); }}")

    def check_failures(self, cookie):
        wait_until(lambda: re.search(r"course(s)?\.$", self.message() or ""), 20, "the charts")
        self.browser.ask("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=-1, uploadThroughput=-1)
        self.browser.run("document.getElementById('wanted').requestSubmit()")
        wait_until(lambda: "cannot be shown now" in self.message(), 20, "the failure to be said")
        self.assertFalse(self.shows("charts"))
        self.screenshot("failing")
        self.browser.ask("Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1)
        self.browser.run("document.getElementById('wanted').requestSubmit()")
        wait_until(lambda: self.shows("charts"), 20, "the charts again")
        self.browser.ask("Network.clearBrowserCookies")
        self.browser.go(self.url + "/dashboards")
        self.sign_in(self.learner)
        wait_until(lambda: "no courses here yet" in self.message(), 20, "that there are none")
        self.screenshot("empty")
        self.choose_scope("organisation")
        wait_until(lambda: "Only an admin" in self.message(), 20, "that it is not for them")


if __name__ == "__main__":
    main()
