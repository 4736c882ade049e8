"""What is wrong in the configuration is an error that names the key and where it stands."""

import os
import subprocess

from harness.campus import PROGRAM, environment, run
from harness.case import ProcessTest, main


class ConfigurationTest(ProcessTest):
    def refused(self, *words, file=None, env=None, status=1, said=()):
        if file is not None:
            (self.folder / "campus.toml").write_text(file)
        env = {"CAMPUS_LISTEN": "127.0.0.1:0", **(env or {})}
        done = run("serve", *words, cwd=self.folder, env=env, timeout_s=20)
        self.assertEqual(done.returncode, status, done.stderr)
        for text in said:
            self.assertIn(text, done.stderr)
        self.assertNotIn("listening", done.stderr)
        return done

    def test_an_unknown_key_in_the_file(self):
        self.refused(file='listen = "127.0.0.1:0"\nlissten = "127.0.0.1:0"\n', said=["campus.toml:2", "lissten"])

    def test_an_unknown_key_in_a_table_of_the_file(self):
        self.refused(file="[http]\nidle_timeout = 5\n", said=["campus.toml:2", "http.idle_timeout"])

    def test_a_share_of_a_module_that_there_is_not(self):
        self.refused(file='[store]\nshares = "repots=40/60"\n', said=["store.shares", "repots"])

    def test_a_bound_of_a_queue_that_has_none(self):
        self.refused(file='[jobs]\nbounds = "post_notices=5"\n', said=["jobs.bounds", "post_notices"])
        self.refused(file='[jobs]\nbounds = "reports=0"\n', said=["campus.toml:2", "jobs.bounds", "reports=0"])

    def test_an_unknown_table_in_the_file(self):
        self.refused(file="[htpp]\nidle_timeout_ms = 5\n", said=["campus.toml:1", "htpp"])

    def test_a_bad_value_in_the_file(self):
        self.refused(file="threads = -3\n", said=["campus.toml:1", "threads", "-3"])
        self.refused(file='drain_ms = "long"\n', said=["campus.toml:1", "drain_ms", "long"])
        self.refused(file="drain_ms = 1.5\n", said=["campus.toml:1", "drain_ms"])
        self.refused(file="data = [1]\n", said=["campus.toml:1", "data"])

        self.refused(file='smtp = "foo"\n', said=["campus.toml:1", "smtp", "mail URL"])
        self.refused(file='\nmail_from = "nobody"\n', said=["campus.toml:2", "mail_from", "nobody"])
        self.refused(file='database = "postgres://x:99999/y"\n', said=["campus.toml:1", "database"])
        self.refused(file='listen = "foo:80"\n', said=["campus.toml:1", "listen", "foo:80"])

    def test_a_file_that_is_no_toml(self):
        self.refused(file="listen = \n", said=["campus.toml:1"])

    def test_a_file_that_is_not_there(self):
        self.refused("--config", "nowhere.toml", said=["nowhere.toml"])
        self.refused(env={"CAMPUS_CONFIG": "elsewhere.toml"}, said=["elsewhere.toml"])

    def test_an_unknown_variable(self):
        self.refused(env={"CAMPUS_LISSTEN": "127.0.0.1:0"}, said=["environment", "CAMPUS_LISSTEN"])

    def test_a_bad_value_in_a_variable(self):
        self.refused(env={"CAMPUS_ROLE": "boss"}, said=["CAMPUS_ROLE", "boss", "all or web or work"])

    def test_an_unknown_flag(self):
        self.refused("--lissten", "127.0.0.1:0", status=2, said=["--lissten"])

    def test_a_bad_value_of_a_flag(self):
        for flag, value in (("--listen", "8080"), ("--listen", "127.0.0.1:99999"), ("--threads", "many"),
                            ("--rate-limits", "perhaps"), ("--http-idle-timeout-ms", "0"), ("--log-level", "loud"),
                            ("--jobs-running-max", "0")):
            self.refused(flag, value, said=[flag, value.rpartition(":")[2]])

    def test_values_that_do_not_go_together(self):
        self.refused("--jobs-heartbeat-every-ms", "5000", "--jobs-dead-after-ms", "10000",
                     said=["jobs.dead_after_ms (10000)", "jobs.heartbeat_every_ms (5000)"])
        self.refused("--tls-certificate", "cert.pem", said=["tls_certificate", "tls_key"])

    def test_what_does_not_work_is_told_in_one_line(self):
        for words, said in ((("--database", "mysql://localhost/x"), "mysql"),
                            (("--smtp", "http://localhost"), "mail URL: scheme"),
                            (("--data", "/proc/nowhere"), "/proc/nowhere"),
                            (("--database", "sqlite:/nowhere/campus.db"), "/nowhere/campus.db"),
                            (("--listen", "192.0.2.1:8080"), "192.0.2.1")):
            done = self.refused(*words, said=[said])
            last = done.stderr.strip().splitlines()[-1]
            self.assertTrue(last.startswith("campus: "), last)

    def test_a_port_in_use(self):
        campus = self.campus().start()
        self.refused("--listen", f"127.0.0.1:{campus.port}", "--data", "other", said=[str(campus.port), "in use"])
        self.assertFalse((self.folder / "other/campus.db").exists(), "the schema is not touched before")

    def test_a_folder_that_may_not_be_read_is_not_called_empty(self):
        self.campus().start()
        is_root = os.geteuid() == 0
        other = ["setpriv", "--reuid=65534", "--clear-groups"] if is_root else []
        (self.folder / "data").chmod(0o700 if is_root else 0)
        for words in (("jobs", "list"), ("why",), ("mail",), ("deliveries",)):
            done = subprocess.run([*other, str(PROGRAM), *words, "--data", self.folder / "data"],
                                  cwd=self.folder, capture_output=True, text=True, timeout=30, env=environment())
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn("may not be read", done.stderr)
        (self.folder / "data").chmod(0o700)

    def test_commands_do_not_make_a_database_that_is_not_there(self):
        for words in (("jobs", "list"), ("jobs", "show", "999"), ("jobs", "retry", "999"), ("deliveries",)):
            done = run(*words, "--data", "empty", cwd=self.folder)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("empty/campus.db has not been set up", done.stderr)
        self.assertFalse((self.folder / "empty").exists())

    def test_an_unknown_command_is_named(self):
        for words in (("lits",), ("jobs", "lits")):
            done = run(*words, cwd=self.folder)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn('there is no command "lits"', done.stderr)

    def test_settings_show_no_password(self):
        done = run("settings", "--database", "postgres://ada:s3cret@db/campus", "--smtp", "smtp://ada:s3cret@mail",
                   cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("postgres://ada:***@db/campus", done.stdout)
        self.assertNotIn("s3cret", done.stdout + done.stderr)

    def test_a_database_that_is_not_there_does_not_show_its_password(self):
        done = self.refused("--database", "postgres://ada:s3cret@127.0.0.1:1/campus",
                            "--postgres-connect-timeout-ms", "1000", said=["127.0.0.1"])
        self.assertNotIn("s3cret", done.stderr + done.stdout)

    def test_the_line_wins_over_the_environment_and_that_over_the_file(self):
        (self.folder / "campus.toml").write_text('threads = 1\ndrain_ms = 1001\n[http]\nidle_timeout_ms = 5000\n')
        done = run("settings", "--threads", "3", cwd=self.folder,
                   env={"CAMPUS_THREADS": "2", "CAMPUS_DRAIN_MS": "2002"})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("threads = 3\n", done.stdout)
        self.assertIn("drain_ms = 2002\n", done.stdout)
        self.assertIn("http.idle_timeout_ms = 5000\n", done.stdout)

    def test_help_says_what_there_is(self):
        done = run("--help", cwd=self.folder)
        self.assertEqual(done.returncode, 0)
        for command in ("serve", "migrate", "jobs", "mail", "why", "settings", "deliveries"):
            self.assertIn(command, done.stdout)
        done = run("serve", "--help", cwd=self.folder)
        self.assertEqual(done.returncode, 0)
        for flag in ("--data", "--listen", "--database", "--smtp", "--threads", "--role", "--rate-limits", "--config"):
            self.assertIn(flag, done.stdout)


if __name__ == "__main__":
    main()
