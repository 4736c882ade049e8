"""A PostgreSQL server of its own: a copy of a template, made once on this machine."""

import contextlib
import getpass
import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile

from . import process
from .waiting import wait_until

PROGRAMS = pathlib.Path("/usr/lib/postgresql/15/bin")
SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = '{folder}'
max_connections = 100
fsync = off                 # the machine does not crash in these tests, only processes do
shared_buffers = 32MB
min_wal_size = 32MB
log_min_messages = warning
"""


def user():
    return "postgres" if os.geteuid() == 0 else getpass.getuser()


def as_user(command):
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups", "--", *command]
    return [str(word) for word in command]


def template():
    """A fresh cluster, whole or not there at all."""
    kept = pathlib.Path(tempfile.gettempdir()) / f"loadstone-postgres-15-{os.geteuid()}"
    if not kept.exists():
        made = pathlib.Path(tempfile.mkdtemp(prefix=kept.name + "."))
        own(made)
        subprocess.run(as_user([PROGRAMS / "initdb", "-D", made / "cluster", "-U", "campus", "-A", "trust", "-E",
                                "UTF8", "--locale=C.UTF-8", "--no-sync", "--wal-segsize=1"]),
                       check=True, capture_output=True, cwd="/")
        try:
            os.rename(made, kept)
        except OSError:  # another test was faster
            shutil.rmtree(made)
    return kept / "cluster"


def own(folder):
    if os.geteuid() == 0:
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)


class Postgres:
    """With `replica_of`, a streaming standby of another one. A folder that was one's own before is started as it is."""

    def __init__(self, folder, settings="", replica_of=None):
        self.folder = pathlib.Path(folder)
        self.cluster = self.folder / "cluster"
        is_new = not self.folder.exists()
        if is_new:
            self.make(settings, replica_of)
        self.port = process.free_port()
        self.url = f"postgres://campus@127.0.0.1:{self.port}/campus"
        self.log = self.folder.parent / f"{self.folder.name}.log"
        self.process = None
        self.start()
        if is_new and replica_of is None:
            self.psql("create database campus", database="postgres")

    def make(self, settings, replica_of):
        self.folder.mkdir()
        own(self.folder)
        if replica_of is None:
            subprocess.run(as_user(["cp", "-r", template(), self.cluster]), check=True, cwd="/")
        else:
            subprocess.run(as_user([PROGRAMS / "pg_basebackup", "-R", "--no-sync", "-c", "fast", "-X", "stream", "-D",
                                    self.cluster, "-d", f"postgres://campus@127.0.0.1:{replica_of.port}"]),
                           check=True, capture_output=True, cwd="/")
        with open(self.cluster / "postgresql.conf", "a") as file:
            file.write(SETTINGS.format(folder=self.folder) + settings + "\n")

    def start(self):
        self.process = process.spawn([PROGRAMS / "postgres", "-D", self.cluster, "-p", self.port], self.log,
                                     user="postgres", cwd=self.folder)
        wait_until(self.accepts, 30, "PostgreSQL to accept connections")

    def accepts(self):
        assert self.process.poll() is None, f"PostgreSQL has ended with status {self.process.returncode}"
        return subprocess.run([PROGRAMS / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port), "-d", "postgres",
                               "-U", "campus"]).returncode == 0

    def shut_down(self, how):
        """"fast" or "immediate"; returns when no process of it is left."""
        self.process.send_signal({"fast": signal.SIGINT, "immediate": signal.SIGQUIT}[how])
        self.process.wait(30)

    def restart(self, how):
        self.shut_down(how)
        self.start()

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.shut_down("immediate")

    def psql(self, sql, database="campus", timeout_s=60):
        done = subprocess.run([PROGRAMS / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p",
                               str(self.port), "-U", "campus", "-d", database, "-c", sql],
                              capture_output=True, text=True, timeout=timeout_s)
        if done.returncode != 0:
            raise AssertionError(f"psql: {done.stderr.strip()}")
        return done.stdout

    # What a scenario asks of a database, as database.Sqlite.
    def rows(self, sql):
        return json.loads(self.psql(f"select coalesce(json_agg(t), '[]') from ({sql}) t"))

    def execute(self, sql):
        self.psql(sql)

    @contextlib.contextmanager
    def session(self, sql, quote="$$"):
        """One that is at this statement, or at the last of these; what they have begun is rolled back at the end."""
        command = [PROGRAMS / "psql", "-XAtq", "-h", "127.0.0.1", "-p", self.port, "-U", "campus", "-d", "campus", "-c", sql]
        started = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        of_it = "from pg_stat_activity where query = " + quote + sql + quote
        try:
            wait_until(lambda: self.rows(f"select pid {of_it} and state = 'active'"), 20, "the session to be at it")
            yield started
        finally:
            started.kill()
            started.wait(10)
            self.rows(f"select pg_terminate_backend(pid) {of_it}")

    def waiting_for_locks(self, beginning):
        """How many sessions wait for a lock in a statement that begins so."""
        return int(self.psql("select count(*) from pg_stat_activity where datname = 'campus' and wait_event_type = 'Lock' "
                             f"and query like '{beginning}%'"))

    def end_sessions(self):
        """All but the one that asks for it."""
        self.rows("select pg_terminate_backend(pid) from pg_stat_activity "
                  "where datname = 'campus' and pid <> pg_backend_pid()")

    def idle_transactions(self, condition="true"):
        """Sessions whose client has begun a transaction and is not heard of now."""
        return self.rows("select pid, query from pg_stat_activity where datname = 'campus' "
                         f"and state like 'idle in transaction%' and {condition}")

    def is_locked(self):
        """Whether some process stays in a transaction that others may wait for."""
        while self.idle_transactions():
            if self.idle_transactions("state_change < clock_timestamp() - interval '300 ms'"):
                return True
        return False
