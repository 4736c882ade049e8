"""What the benchmarks share: servers started on one core, wrk on the other, CPU read from /proc, rounds interleaved."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
APP = ROOT / "build/release/bin/bench_app"
SERVER_CORE, CLIENT_CORE = "0", "1"
TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def descendants(pid):
    found = [pid]
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += descendants(int(child))
    return found


def cpu_seconds(pid):
    """User and system time of a process and those it started, seconds."""
    total = 0
    for each in descendants(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = pathlib.Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICKS


def cpu_ns(*pids):
    """CPU of all threads of these processes, from the scheduler: /proc/PID/stat counts ticks of 10 ms only."""
    total = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    total += int((task / "schedstat").read_text().split()[0])
    return total


class Server:
    """A server pinned to one core, stopped at the end of `with`."""

    def __init__(self, name, command, port, ready="/hello", cores=SERVER_CORE):
        self.name, self.port = name, port
        self.url = f"http://127.0.0.1:{port}"
        self.log = tempfile.TemporaryFile()
        pin = ["taskset", "-c", cores] if cores else []
        self.process = subprocess.Popen(pin + [str(part) for part in command], stdout=self.log, stderr=self.log)
        self.pid = self.process.pid
        self.wait(ready)

    def wait(self, path, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError):
                urllib.request.urlopen(self.url + path, timeout=1).read()
                return
            time.sleep(0.05)
        self.log.seek(0)
        sys.exit(f"{self.name} did not start:\n{self.log.read().decode(errors='replace')}")

    def metric(self, name):
        text = urllib.request.urlopen(self.url + "/metrics", timeout=5).read().decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if re.match(rf"{name}(\{{| )", line))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


# Each answer's status and body are looked at by `right`; `wrong` counts what is not as expected.
CHECK = """
local wrong = 0
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init(args) wrong = 0 end
function right(status, body) return status == %(status)d and string.find(body, %(pattern)s) end
%(request)s
function response(status, headers, body)
  if not right(status, body) then wrong = wrong + 1 end
end
function done(summary, latency, requests)
  local total = 0
  for _, thread in ipairs(threads) do total = total + (thread:get("wrong") or 0) end
  local e = summary.errors
  io.write(string.format('RESULT {"requests":%%d,"us":%%d,"wrong":%%d,"errors":%%d,"p50_us":%%d,"p99_us":%%d}\\n',
    summary.requests, summary.duration, total, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
"""


# As if a server or a client had a machine, on the core that it shares. Nothing less is so: a kernel of lazy preemption lets who
# computes go on to the tick, up to 4 ms, when another of the usual class wakes up, whatever their niceness.
FIRST, NOT_FIRST = ["chrt", "--rr", "2"], ["chrt", "--idle", "0"]  # clients: ahead of servers that are first, behind all


def put_first(root):
    """A server with all its processes on the clients' core, ahead of what is there but for clients that are FIRST."""
    put(root, os.SCHED_RR, 1)


def put_last(root):
    """Likewise, when nothing else wants the core."""
    put(root, os.SCHED_IDLE, 0)


def put(root, policy, priority):
    for pid in descendants(root):
        os.sched_setaffinity(pid, {int(CLIENT_CORE)})
        os.sched_setscheduler(pid, policy, os.sched_param(priority))


def wrk(url, *, connections, seconds, pattern="", status=200, request="", core=CLIENT_CORE, prefix=()):
    """`request`: Lua that makes the requests; a `right(status, body)` in it replaces the check of status and pattern."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(CHECK % {"status": status, "pattern": json.dumps(pattern), "request": request})
        script.flush()
        pin = ["taskset", "-c", core] if core else []
        return asked(url, [*prefix, *pin, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", script.name, url])


def arrivals(server, path, *, connections, rate, seconds, keys=1, pattern="", prefix=()):
    """Requests at random times, as from people who know nothing of each other: bench/arrivals."""
    return asked(path, [*prefix, "taskset", "-c", CLIENT_CORE, APP.parent / "arrivals", str(server.port), path, str(keys), str(connections),
                        str(rate), str(seconds), pattern])


def asked(what, command):
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    result = json.loads(re.search(r"RESULT (.*)", out).group(1))
    if result["wrong"] or result["errors"]:
        sys.exit(f"{what}: {result['wrong']} wrong answers, {result['errors']} errors of {result['requests']}")
    return result


def position_of(request):
    """The cookie that an answer brings, of what its session has seen."""
    with urllib.request.urlopen(request, timeout=5) as answer:
        cookies = [line.split(";")[0] for line in answer.headers.get_all("Set-Cookie") or []]
    return next((cookie for cookie in cookies if cookie.startswith("position=")), None)


def measured(server, seconds, **load):
    """One round: requests per CPU-second of the server, and per second."""
    before = cpu_seconds(server.pid)
    result = wrk(server.url + load.pop("path"), seconds=seconds, **load)
    cpu = cpu_seconds(server.pid) - before
    result["per_cpu_second"] = result["requests"] / max(cpu, 1 / TICKS)
    result["per_second"] = result["requests"] / (result["us"] / 1e6)
    return result


def interleaved(servers, rounds, seconds, figure="per_cpu_second", **load):
    """Rounds A B C, A B C, ...: gives the figures of each server, and prints them."""
    figures = {server.name: [] for server in servers}
    for server in servers:
        measured(server, 1, **dict(load))  # warm up
    for _ in range(rounds):
        for server in servers:
            figures[server.name].append(measured(server, seconds, **dict(load))[figure])
    for name, values in figures.items():
        print(f"  {name:<32} {figure.replace('_', ' ')}: median {statistics.median(values):>10,.0f}   "
              f"({min(values):,.0f} to {max(values):,.0f}, {len(values)} rounds)")
    return figures


def ratio(figures, ours, theirs, goal=""):
    """The median of the rounds' ratios, which drifting machines do not disturb."""
    pairs = [a / b for a, b in zip(figures[ours], figures[theirs])]
    value = statistics.median(pairs)
    aim = f"; goal {goal}" if goal else ""
    print(f"  {ours} / {theirs}: {value:.2f}   (rounds {min(pairs):.2f} to {max(pairs):.2f}{aim})")
    return value


def needs(*programs):
    for program in programs:
        if not shutil.which(program):
            sys.exit(f"{program} is missing: ./dev setup bench")
    if not APP.exists():
        sys.exit(f"{APP} is missing: ./dev bench builds it")


def app(folder, *arguments, name="loadstone", cores=SERVER_CORE, threads=1, role="web"):
    port = free_port()
    command = [APP, "serve", "--data", folder, "--listen", f"127.0.0.1:{port}", "--threads", str(threads), "--role", role,
               "--rate-limits", "on", "--mail-provider-rate-max", "0", "--log-level", "warning", *arguments]
    return Server(name, command, port, cores=cores)


def fastify(*arguments, name="fastify", cores=SERVER_CORE):
    port = free_port()
    return Server(name, ["node", ROOT / "bench/peers/server.mjs", port, *arguments], port, cores=cores)


def fill(folder, rows, *arguments):
    subprocess.run([APP, "migrate", "--data", folder, *arguments], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([APP, "fill", "--data", folder, *arguments, str(rows)], check=True, stdout=subprocess.DEVNULL)


class Postgres:
    """A private PostgreSQL 15, stopped and removed at the end of `with`."""

    BIN = pathlib.Path("/usr/lib/postgresql/15/bin")

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bench_pg_"))
        self.user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        if self.user:
            shutil.chown(self.folder, "postgres")
        self.port = free_port()
        self.run("initdb", "-D", self.folder / "data", "-A", "trust", "-U", "bench", "--no-sync")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        self.run("pg_ctl", "-D", self.folder / "data", "-w", "-o", options, "-l", self.folder / "log", "start")
        self.url = f"postgres://bench@127.0.0.1:{self.port}/postgres"

    def run(self, program, *arguments):
        subprocess.run(self.user + [str(self.BIN / program), *map(str, arguments)], check=True, stdout=subprocess.DEVNULL, cwd="/")

    def sql(self, text):
        """Rows of texts."""
        command = ["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-c", text, self.url]
        quiet = {**os.environ, "PGOPTIONS": "-c client_min_messages=warning"}
        out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=quiet)
        return [line.split("|") for line in out.stdout.splitlines()]

    def count(self, rows):
        return int(self.sql(f"select count(*) from {rows}")[0][0])

    def settle(self):
        """Leaves to what comes next neither tables without statistics nor a checkpoint."""
        self.sql("vacuum analyze")
        self.sql("checkpoint")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.run("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)
