"""The mail server of tests/support as a process, and what it has taken."""

import collections
import json
import pathlib
import socket
import subprocess

from . import process
from .campus import SOURCE
from .waiting import TimedOut, wait_until

PYTHON = "/usr/bin/python3"  # where Debian's aiosmtpd is


class MailServer:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.store = self.folder / "mail"
        self.log = self.folder / "smtp.log"
        self.port = process.free_port()
        self.url = f"smtp://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        self.process = process.spawn(
            [PYTHON, SOURCE / "tests" / "support" / "smtp_server.py", "--port", self.port, "--store", self.store,
             "--control-port", 0], self.log, stdout=subprocess.PIPE)
        self.process.stdout.readline()  # its port, or nothing when it has ended
        words = self.process.stdout.readline().split()
        assert len(words) == 2, f"the mail server did not start: {self.log.read_text()}"
        self.control_port = int(words[1])
        return self

    def stop(self):
        if self.process is not None:
            process.end(self.process)
            self.process.stdout.close()
            self.process = None

    def command(self, line):
        with socket.create_connection(("127.0.0.1", self.control_port), timeout=10) as control:
            control.sendall(line.encode() + b"\n")
            answer = json.loads(control.makefile().readline())
        assert "error" not in answer, answer
        return answer

    def mode(self, line):
        self.command("mode " + line)

    def stats(self):
        return self.command("stats")

    def taken(self):
        """How often each address was sent a mail: {address: {message id: times}}."""
        mails = collections.defaultdict(collections.Counter)
        for file in sorted(self.store.glob("*.eml")):
            head = file.read_bytes().partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
            fields = dict(line.split(": ", 1) for line in head.split("\r\n") if ": " in line and line[0] not in " \t")
            identity = next(value for name, value in fields.items() if name.lower() == "message-id")
            mails[fields["X-Envelope-To"]][identity] += 1
        return mails

    def times(self):
        """When each mail was taken, with whom it is for, in that order."""
        found = []
        for file in self.store.glob("*.eml"):
            head = file.read_bytes()[:2_000].decode("utf-8", "replace").split("\r\n")
            fields = dict(line.split(": ", 1) for line in head[:3])
            found.append((float(fields["X-Envelope-Time"]), fields["X-Envelope-To"]))
        return sorted(found)

    def count(self):
        return sum(1 for _ in self.store.glob("*.eml"))

    def wait_for(self, count, timeout_s):
        try:
            wait_until(lambda: self.count() >= count, timeout_s, f"{count} mails")
        except TimedOut as late:
            raise TimedOut(f"{late}: {self.count()} have come") from None
