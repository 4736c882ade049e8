"""A provider gets mail as fast as it is allowed, and whoever causes thousands of mails delays nobody else's."""

import json
import time

from harness.case import ProcessTest, main
from harness.load import Registrations
from harness.waiting import wait_until

RATE, BURST, BULK = 10, 5, 300
# From a job's start, which the limit counts, until the mail server has its mail.
SENT_WITHIN_S = 1.0
ANOTHER_NETWORK = "127.0.0.2"


class MailProvidersTest(ProcessTest):
    def work(self, name):
        return self.campus(name, role="work", data=self.folder / name, **self.settings).start()

    def arrival(self, address, timeout_s):
        """When its mail was taken, and how many of the bulk had been then."""
        def taken():
            return next((time for time, to in self.mail.times() if to == address), None)
        at = wait_until(taken, timeout_s, f"the mail to {address}")
        return at, sum(time < at for time, to in self.mail.times() if to.startswith("bulk"))

    def check_rate(self, times):
        """In no window more than rate times length and the burst."""
        for first, begin in enumerate(times):
            for last in range(first, len(times)):
                allowed = RATE * (times[last] - begin + SENT_WITHIN_S) + BURST
                self.assertLessEqual(last - first + 1, allowed, f"mails in {times[last] - begin:.3f} s")

    def test_a_bulk_delays_no_other_provider_and_no_other_tenant(self):
        self.mail.start()
        self.settings = {"mail_provider_rate_max": RATE, "mail_provider_burst_max": BURST,
                         "files": self.folder / "files", "public_url": "https://campus.example.org"}
        web = self.campus("web", role="web", **self.settings).start()
        with web.client(own_address=ANOTHER_NETWORK) as client:
            eve = client.register("eve@Slow.Example").cookie
        bulk = Registrations(web.port, "bulk", workers=8, total=BULK, domain="slow.example").start().finish(120)
        self.assertEqual(bulk.statuses(), {201: BULK})
        # One of them as it was enqueued by a program that knew no providers.
        self.database.execute(
            "update loadstone_ready set partition_key = '', arguments = '{\"user\":' || "
            "(select id from users where email = 'bulk1@slow.example') || '}' where arguments like '{\"user\":' || "
            "(select id from users where email = 'bulk1@slow.example') || ',%'")
        self.assertEqual(self.tables.count("loadstone_ready", "partition_key = ''"), 1)

        self.work("first")
        self.work("second")
        self.arrival("bulk1@slow.example", 10)
        self.mail.wait_for(BURST + 5, 20)
        with web.client(own_address=ANOTHER_NETWORK) as client:
            asked_at = time.time()
            ada = client.register("ada@other.example")
            bob = client.register("bob@slow.example")
            report = client.post("/api/reports", {"kind": "audit"}, cookie=eve)
        self.assertEqual((ada.status, bob.status, report.status), (201, 201, 202))
        # eve's: first the welcome mail, which waited with the bulk, then the link to her report.
        self.arrival("eve@slow.example", 20)
        for address, most_s in (("ada@other.example", 3), ("bob@slow.example", 5)):
            at, before = self.arrival(address, 30)
            self.say(f"{address}: {at - asked_at:.2f} s, {before} of {BULK} before it")
            self.assertLess(at - asked_at, most_s)
            self.assertLess(before, BULK / 2)

        def letters_to_eve():
            return [time for time, to in self.mail.times() if to == "eve@slow.example"]
        wait_until(lambda: len(letters_to_eve()) == 2, 20, "the link to the report")
        self.say(f"the link to a report: {letters_to_eve()[1] - asked_at:.2f} s")
        self.assertLess(letters_to_eve()[1] - asked_at, 10)
        self.assertLess(len(self.mail.times()), BULK, "the bulk is still under way")

        numbers = json.loads(web.command("jobs", "limit", "mail.provider", "--json", "--mail-provider-rate-max", RATE,
                                         "--mail-provider-burst-max", BURST).stdout)["now"]
        self.assertEqual((numbers["per_second"], numbers["burst"]), (RATE, BURST))
        self.mail.wait_for(BURST + 6 * RATE, 30)
        slowly = [time for time, to in self.mail.times() if to.endswith("@slow.example") and to != "bulk1@slow.example"]
        self.check_rate(slowly)
        self.say(f"{len(slowly)} mails to one provider in {slowly[-1] - slowly[0]:.1f} s")
        self.assertGreater(len(slowly), RATE * (slowly[-1] - slowly[0]) / 2, "it is used")
        web.command("jobs", "limit", "mail.provider", "--per-second", 200)
        changed_at = time.time()
        self.wait_for_jobs(30)
        self.assertLess(time.time() - changed_at, (BULK - len(slowly)) / RATE, "faster than before")
        letters = self.mail.taken()
        self.assertEqual(len(letters), BULK + 3)
        counts = {address: sum(times.values()) for address, times in letters.items()}
        self.assertEqual(counts.pop("eve@slow.example"), 2)
        self.assertEqual(set(counts.values()), {1}, "each mail once")


if __name__ == "__main__":
    main()
