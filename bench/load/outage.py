"""While the mail server is away, p99 of POST /api/register against its p99 with the mail server, round by round.

The server has one core, the clients and the mail server the other. Registrations come at a steady rate that the core's
hashing can keep up with. At the end every registration of both kinds must have had its mail.
"""

import argparse
import contextlib
import pathlib
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

from measure import CLIENT_CORE, ROOT, Server, free_port, needs, wrk
from register import REGISTER

# Of each of 4 connections, ms between an answer and the next request: about 10 registrations per second.
STEADY = "\nfunction delay() return math.random(200, 500) end"


class MailServer:
    def __init__(self, folder):
        self.store, self.port, self.process = pathlib.Path(folder) / "mail", free_port(), None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            ["taskset", "-c", CLIENT_CORE, "/usr/bin/python3", str(ROOT / "tests/support/smtp_server.py"), "--port", str(self.port),
             "--store", str(self.store)], stdout=subprocess.PIPE)
        self.process.stdout.readline()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)
        self.process.stdout.close()

    def wait_for(self, mails, seconds=120):
        end = time.monotonic() + seconds
        while sum(1 for _ in self.store.glob("*.eml")) < mails:
            if time.monotonic() > end:
                sys.exit(f"{mails} mails were expected, {sum(1 for _ in self.store.glob('*.eml'))} have come within {seconds} s")
            time.sleep(0.1)


def registrations(campus, name, seconds):
    return wrk(campus.url + "/api/register", connections=4, seconds=seconds, pattern="Account created successfully", status=201,
               request=f'ROUND = "{name}"\n' + REGISTER + STEADY)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=int, default=20)
    args = options.parse_args()
    needs("wrk", "taskset")
    print("outage: p99 of POST /api/register, with the mail server and without it")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as ends:
        mail = MailServer(folder)
        ends.callback(lambda: mail.stop())
        port = free_port()
        command = [ROOT / "build/release/bin/campus", "serve", "--data", folder, "--listen", f"127.0.0.1:{port}", "--rate-limits",
                   "off", "--log-level", "error", "--mail-provider-rate-max", "0", "--smtp", f"smtp://127.0.0.1:{mail.port}"]
        campus = ends.enter_context(Server("campus", command, port, ready="/healthz"))
        registrations(campus, "warm", 3)
        mail.wait_for(accounts(folder))
        pairs = []
        for i in range(args.rounds):
            there = registrations(campus, f"there-{i}", args.seconds)
            mail.wait_for(accounts(folder))
            mail.stop()
            away = registrations(campus, f"away-{i}", args.seconds)
            mail.start()
            mail.wait_for(accounts(folder))
            pairs.append(away["p99_us"] / there["p99_us"])
            print(f"  with it {there['requests']} registrations, p50 {there['p50_us'] / 1e3:.1f} p99 {there['p99_us'] / 1e3:.1f} ms   "
                  f"without {away['requests']}, p50 {away['p50_us'] / 1e3:.1f} p99 {away['p99_us'] / 1e3:.1f} ms   {pairs[-1]:.2f}")
        print(f"  without / with the mail server: {statistics.median(pairs):.2f}   (rounds {min(pairs):.2f} to {max(pairs):.2f}); "
              f"{accounts(folder)} accounts, each with its mail")


def accounts(folder):
    """All that exist, also those whose client had left by the time of the answer."""
    with contextlib.closing(sqlite3.connect(f"file:{folder}/campus.db?mode=ro", uri=True)) as database:
        return database.execute("select count(*) from users").fetchone()[0]


if __name__ == "__main__":
    main()
