"""A report of 10,000,000 entries (LOADSTONE_FULL=1; else of 300,000): flat memory, progress that is shown, every entry once though
its worker is killed in the midst."""

import hashlib
import http.client
import pathlib
import re
import time

from harness.case import FULL, SHORT_LEASE, ProcessTest, main
from harness.waiting import wait_until

ROWS = 10_000_000 if FULL else 300_000
GROWTH_MAX = 64 << 20 if FULL else 16 << 20
LINE_BYTES = 80  # about
FIRST_US, STEP_US, SAME_INSTANT = 1_600_000_000_000_000, 1_003, 7
DETAILS = ["a plain sentence", "with, comma", 'with "quotes"', "=1+1", "Zürich"]
IN_CSV = ["a plain sentence", '"with, comma"', '"with ""quotes"""', "'=1+1", "Zürich"]


def rfc3339(value):
    seconds, fraction = divmod(value, 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{fraction:06}Z"


class LargeReportsTest(ProcessTest):
    def fill(self):
        cases = " ".join(f"when {number} then '{text}'" for number, text in enumerate(DETAILS))
        for first in range(0, ROWS, 500_000):
            end = min(first + 500_000, ROWS)
            self.database.execute(
                f"with recursive n(i) as (select {first} union all select i + 1 from n where i + 1 < {end}) "
                "insert into audit_events (user_id, action, detail, address, happened_at) "
                f"select 1, 'test.entry', case i % {len(DETAILS)} {cases} end, '192.0.2.1', "
                f"{FIRST_US} + cast(i / {SAME_INSTANT} as bigint) * {STEP_US} from n order by i")
        self.first_id = self.tables.value("select min(id) from audit_events where action = 'test.entry'")
        self.assertEqual(self.tables.value("select max(id) from audit_events where action = 'test.entry'"),
                         self.first_id + ROWS - 1, "ids are without a gap")

    def expected(self):
        """The hash and the length of it."""
        hash, length = hashlib.sha256(), 0
        text = ["id,happened_at,action,detail,address\r\n"]
        for first in range(0, ROWS, SAME_INSTANT):
            at = rfc3339(FIRST_US + first // SAME_INSTANT * STEP_US)
            text += [f"{self.first_id + i},{at},test.entry,{IN_CSV[i % len(DETAILS)]},192.0.2.1\r\n"
                     for i in range(first, min(first + SAME_INSTANT, ROWS))]
            if len(text) > 50_000 or first + SAME_INSTANT >= ROWS:
                piece = "".join(text).encode()
                hash.update(piece)
                length += len(piece)
                text = []
        return hash.hexdigest(), length

    def download(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.web.port, 60)
        connection.request("GET", path, headers={"Cookie": self.cookie})
        answer = connection.getresponse()
        self.assertEqual(answer.status, 200)
        hash, length = hashlib.sha256(), 0
        while piece := answer.read(256 * 1024):
            hash.update(piece)
            length += len(piece)
        connection.close()
        return hash.hexdigest(), length

    @staticmethod
    def peak_memory(campus):
        status = pathlib.Path(f"/proc/{campus.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) << 10

    def part_bytes(self):
        return max((path.stat().st_size for path in (self.folder / "files" / "reports").glob("*.part")), default=0)

    def show(self):
        return self.client.get(self.path, cookie=self.cookie).json

    def test_one_of_very_many_entries(self):
        self.mail.start()
        shared = {"files": self.folder / "files", "public_url": "https://campus.example.org/"}
        self.web = self.campus("web", role="web", **shared).start()
        self.client = self.web.client()
        self.addCleanup(self.client.close)
        self.cookie = self.client.register("ada@example.org").cookie
        self.fill()
        self.client.close()  # it has been idle for long
        work = self.campus("work", role="work", data=self.folder / "data2", jobs_crashes_max=10, **shared, **SHORT_LEASE).start()
        self.wait_for_jobs(30)
        idle = self.peak_memory(work)
        period = {"from": rfc3339(FIRST_US), "to": rfc3339(FIRST_US + ROWS * STEP_US)}
        self.path = self.client.post("/api/reports", {"kind": "audit", **period}, cookie=self.cookie).headers["Location"]
        began = time.monotonic()
        seen = []

        def comes_to(share):
            def is_there():
                shown = self.show()
                self.assertIn(shown["state"], ("waiting", "running"))
                if shown["progress"] and shown["progress"]["fraction"] > 0:
                    seen.append(shown["progress"]["fraction"])
                return self.part_bytes() > share * ROWS * LINE_BYTES
            wait_until(is_there, 900, f"{share} of the file")
        for share in (0.2, 0.45):
            comes_to(share)
            work.kill()
            self.assertEqual(self.show()["state"], "running", "it was killed in the midst")
            work.start()

        def is_done():
            shown = self.show()
            self.assertIn(shown["state"], ("running", "done"), shown)
            if shown["progress"] and shown["progress"]["fraction"] > 0:
                seen.append(shown["progress"]["fraction"])
            return shown if shown["state"] == "done" else None
        shown = wait_until(is_done, 1_800, "the report")
        seconds = time.monotonic() - began
        self.assertEqual(shown["rows"], ROWS)
        grown = self.peak_memory(work) - idle
        before = self.peak_memory(self.web)
        self.assertEqual(self.download(shown["file"]), self.expected(), "every entry once, in order")
        downloaded = self.peak_memory(self.web) - before
        went_on = [line["bytes"] for line in work.log_lines() if line.get("event") == "a report goes on where it was"]
        self.say(f"{ROWS} entries, {shown['bytes'] >> 20} MiB in {seconds:.1f} s, killed twice, went on at last from {went_on}; "
                 f"progress {seen[:1]} .. {seen[-1:]} in {len(set(seen))} steps; the worker's VmHWM {idle >> 10} KiB idle and "
                 f"{grown >> 10} KiB more, the download {downloaded >> 10} KiB")
        self.assertGreater(went_on[0], 0)
        self.assertEqual(seen, sorted(seen), "it does not go back")
        if FULL:  # the short one may be done before progress is told twice
            self.assertGreater(len(set(seen)), 1)
        self.assertLess(grown, GROWTH_MAX)
        self.assertLess(downloaded, GROWTH_MAX)


if __name__ == "__main__":
    main()
