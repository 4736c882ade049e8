"""Connections that are lost while a mail is sent, and mails that are refused."""

from harness.case import ProcessTest, main
from harness.load import Registrations

USERS = 40
LOST = 6  # more than open the breaker; each further one doubles its time


class MailLostTest(ProcessTest):
    def register(self, campus):
        load = Registrations(campus.port, "reader", workers=8, total=USERS).start().finish(60)
        self.assertEqual(load.statuses(), {201: USERS})
        self.wait_for_jobs(60)
        return self.check_accounts(load.acknowledged(), load.attempted())

    def check_unknown(self, campus, users):
        """Taken by the mail server, which did not say so: recorded as unknown, not sent again."""
        self.check_mails(users)
        self.assertEqual(self.tables.count("deliveries", "state = 'unknown'"), LOST)
        self.assertEqual(self.tables.count("deliveries", "state = 'sent'"), USERS - LOST)
        shown = campus.command("deliveries", "unknown").stdout
        for delivery in self.tables.deliveries("unknown"):
            self.assertIn(delivery["recipient"], shown)
        lines = [line for line in campus.log_lines() if line.get("state") == "unknown"]
        self.assertEqual(len(lines), LOST, "a line in the log for each")

    def test_closed_after_the_final_dot_is_unknown_and_not_sent_again(self):
        self.mail.start()
        self.mail.mode(f"drop-after-dot count={LOST}")
        campus = self.campus().start()
        self.check_unknown(campus, self.register(campus))

    def test_unknown_is_sent_again_where_the_operator_would_rather_have_two(self):
        self.mail.start()
        self.mail.mode(f"drop-after-dot count={LOST}")
        campus = self.campus(mail_resend_unknown="on").start()
        users = self.register(campus)
        self.check_mails(users, doubles_max=LOST)
        self.assertEqual(self.mail.count(), USERS + LOST)
        self.assertEqual(self.tables.count("deliveries", "state = 'sent'"), USERS)

    def test_reset_after_the_final_dot_is_unknown_and_not_sent_again(self):
        self.mail.start()
        self.mail.mode(f"drop stage=dot reset=1 count={LOST}")
        campus = self.campus().start()
        self.check_unknown(campus, self.register(campus))

    def test_silence_after_the_final_dot_is_unknown_and_not_sent_again(self):
        self.mail.start()
        self.mail.mode(f"silent stage=dot count={LOST}")
        campus = self.campus(mail_transfer_timeout_ms=1500).start()
        self.check_unknown(campus, self.register(campus))

    def test_closed_before_the_final_dot_is_sent_again(self):
        self.mail.start()
        self.mail.mode(f"drop-before-dot count={LOST}")
        campus = self.campus().start()
        self.check_mails(self.register(campus))
        self.assertEqual(self.tables.count("deliveries", "state = 'sent'"), USERS)

    def test_refused_for_good_is_a_bounce(self):
        self.mail.start()
        self.mail.mode(f"reject550 count={LOST}")
        campus = self.campus().start()
        users = self.register(campus)
        bounced = self.tables.deliveries("bounced")
        self.assertEqual(len(bounced), LOST)
        self.assertEqual({delivery["code"] for delivery in bounced}, {550})
        self.check_mails(users, missing={delivery["recipient"] for delivery in bounced})
        self.assertIn("no such mailbox", campus.command("deliveries", "bounced").stdout)


if __name__ == "__main__":
    main()
