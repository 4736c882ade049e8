"""Two mixes of requests on one PostgreSQL, with Fastify + pg: requests per CPU-second of the application, and p99.

crud: 75 % reads by key, 15 % updates, 5 % lists of 10, 5 % upserts. api: of 8 requests 3 are JSON in and out, 3 a list of 50 with a
total computed for each, 2 a list of 50 rows by price. Each at an equal offered rate, and in a closed loop. No answer is cached by
either; all of ours is on: accounts, statistics of statements, bulkheads, a limit per address on `/sum`.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
import urllib.request

from measure import APP, Postgres, app, cpu_ns, fastify, fill, needs, wrk

ROWS = 100_000
CONNECTIONS = 64

# Of an item all follows from its id; those above ROWS are the upserts'. A change keeps the name.
COMMON = """
local random, next_id = math.random, 0
local json = {["Content-Type"] = "application/json"}
local function items_in(body)
  local count = 0
  for id, name in string.gmatch(body, '"id":(%d+),"name":"item(%d+)"') do
    if id ~= name then return -1 end
    count = count + 1
  end
  return count
end
"""
CRUD = COMMON + """
function right(status, body)
  local items = items_in(body)
  return (status == 200 and (items == 1 or items == 10)) or (status == 201 and items == 1)
end
function request()
  local kind = random(1, 20)
  local id = random(1, 50000)
  if kind <= 15 then return wrk.format("GET", "/items/" .. id) end
  if kind <= 18 then
    return wrk.format("PUT", "/items/" .. id, json, string.format('{"name":"item%d","price":%d,"quantity":%d}', id, id % 500 + 1, random(0, 19)))
  end
  if kind == 19 then return wrk.format("GET", "/items?category=food&limit=10&after=" .. random(0, 90000)) end
  next_id = next_id + 1
  return wrk.format("POST", "/items", json,
    string.format('{"id":%d,"name":"item%d","category":"test","price":25,"quantity":10}', 100000 + next_id, 100000 + next_id))
end
"""
API = COMMON + """
function right(status, body)
  if status ~= 200 then return false end
  if string.find(body, '"sum":') then return string.find(body, '"sum":1042}') ~= nil end
  if items_in(body) ~= 50 then return false end
  local total = string.match(body, '"id":50,.-"total":(%d+)')
  return total == nil or (tonumber(total) % 510 == 0 and string.find(body, '"count":50') ~= nil)
end
function request()
  local kind = random(1, 8)
  local a = random(1, 1000)
  if kind <= 3 then return wrk.format("POST", "/sum", json, string.format('{"a":%d,"b":%d}', a, 1042 - a)) end
  if kind <= 6 then return wrk.format("GET", "/offer?count=50&times=" .. a) end
  return wrk.format("GET", string.format("/priced?least=%d&most=%d", a % 450 + 1, a % 450 + 41))
end
"""
SAME = [("GET", "/items/77", None), ("GET", "/items?category=food&limit=10&after=500", None), ("GET", "/priced?least=10&most=50", None),
        ("GET", "/offer?count=50&times=3", None), ("POST", "/sum", {"a": 2, "b": 40}),
        ("PUT", "/items/9", {"name": "item9", "price": 11, "quantity": 5}), ("GET", "/items/9", None),
        ("POST", "/items", {"id": 100_001, "name": "item100001", "category": "test", "price": 25, "quantity": 10})]


def ask(server, method, path, body):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, data, {"Content-Type": "application/json"} if data else {}, method=method)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.status, json.loads(answer.read())


def check_same(ours, theirs):
    """Both answer alike, to the last field."""
    for method, path, body in SAME:
        a, b = ask(ours, method, path, body), ask(theirs, method, path, body)
        if a != b:
            raise SystemExit(f"{method} {path}: loadstone {a}, fastify {b}")


def round_of(server, seconds, request):
    before = cpu_ns(server.pid)
    result = wrk(server.url + "/", connections=CONNECTIONS, seconds=seconds, request=request)
    cpu = (cpu_ns(server.pid) - before) / 1e9
    return {"per_cpu_second": result["requests"] / cpu, "per_second": result["requests"] / (result["us"] / 1e6),
            "p99_ms": result["p99_us"] / 1e3}


def mix(name, mode, request, servers, args):
    figures = {server.name: [] for server in servers}
    for server in servers:
        round_of(server, 1, request)  # warm up
    for number in range(args.rounds):
        for server in servers[::1 if number % 2 == 0 else -1]:
            figures[server.name].append(round_of(server, args.seconds, request))
    for server, rounds in figures.items():
        median = {figure: statistics.median(one[figure] for one in rounds) for figure in rounds[0]}
        print(f"  {name:<4} {mode:<11} {server:<12} {median['per_cpu_second']:>8,.0f} requests per CPU-second   "
              f"{median['per_second']:>7,.0f}/s   p99 {median['p99_ms']:.2f} ms")
    ours, theirs = figures.values()
    ratios = [a["per_cpu_second"] / b["per_cpu_second"] for a, b in zip(ours, theirs)]
    p99 = statistics.median(a["p99_ms"] / b["p99_ms"] for a, b in zip(ours, theirs))
    value = statistics.median(ratios)
    print(f"  {name:<4} {mode:<11} loadstone / fastify + pg: {value:.2f}   (rounds {min(ratios):.2f} to {max(ratios):.2f}; goal 3: "
          f"{'met' if value >= 3 else 'missed'}); p99 {p99:.2f} of theirs", flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--seconds", type=int, default=4)
    options.add_argument("--rate", type=int, default=3_000, help="requests offered per second")
    options.add_argument("--quick", action="store_true", help="a minute")
    args = options.parse_args()
    if args.quick:
        args.rounds, args.seconds = 3, 2
    needs("wrk", "node")
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Postgres() as postgres:
        database = ("--database", postgres.url)
        fill(folder, 1, *database)
        subprocess.run([APP, "fill-items", "--data", folder, *database, str(ROWS)], check=True, stdout=subprocess.DEVNULL)
        postgres.settle()
        with app(folder, *database) as ours, fastify(postgres.url, name="fastify + pg") as theirs:
            check_same(ours, theirs)
            mean_ms = CONNECTIONS * 1_000 / args.rate
            paced = f"function delay() return random(0, {2 * mean_ms:.0f}) end"
            print(f"mixes: {CONNECTIONS} connections, {ROWS:,} items, a core for the server; offered: {args.rate:,} requests per second at most",
                  flush=True)
            for name, request in ("crud", CRUD), ("api", API):
                mix(name, "offered", request + paced, [ours, theirs], args)
                mix(name, "closed loop", request, [ours, theirs], args)
    print(f"  {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
