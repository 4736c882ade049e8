"""A campus process, and the campus command line; storm.py has those of another program."""

import json
import os
import pathlib
import signal
import subprocess

from . import process
from .http_client import Client, Lost, get_once
from .waiting import wait_until

SOURCE = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("LOADSTONE_BUILD_DIR", SOURCE / "build" / "release"))
PROGRAM = BUILD / "bin" / "campus"

START_MAX_S = 20
PORT_IS_TAKEN = "Address already in use"


def flags(settings):
    """{"jobs_poll_every_ms": 100} -> ["--jobs-poll-every-ms", "100"]; one for each of a list"""
    words = []
    for name, values in settings.items():
        for value in values if isinstance(values, list) else [values]:
            if value is not None:
                words += ["--" + name.replace("_", "-"), str(value)]
    return words


def environment(extra=None):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CAMPUS_")}
    clean.update(extra or {})
    return clean


def run(*words, cwd, env=None, timeout_s=60, program=PROGRAM):
    """A command of the program; gives what subprocess.run() gives, with text."""
    return subprocess.run([str(program)] + [str(word) for word in words], cwd=cwd, env=environment(env),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s)


class Campus:
    """One `campus serve`, which may be killed and started again: on the same port, with the same data."""

    program = PROGRAM
    extra_environment = None

    def __init__(self, folder, name="campus", role="all", **settings):
        self.folder = pathlib.Path(folder)
        self.name = name
        self.role = role
        self.settings = {"data": self.folder / "data", "role": role, "rate_limits": "off", **settings}
        self.port = process.free_port()
        self.process = None
        self.logs = []
        self.killed = False

    @property
    def database_flags(self):
        return flags({name: self.settings[name] for name in ("data", "database", "replica", "smtp", "analytics_store") if name in self.settings})

    def start(self, wait=True):
        assert self.process is None or self.process.poll() is not None, f"{self.name} runs already"
        log = self.folder / f"{self.name}.{len(self.logs) + 1}.log"
        self.logs.append(log)
        self.killed = False
        command = [self.program, "serve", "--listen", f"127.0.0.1:{self.port}", *flags(self.settings)]
        self.process = process.spawn(command, log, env=environment(self.extra_environment), cwd=self.folder)
        if wait:
            try:
                self.wait_ready()
            except AssertionError:
                # The port was free when it was chosen. Only before the first start it may change.
                if len(self.logs) > 1 or PORT_IS_TAKEN not in self.log_text():
                    raise
                self.port = process.free_port()
                return self.start()
        return self

    def wait_ready(self, timeout_s=START_MAX_S):
        wait_until(self.is_ready, timeout_s, f"{self.name} to be ready")

    def is_ready(self):
        self.check_alive()
        if self.role == "work":
            return any(line.get("event") == "started" for line in self.log_lines())
        try:
            return get_once(self.port, "/readyz").status == 200
        except Lost:
            return False

    def check_alive(self):
        code = self.process.poll()
        assert code is None, f"{self.name} has ended by itself with status {code}"

    @property
    def pid(self):
        return self.process.pid

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.killed = True
        self.process.kill()
        self.process.wait(60)  # its threads in the background die last, on a busy machine

    def terminate(self, timeout_s=40):
        """SIGTERM; gives the exit code."""
        self.signal(signal.SIGTERM)
        return self.ended(timeout_s)

    def ended(self, timeout_s=40):
        """Waits for the end of one that was told to end; gives the exit code."""
        self.killed = True
        return self.process.wait(timeout_s)

    def stop(self):
        """For the end of a test: whatever state it is in. Gives what it died of by itself, or None."""
        if self.process is None:
            return None
        code = self.process.poll()
        if code is not None and not self.killed:
            return f"{self.name} ended by itself with status {code}"
        process.end(self.process, timeout_s=30)
        return None

    def client(self, timeout_s=30, **options):
        return Client(self.port, timeout_s, **options)

    def log_text(self):
        return self.logs[-1].read_text(errors="replace")

    def log_lines(self):
        """The JSON lines of the log of the last start."""
        lines = []
        for line in self.log_text().splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                continue
        return lines

    def command(self, *words, check=True, timeout_s=60):
        """A command on the same database: command("jobs", "list", "--json")."""
        done = run(*words, *self.database_flags, cwd=self.folder, timeout_s=timeout_s,
                   program=self.program)
        if check and done.returncode != 0:
            raise AssertionError(f"campus {' '.join(map(str, words))}: status {done.returncode}: {done.stderr}")
        return done
