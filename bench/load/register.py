"""While registrations saturate the CPU lane of Campus, p99 of GET /api/me against its quiet p99, in one run.

The server has one core and the clients another; with --role all it also writes and syncs a welcome mail for each
registration, with --role web it leaves that to another process. The reader asks at a steady rate, so that its quiet p99 is that of
a loop with room, and not that of the queue before a loop which reads alone keep busy; the closed loop is shown beside it.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import threading
import urllib.request

from measure import ROOT, Server, free_port, needs, wrk

REGISTER = """
local n = 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
function request()
  n = n + 1
  return wrk.format("POST", nil, nil, string.format('{"name":"Load","email":"load-%s-%d@example.org","password":"correct horse"}', ROUND, n))
end
"""


def session(url):
    body = json.dumps({"name": "Reader", "email": "reader@example.org", "password": "correct horse"}).encode()
    request = urllib.request.Request(url + "/api/register", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return answer.headers["Set-Cookie"].split(";")[0]


# Of each connection, ms between an answer and the next request: 8 connections make about 1,500 requests per second.
STEADY = "\nfunction delay() return math.random(2, 8) end"


def pairs_of(label, campus, args, read):
    """Rounds of quiet and beside registrations: prints them, gives the ratios of p99."""
    pairs = []
    for i in range(args.rounds):
        quiet = wrk(campus.url + "/api/me", **read)
        registered = {}
        # Not at the cost of the reader, whose latency is measured: it has the core first.
        load = {"connections": 16, "seconds": args.seconds + 1, "pattern": "Account created successfully", "status": 201,
                "request": f'ROUND = "{label}-{i}"\n' + REGISTER, "prefix": ["chrt", "--idle", "0"]}
        thread = threading.Thread(target=lambda: registered.update(wrk(campus.url + "/api/register", **load)))
        thread.start()
        busy = wrk(campus.url + "/api/me", **read)
        thread.join()
        pairs.append(busy["p99_us"] / quiet["p99_us"])
        print(f"  {label:<7} {quiet['requests'] / args.seconds:>6.0f} reads/s: p50 {quiet['p50_us']} p99 {quiet['p99_us']} us   beside "
              f"{registered['requests'] / (args.seconds + 1):.0f} registrations/s {busy['requests'] / args.seconds:.0f} reads/s: "
              f"p50 {busy['p50_us']} p99 {busy['p99_us']} us   {pairs[-1]:.2f}")
    return statistics.median(pairs)


def measure_role(role, args):
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        command = [ROOT / "build/release/bin/campus", "serve", "--data", folder, "--listen", f"127.0.0.1:{port}", "--rate-limits",
                   "off", "--log-level", "warning", "--role", role]
        with Server("campus", command, port, ready="/healthz") as campus:
            cookie = f'wrk.headers["Cookie"] = "{session(campus.url)}"'
            read = {"seconds": args.seconds, "pattern": '"email":"reader@example.org"'}
            print(f"  --role {role}")
            steady = pairs_of("steady", campus, args, {**read, "connections": 8, "request": cookie + STEADY})
            closed = pairs_of("closed", campus, args, {**read, "connections": 2, "request": cookie})
            print(f"  --role {role}: busy / quiet {steady:.2f} of steady reads, {closed:.2f} in the closed loop   (goal at most 2)")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=int, default=4)
    args = options.parse_args()
    needs("wrk", "chrt")
    print("register: p99 of GET /api/me, quiet and beside 16 connections that register")
    for role in "web", "all":
        measure_role(role, args)


if __name__ == "__main__":
    main()
