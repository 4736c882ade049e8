#!/usr/bin/env python3
"""Runs the shop and proves what its jobs promise, by counting: shop_test.py PROGRAM"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

FAST = {"jobs-heartbeat-every-ms": 200, "jobs-dead-after-ms": 1000, "jobs-poll-every-ms": 200}


class Shop:
    def __init__(self, program, folder):
        self.program, self.folder = program, pathlib.Path(folder)
        self.starts = 0
        self.start()

    def start(self):
        self.starts += 1
        self.log = self.folder / f"log.{self.starts}"
        flags = [f"--{name}={value}" for name, value in FAST.items()]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [self.program, "serve", "--data", "data", "--listen", "127.0.0.1:0", "--rate-limits=off", *flags],
                cwd=self.folder, stderr=log, stdout=subprocess.DEVNULL)
        self.url = "http://" + self.wait("it to listen", self.address)

    def address(self):
        assert self.process.poll() is None, self.log.read_text()
        found = re.search(r'"listening".*"address":"([^"]*)"', self.log.read_text())
        return found and found.group(1)

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        status = self.process.wait(40)
        assert number == signal.SIGKILL or status == 0, f"status {status}\n{self.log.read_text()}"

    def ask(self, method, path, body=None):
        """Status and JSON."""
        request = urllib.request.Request(self.url + path, method=method, data=json.dumps(body).encode() if body else None,
                                         headers={"Content-Type": "application/json"} if body else {})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def post(self, path, body=None):
        status, answer = self.ask("POST", path, body)
        assert status == 202, f"POST {path}: {status} {answer}"
        return answer["id"]

    def get(self, path):
        status, answer = self.ask("GET", path)
        assert status == 200, f"GET {path}: {status} {answer}"
        return answer

    def command(self, *words):
        done = subprocess.run([self.program, *map(str, words), "--data", "data"], cwd=self.folder, capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def jobs(self, *filters):
        return json.loads(self.command("jobs", "list", "--limit", 1000, "--json", *filters))

    def count(self, name):
        return {each["name"]: each["count"] for each in self.get("/totals")["counts"]}.get(name, 0)

    def printed(self, start=""):
        """Lines without their keys; a key that comes twice is a second copy."""
        path = self.folder / "printer.txt"
        lines = [line.split(" ", 1) for line in path.read_text().splitlines()] if path.exists() else []
        return [text for _, text in lines if text.startswith(start)]

    def sql(self, text, *values):
        path, = (self.folder / "data").glob("*.db")
        with contextlib.closing(sqlite3.connect(path, timeout=20)) as database, database:
            return database.execute(text, values).fetchall()

    def wait(self, what, condition, timeout_s=60):
        deadline = time.monotonic() + timeout_s
        while True:
            value = condition()
            if value:
                return value
            assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}; {self.log.read_text()[-2000:]}"
            time.sleep(0.05)

    def wait_count(self, name, count):
        self.wait(f"{count} {name}, there are {self.count(name)}", lambda: self.count(name) >= count)
        same(self.count(name), count, name)


def same(got, expected, what):
    assert got == expected, f"{what}: expected {expected!r}, got {got!r}"


def orders(shop):
    """Enqueued with the data; the printer is away at first; reviews come later; the ledger hears of each."""
    (shop.folder / "printer.off").touch()
    for number in range(20):
        shop.post("/orders", {"organisation": "acme", "customer": "Ada", "item": f"item {number}", "cents": 1000 + number})
    shop.wait("the printer to be found off", lambda: any("printer is off" in job["last_error"] for job in shop.jobs()))
    same(shop.printed("invoice"), [], "printed while it is off")
    (shop.folder / "printer.off").unlink()
    shop.wait_count("invoiced", 20)
    same(sorted(shop.printed("invoice")), sorted(f"invoice (de) for item {i}" for i in range(20)), "invoices")
    same([job for job in shop.jobs() if job["attempt"] > 0], [], "what was away cost no attempts")
    shop.wait_count("reviews", 20)
    same(shop.get("/ledger"), {"entries": 20, "cents": sum(range(1000, 1020))}, "the ledger")


def old_arguments(shop):
    """A job of an older version, one of a kind that has moved, and one that only a newer program knows."""
    insert = ("insert into loadstone_ready (queue, priority, kind, arguments, cause, enqueued_at, run_at) "
              "values (?, 0, ?, ?, 'an older program', 0, 0)")
    shop.sql(insert, "shop", "shop.SendInvoice", '{"order":1}')
    shop.sql(insert, "billing", "billing.SendBill", '{"order":2}')
    shop.sql(insert, "shop", "shop.FromTheFuture", "{}")
    shop.wait("the old one to be printed", lambda: shop.printed("invoice (en) for item 0"))
    shop.wait("the moved one to be printed", lambda: shop.printed("invoice (fr) for item 1"))
    unknown, = shop.jobs("--kind", "shop.FromTheFuture")
    assert "a program that knows its kind" in shop.command("jobs", "why", unknown["id"]), "it waits for who knows it"
    shop.command("jobs", "cancel", unknown["id"])


def reminders(shop):
    """Two organisations, one provider: the small one does not wait for the big one, and the rate holds."""
    began = time.monotonic()
    shop.post("/reminders/big/300")
    shop.post("/reminders/small/10")
    shop.wait("all reminders", lambda: len(shop.printed("reminder")) >= 310)
    took = time.monotonic() - began
    assert took > 2.5, f"310 at 100 a second, 20 of them at once, in {took:.1f} s"
    lines = shop.printed("reminder")
    same(len(set(lines)), 310, "each once")
    last = max(i for i, line in enumerate(lines) if line.startswith("reminder small"))
    assert last < 150, f"the last of the small organisation came as number {last} of 310"
    limit = json.loads(shop.command("jobs", "limit", "provider", "--per-second", 1000, "--json"))
    same(limit["now"]["per_second"], 1000, "the limit that is set")
    shop.command("jobs", "limit", "provider", "--reset")
    shop.command("jobs", "share", "small", "--weight", 2)


def payments(shop):
    """In order, though the third of each fails at first."""
    for account in ("one", "two"):
        shop.post(f"/payments/{account}/10")
    for account in ("one", "two"):
        shop.wait("the payments", lambda: len(shop.get(f"/payments/{account}")["numbers"]) >= 10)
        same(shop.get(f"/payments/{account}")["numbers"], list(range(10)), f"payments of {account}")


def codes(shop):
    """Held up too long, they are dropped."""
    shop.post("/codes/Ada")
    shop.wait_count("codes", 1)
    shop.command("jobs", "pause", "codes")
    time.sleep(1.2)  # known everywhere
    shop.post("/codes/Bob")
    time.sleep(1.2)  # nobody waits for it any more
    shop.command("jobs", "resume", "codes")
    shop.wait("the code to be dropped", lambda: not shop.jobs("--queue", "codes"))
    same(shop.count("codes"), 1, "codes")


def unique(shop):
    ids = {shop.post("/catalogs/en") for _ in range(5)}
    same(len(ids), 1, "while one waits or runs, that one")
    shop.wait_count("catalogs", 1)
    same(len({shop.post("/digests/Ada") for _ in range(3)}), 1, "once an hour")
    shop.wait_count("digests", 1)
    shop.post("/digests/Ada")
    shop.post("/digests/Bob")
    shop.wait_count("digests", 2)


def bound(shop):
    """A queue that is over its bound refuses."""
    shop.command("jobs", "pause", "images")
    time.sleep(1.2)
    taken = 0
    refused = None
    deadline = time.monotonic() + 30
    while not refused and time.monotonic() < deadline:
        status, answer = shop.ask("POST", f"/images/{taken}")
        if status == 429:
            refused = answer
        else:
            same(status, 202, "an image")
            taken += 1
    assert refused and taken > 100, f"{taken} taken, {refused}"
    shop.command("jobs", "resume", "images")
    shop.wait_count("images", taken)


def workflow_and_batch(shop):
    shop.post("/reports/acme")
    report = f"report acme: 20 orders, {sum(range(1000, 1020))} cents"
    shop.wait("the report", lambda: report in shop.printed("report"))
    shop.post("/months/40")
    shop.wait("the month to be closed", lambda: shop.printed("november"))
    same(shop.printed("november"), ["november: 40 accounts, 1 failed"], "the batch's end, once")
    same(shop.count("closed"), 39, "closed accounts")
    dead, = shop.jobs("--state", "dead")
    assert "does not add up" in dead["last_error"], dead
    shop.wait("somebody to be told", lambda: shop.printed("account 13"))
    same(shop.printed("account 13"), ["account 13 is to be looked at"], "told once")


def cancelled(shop):
    job = shop.post("/imports/autumn/100000")
    shop.wait("it to have begun", lambda: shop.count("autumn") > 0)
    assert "told to stop" in shop.command("jobs", "cancel", job)
    shop.wait("it to end", lambda: not shop.jobs("--kind", "shop.ImportPrices"))
    assert shop.count("autumn") % 50 == 0, "whole steps"


def syncs(shop):
    for number in range(5):
        shop.post(f"/syncs/customer{number}")
    shop.wait_count("syncs", 5)


def import_survives(shop):
    """Its process is killed in the middle: another begins where it had saved."""
    job = shop.post("/imports/winter/2000")
    shop.wait("it to have come some way", lambda: shop.ask("GET", f"/imports/{job}")[1].get("fraction", 0) > 0.2)
    before = shop.count("winter")
    shop.stop(signal.SIGKILL)
    assert 0 < before < 2000, before
    shop.sql("update loadstone_schedules set fired_at = fired_at - 86400000000")  # as if it had been down for a night
    shop.start()
    shop.wait_count("winter", 2000)
    shop.wait_count("imports", 1)
    shop.wait_count("nights", 1)
    schedule, = json.loads(shop.command("jobs", "schedules", "--json"))
    same((schedule["name"], schedule["zone"]), ("shop.nightly", "Europe/Berlin"), "the schedule")


def main():
    folder = tempfile.mkdtemp(prefix="shop-")
    program = str(pathlib.Path(sys.argv[1]).resolve())
    shop = Shop(program, folder)
    try:
        for part in (orders, old_arguments, reminders, payments, codes, unique, bound, workflow_and_batch, cancelled, syncs,
                     import_survives):
            began = time.monotonic()
            part(shop)
            print(f"{part.__name__}: holds ({time.monotonic() - began:.1f} s)", flush=True)
        shop.wait("nothing to be left", lambda: [job["state"] for job in shop.jobs()] == ["dead"])
        keys = [line.split(" ", 1)[0] for line in (shop.folder / "printer.txt").read_text().splitlines()]
        same(len(keys), len(set(keys)), "printed twice")
        shop.stop()
    except BaseException:
        print(shop.log.read_text()[-4000:], file=sys.stderr)
        shop.process.kill()
        raise
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
