"""Programs in other languages enqueue in their own transactions, and the mails arrive."""

import json
import pathlib
import subprocess
import time

from harness.case import ProcessTest, main
from harness.waiting import wait_until

NODE = pathlib.Path(__file__).resolve().parent / "node"
KIND = "accounts.SendWelcomeEmail"


class JobsSqlTest(ProcessTest):
    def declared(self):
        return [row["name"] for row in self.database.rows("select name from loadstone_kinds")]

    def node(self, *words):
        done = subprocess.run(["node", "enqueue.mjs", self.database.url, *words], cwd=NODE, capture_output=True, text=True,
                              timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def psql(self, email, end, options="{}"):
        return self.database.psql(
            "begin; with person as (insert into users (name, email, password_hash, created_at) "
            f"values ('Psql', '{email}', '', 0) returning id) "
            f"select loadstone.enqueue('{KIND}', jsonb_build_object('user', id), '{options}') from person; {end}")

    def test_mails_of_node_and_psql_arrive_and_those_rolled_back_do_not(self):
        self.mail.start()
        self.campus().start()
        wait_until(lambda: KIND in self.declared(), 20, "the kind to be declared")
        began = time.monotonic()
        said = self.node("one@node.example", "two@node.example", "--rollback", "none@node.example")
        self.assertEqual([line["email"] for line in said[:3]], ["one@node.example", "two@node.example", "none@node.example"])
        self.assertEqual(said[3], {"code": "42704", "hint": f"Is it {KIND}?"})
        self.psql("one@psql.example", "commit")
        self.psql("none@psql.example", "rollback")
        self.psql("two@psql.example", "commit", '{"notify": true, "delay_ms": 100}')
        self.mail.wait_for(4, 20)
        self.say(f"4 mails {time.monotonic() - began:.1f} s after the first was enqueued")
        self.wait_for_jobs(20)
        self.assertEqual(set(self.mail.taken()),
                         {"one@node.example", "two@node.example", "one@psql.example", "two@psql.example"})
        self.check_mails(self.tables.users())

    def test_a_user_who_registered_gets_a_second_mail_from_psql(self):
        self.mail.start()
        campus = self.campus().start()
        with campus.client() as client:
            self.assertEqual(client.register("ada@example.org", name="Ada").status, 201)
        self.mail.wait_for(1, 20)
        wait_until(lambda: KIND in self.declared(), 20, "the kind to be declared")
        self.database.psql(f"select loadstone.enqueue('{KIND}', jsonb_build_object('user', id)) from users")
        self.mail.wait_for(2, 20)
        self.wait_for_jobs(20)
        self.assertEqual(len(self.mail.taken()["ada@example.org"]), 2, "of two jobs")

    def test_the_guides_sql_enqueues(self):
        self.mail.start()
        self.campus().start()
        wait_until(lambda: KIND in self.declared(), 20, "the kind to be declared")
        self.database.psql((NODE / "enqueue.sql").read_text())
        self.mail.wait_for(2, 20)
        self.wait_for_jobs(20)
        self.assertEqual(len(self.mail.taken()["ada@psql.example"]), 2, "of two jobs")

    def test_what_only_serves_declares_and_what_works_later_runs(self):
        self.mail.start()
        self.campus("web", role="web").start()
        wait_until(lambda: KIND in self.declared(), 20, "the kind to be declared")
        self.node("early@node.example")
        self.assertEqual(len(self.tables.jobs()), 1)
        self.campus("work", role="work", data=self.folder / "data-work").start()
        self.mail.wait_for(1, 20)
        self.wait_for_jobs(20)


if __name__ == "__main__":
    main()
