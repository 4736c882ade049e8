"""What read-your-own-writes costs: a row by key with a position (`own_writes`) against the same without (`within`), on replicas, and
against a process that knows the primary alone; requests per second, and CPU per request of the application and of all servers.

One primary and two streaming replicas on this machine. The application has a core, wrk another, PostgreSQL both. With one replica the reads of a
loop share as few round trips as on the primary, so the difference is that of positions and routing; with two there are more.
"""

import argparse
import contextlib
import pathlib
import statistics
import tempfile
import time
import urllib.request

from measure import app, cpu_ns, descendants, fill, needs, position_of, wrk
from seeded import SETTINGS, Postgres, wait_until

ROWS = 100_000
READ = """
local random = math.random
function right(status, body)
  local id, name = string.match(body, '"id":(%%d+),"name":"row(%%d+)"')
  return status == 200 and id ~= nil and id == name
end
function request() return wrk.format("GET", "/rows/" .. random(1, %d) .. "%s", {Cookie = "%s"}) end
"""
GOAL = 0.95


class Way:
    def __init__(self, name, server, path, cookie):
        self.name, self.server, self.path, self.cookie, self.rounds = name, server, path, cookie, []

    def request(self):
        """As a browser has it, which keeps the newest position that it was given."""
        if self.cookie:
            self.cookie = position_of(urllib.request.Request(f"{self.server.url}/rows/1", headers={"Cookie": self.cookie})) or self.cookie
        return READ % (ROWS, self.path, self.cookie)


def writer_position(server):
    """Of a session that has just written."""
    body = b'{"name":"one","amount":1}'
    return position_of(urllib.request.Request(server.url + "/rows", body, {"Content-Type": "application/json"}))


def replica_reads(server):
    return server.metric("loadstone_store_replica_reads_total")


def measure(way, servers, connections, seconds):
    processes = [pid for server in servers for pid in descendants(server.process.pid)]
    request = way.request()
    before, servers_before, reads = cpu_ns(way.server.pid), cpu_ns(*processes), replica_reads(way.server)
    result = wrk(way.server.url + "/", connections=connections, seconds=seconds, request=request)
    reads = replica_reads(way.server) - reads
    requests = result["requests"]
    if way.server.name != "primary alone" and reads < 0.99 * requests:
        raise SystemExit(f"{way.name}: of {requests} reads only {reads:.0f} were answered by replicas")
    app_us = (cpu_ns(way.server.pid) - before) / 1e3 / requests
    servers_us = (cpu_ns(*processes) - servers_before) / 1e3 / requests
    return {"per_second": requests / (result["us"] / 1e6), "app_us": app_us, "servers_us": servers_us, "all_us": app_us + servers_us,
            "p99_us": result["p99_us"]}


def compare(ways, servers, connections, args):
    for way in ways:
        way.rounds = []
        measure(way, servers, connections, 1)  # warm up
    for number in range(args.rounds):
        for way in ways[::1 if number % 2 == 0 else -1]:
            way.rounds.append(measure(way, servers, connections, args.seconds))
    for way in ways:
        median = {figure: statistics.median(one[figure] for one in way.rounds) for figure in way.rounds[0]}
        print(f"  {connections:>3} connections  {way.name:<24} {median['per_second']:>8,.0f}/s   p99 {median['p99_us'] / 1e3:6.2f} ms   CPU per request: "
              f"application {median['app_us']:6.2f} us, servers {median['servers_us']:6.2f} us")
    positioned = ways[0]
    for other in ways[1:]:
        def ratios(figure):
            return [a[figure] / b[figure] for a, b in zip(positioned.rounds, other.rounds)]
        rate = ratios("per_second")
        value = statistics.median(rate)
        goal = "" if other is ways[-1] else f"; goal {GOAL}: {'met' if value >= GOAL else 'missed'}"
        print(f"  {connections:>3} connections  {positioned.name} / {other.name}: requests per second {value:.3f} "
              f"(rounds {min(rate):.3f} to {max(rate):.3f}{goal}), application's CPU "
              f"{statistics.median(ratios('app_us')):.3f}, servers' {statistics.median(ratios('servers_us')):.3f}, "
              f"all {statistics.median(ratios('all_us')):.3f}", flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--seconds", type=int, default=4)
    options.add_argument("--quick", action="store_true", help="a minute")
    args = options.parse_args()
    if args.quick:
        args.rounds, args.seconds = 3, 2
    needs("wrk")
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)  # PostgreSQL is another user
        servers = []
        for name in "primary", "replica1", "replica2":
            servers.append(Postgres(folder / name, "" if servers else SETTINGS, replica_of=servers[0] if servers else None))
            stack.callback(servers[-1].stop)
            if name == "primary":
                fill(folder, ROWS, "--database", servers[0].url)
                servers[0].psql("vacuum analyze")
        database = ["--database", servers[0].url, "--postgres-sample-plans", "off"]
        alone = stack.enter_context(app(folder, *database, name="primary alone"))
        routed = []
        for count in (1, 2):
            replicas = [word for server in servers[1:1 + count] for word in ("--replica", server.url)]
            routed.append(stack.enter_context(app(folder, *database, *replicas, name=f"{count} replicas")))
            wait_until(lambda: routed[-1].metric("loadstone_store_replica_usable") == count, 20, "the replicas to be known")
        cookie = writer_position(routed[0])
        ways = [Way("own_writes, 1 replica", routed[0], "", cookie), Way("within, 1 replica", routed[0], "/within", ""),
                Way("primary alone", alone, "", ""), Way("own_writes, 2 replicas", routed[1], "", cookie)]
        print("routing: a row by key, of 100,000")
        for connections in (64, 8):
            compare(ways, servers, connections, args)
    print(f"  {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
