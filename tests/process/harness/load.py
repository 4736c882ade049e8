"""Registrations under way, and what became of each."""

import itertools
import threading
import time

from .http_client import Client, Lost

RETRY_PAUSE_S = 0.05  # a client's own, after a lost connection or a 503


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class Attempt:
    """One request: `status` None when no answer came; `sent` False when the server cannot have seen it."""

    __slots__ = ("email", "began", "seconds", "status", "headers", "body", "sent", "error")

    def __init__(self, email, began):
        self.email, self.began = email, began
        self.seconds = self.status = self.headers = self.body = None
        self.sent, self.error = True, ""


class Registrations:
    """Closed loop: `workers` clients register one new user after the other.

    With `retry` each goes on, under the same Idempotency-Key, until it has a final answer, as a
    careful client does; without, each request is made once.
    """

    def __init__(self, port, prefix, workers=8, total=None, retry=False, timeout_s=30,
                 domain="example.org"):
        self.domain = domain
        self.port, self.prefix, self.total, self.retry, self.timeout_s = port, prefix, total, retry, timeout_s
        self.numbers = itertools.count(1)
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.attempts = []
        self.threads = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]

    def start(self):
        self.began = time.monotonic()
        for thread in self.threads:
            thread.start()
        return self

    def finish(self, timeout_s):
        """Stops after what is under way; with `total`, after all of it."""
        if self.total is None:
            self.stopping.set()
        deadline = time.monotonic() + timeout_s
        for thread in self.threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        unfinished = sum(thread.is_alive() for thread in self.threads)
        self.stopping.set()
        self.seconds = time.monotonic() - self.began
        assert unfinished == 0, f"{unfinished} clients still wait after {timeout_s} s"
        return self

    def _work(self):
        client = Client(self.port, self.timeout_s)
        while not self.stopping.is_set():
            number = next(self.numbers)
            if self.total is not None and number > self.total:
                break
            self._register(client, number)
        client.close()

    def _register(self, client, number):
        email = f"{self.prefix}{number}@{self.domain}"
        key = f"{self.prefix}-{number}" if self.retry else None
        give_up = time.monotonic() + self.timeout_s
        while True:
            attempt = self._attempt(client, email, number, key)
            with self.lock:
                self.attempts.append(attempt)
            final = attempt.status is not None and attempt.status not in (409, 503, 504)
            if final or not self.retry or time.monotonic() > give_up:
                return
            time.sleep(RETRY_PAUSE_S)

    def _attempt(self, client, email, number, key):
        attempt = Attempt(email, time.monotonic())
        try:
            answer = client.register(email, name=f"Zoë Nr. {number}", key=key)
            attempt.status, attempt.headers, attempt.body = answer.status, answer.headers, answer.body
        except Lost as lost:
            attempt.sent, attempt.error = lost.sent, str(lost)
        attempt.seconds = time.monotonic() - attempt.began
        return attempt

    def snapshot(self):
        with self.lock:
            return list(self.attempts)

    def acknowledged(self):
        """Addresses whose account the server said it has made."""
        return {attempt.email for attempt in self.snapshot() if attempt.status == 201}

    def attempted(self):
        return {attempt.email for attempt in self.snapshot() if attempt.sent}

    def statuses(self):
        counts = {}
        for attempt in self.snapshot():
            counts[attempt.status] = counts.get(attempt.status, 0) + 1
        return counts

    def latencies(self, status=201):
        return [attempt.seconds for attempt in self.snapshot() if attempt.status == status]

    def summary(self):
        taken = self.latencies()
        return (f"{len(self.snapshot())} requests, {len(self.acknowledged())} acknowledged, statuses "
                f"{self.statuses()}, p50 {percentile(taken, 0.5) * 1e3:.0f} ms, p99 {percentile(taken, 0.99) * 1e3:.0f} ms")
