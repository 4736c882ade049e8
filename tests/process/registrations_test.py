"""500 registrations: 500 users, each with one mail, one audit event and no job left."""

from email import policy
from email.parser import BytesParser

from harness.case import ProcessTest, main
from harness.load import Registrations

USERS = 500


class RegistrationsTest(ProcessTest):
    def test_each_user_gets_one_mail(self):
        self.mail.start()
        campus = self.campus().start()
        load = Registrations(campus.port, "reader", workers=16, total=USERS).start().finish(120)
        self.say(load.summary() + f", {USERS / load.seconds:.0f}/s")
        self.assertEqual(load.statuses(), {201: USERS})
        self.mail.wait_for(USERS, 60)
        self.wait_for_jobs(30)
        users = self.check_accounts(load.acknowledged(), load.attempted())
        self.assertEqual(len(users), USERS)
        self.check_mails(users)
        self.assertEqual(self.tables.count("deliveries", "state = 'sent'"), USERS)
        self.assertEqual(self.tables.count("audit_events"), USERS)
        self.assertEqual(self.tables.count("sessions"), USERS)
        self.assertEqual(self.mail.stats()["distinct"], USERS)

    def test_the_mail_says_what_was_registered(self):
        self.mail.start()
        campus = self.campus().start()
        with campus.client() as client:
            answer = client.register("Zoe@Example.org", name="Zoë Müller-Ångström 中文")
        self.assertEqual(answer.status, 201, answer)
        self.assertEqual(answer.json["message"], "Account created successfully")
        self.mail.wait_for(1, 10)
        mail = BytesParser(policy=policy.default).parsebytes(next(self.mail.store.glob("*.eml")).read_bytes())
        self.assertEqual(mail["X-Envelope-To"], "zoe@example.org")
        self.assertEqual(mail["To"].addresses[0].display_name, "Zoë Müller-Ångström 中文")
        self.assertEqual(mail["Subject"], "Welcome to Campus, Zoë Müller-Ångström 中文")
        self.assertIn("Zoë Müller-Ångström 中文", mail.get_body(("plain",)).get_content())
        self.assertIn("Zoë Müller-Ångström 中文", mail.get_body(("html",)).get_content())
        self.wait_for_jobs(10)
        delivery = self.tables.deliveries()[0]
        self.assertEqual(mail["Message-ID"], f"<{delivery['idempotency_key']}@localhost>")
        self.assertIn("zoe@example.org", campus.command("deliveries", "sent").stdout)

    def test_a_name_that_could_be_a_link_is_not_mailed(self):
        self.mail.start()
        campus = self.campus().start()
        with campus.client() as client:
            self.assertEqual(client.register("victim@example.org", name="win now evil.example/x").status, 201)
        self.mail.wait_for(1, 10)
        self.assertNotIn("evil", next(self.mail.store.glob("*.eml")).read_text())
        self.wait_for_jobs(10)


if __name__ == "__main__":
    main()
