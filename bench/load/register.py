"""While registrations saturate the CPU lane of Campus, p99 of GET /api/me against its quiet p99, in one run."""

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


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=int, default=4)
    args = options.parse_args()
    needs("wrk")
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        command = [ROOT / "build/release/bin/campus", "serve", "--data", folder, "--listen", f"127.0.0.1:{port}", "--rate-limits",
                   "off", "--log-level", "warning"]
        with Server("campus", command, port, ready="/healthz", cores=None) as campus:
            request = f'wrk.headers["Cookie"] = "{session(campus.url)}"'
            read = {"connections": 2, "seconds": args.seconds, "pattern": '"email":"reader@example.org"', "request": request, "core": None}
            print("register: p99 of GET /api/me, 2 connections, quiet and beside 16 connections that register")
            pairs = []
            for i in range(args.rounds):
                quiet = wrk(campus.url + "/api/me", **read)
                registered = {}
                load = {"connections": 16, "seconds": args.seconds + 1, "pattern": "Account created successfully", "status": 201,
                        "request": f'ROUND = "{i}"\n' + REGISTER, "core": None}
                thread = threading.Thread(target=lambda: registered.update(wrk(campus.url + "/api/register", **load)))
                thread.start()
                busy = wrk(campus.url + "/api/me", **read)
                thread.join()
                pairs.append(busy["p99_us"] / quiet["p99_us"])
                print(f"  quiet p99 {quiet['p99_us']:>7} us   beside {registered['requests'] / (args.seconds + 1):.0f} registrations/s "
                      f"{busy['p99_us']:>7} us   {pairs[-1]:.2f}")
            print(f"  busy / quiet: {statistics.median(pairs):.2f}   (goal at most 2)")


if __name__ == "__main__":
    main()
