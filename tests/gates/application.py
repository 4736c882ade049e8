"""The programs whose costs are counted, with what they tell of themselves."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time

BODY = json.dumps({"name": "row", "amount": 7})
ROUTES = {
    "http": ("GET", "/hello", None, 200),
    "read": ("GET", "/rows/1", None, 200),
    "write": ("POST", "/rows", BODY, 201),
}
# An answer that is kept: on SQLite without a statement.
VIEW = ("GET", "/courses/1/reach", None, 200)
START_SECONDS = 60


class App:
    def __init__(self, program, folder, prefix=(), extra=(), role="web", facts=False):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.log = tempfile.TemporaryFile()
        command = [*prefix, program, "serve", "--data", folder, "--listen", f"127.0.0.1:{self.port}", "--threads", "1", "--role", role,
                   "--log-level", "warning", *extra]
        environment = {**os.environ, "MEASURE_FACTS": "1"} if facts else None
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, env=environment)
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                self.ask("GET", "/healthz", None, 200, 1)
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    self.log.seek(0)
                    raise SystemExit(f"the application did not start:\n{self.log.read().decode()}")
                time.sleep(0.02)

    def ask(self, method, path, body, status, count, cookie=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Content-Type": "application/json"} if body else {}
        if cookie:
            headers["Cookie"] = cookie
        for _ in range(count):
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != status:
                raise SystemExit(f"{method} {path}: {answer.status} {content[:300]!r}")
        connection.close()
        self.cookie = answer.headers.get("Set-Cookie", "").split(";")[0]
        return content

    def register(self, number):
        self.ask("POST", "/api/register", json.dumps({"name": "Ada", "email": f"ada{number}@example.org", "password": "correct horse"}),
                 201, 1)

    def costs(self, activity, count, queries, work):
        """Allocations and statements of each of `count` requests that work() makes."""
        def now():
            calls = [self.metric("loadstone_query_seconds_count", label) for label in queries]
            return self.metric("loadstone_activity_allocations_total", f'activity="{activity}"'), sum(calls)
        before = now()
        work()
        after = now()
        return {"allocations": (after[0] - before[0]) / count, "statements": (after[1] - before[1]) / count}

    def write_pipelined(self, connections, each):
        """Every connection has its next request at the server already, so that 64 are in flight however slow we are."""
        method, path, body, status = ROUTES["write"]
        request = f"{method} {path} HTTP/1.1\r\nHost: gates\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        sockets = [socket.create_connection(("127.0.0.1", self.port), timeout=60) for _ in range(connections)]
        for one in sockets:
            one.sendall(request.encode() * each)
        for one in sockets:
            answers = b""
            while answers.count(b"HTTP/1.1 ") < each or not answers.endswith(b"}"):
                received = one.recv(65536)
                if not received:
                    raise SystemExit(f"the connection ended after {answers.count(b'HTTP/1.1 ')} of {each} answers")
                answers += received
            if answers.count(f"HTTP/1.1 {status} ".encode()) != each:
                raise SystemExit(f"{method} {path}, pipelined: {answers[:300]!r}")
            one.close()

    def activity(self, what, *activities):
        """A counter of activities, summed."""
        return sum(self.metric(f"loadstone_activity_{what}_total", f'activity="{one}"') for one in activities)

    def bytes_written(self):
        """To files, sockets left out."""
        return int(re.search(r"^wchar: (\d+)", pathlib.Path(f"/proc/{self.process.pid}/io").read_text(), re.M).group(1))

    def metrics(self):
        return self.ask("GET", "/metrics", None, 200, 1).decode()

    def metric(self, name, *labels):
        total = 0.0
        for line in self.metrics().splitlines():
            if re.match(rf"{name}(\{{| )", line) and all(label in line for label in labels):
                total += float(line.rsplit(" ", 1)[1])
        return total

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


@contextlib.contextmanager
def app(program, prefix=(), extra=(), facts=False):
    with tempfile.TemporaryDirectory() as folder:
        running = App(program, folder, prefix, extra, facts=facts)
        try:
            running.ask(*ROUTES["write"], 1)  # row 1
            yield running
        finally:
            running.stop()


@contextlib.contextmanager
def campus(bench_app):
    with tempfile.TemporaryDirectory() as folder:
        running = App(pathlib.Path(bench_app).parent / "campus", folder, extra=("--rate-limits", "off"))
        try:
            yield running
        finally:
            running.stop()


@contextlib.contextmanager
def stripped(program):
    """The program without debug information: valgrind 3.19 cannot read what Clang 19 writes."""
    with tempfile.TemporaryDirectory() as folder:
        bare = pathlib.Path(folder, "app")
        subprocess.run(["strip", "-o", bare, program], check=True)
        yield bare


def under_callgrind(out):
    return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--fair-sched=yes"]


def instructions_in(out):
    return int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.M).group(1))
