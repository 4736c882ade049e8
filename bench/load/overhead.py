"""What the accounts of requests cost: CPU per request with spans on and off (slices, their clock reads, the records, the CPU
clock of each loop; the span itself and the counting of allocations are in both). Two routes of pure CPU, of about 20 and
200 us with HTTP. Rounds on, off, off, on; the median of their ratios."""

import argparse
import statistics
import tempfile

from measure import app, cpu_ns, needs, wrk

ROUTES = {"20 us": (6_000, 5), "200 us": (98_000, 2)}  # rounds of work, percent allowed


def us_per_request(server, rounds, seconds):
    before = cpu_ns(server.pid)
    requests = wrk(f"{server.url}/work/{rounds}", connections=8, seconds=seconds, pattern='"result":')["requests"]
    return (cpu_ns(server.pid) - before) / requests / 1_000


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--seconds", type=int, default=1)
    args = options.parse_args()
    needs("wrk")
    with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
        with app(a) as on, app(b, "--spans", "off", name="spans off") as off:
            print("overhead: CPU per request with spans on and off, 8 connections")
            for name, (rounds, allowed) in ROUTES.items():
                costs = {on: [], off: []}
                for server in (on, off):
                    us_per_request(server, rounds, 1)  # warm up
                ratios = []
                for _ in range(args.rounds):
                    of_round = {on: 0.0, off: 0.0}
                    for server in (on, off, off, on):
                        of_round[server] += us_per_request(server, rounds, args.seconds) / 2
                    for server, us in of_round.items():
                        costs[server].append(us)
                    ratios.append(of_round[on] / of_round[off] - 1)
                quarters = statistics.quantiles(ratios, n=4)
                print(f"  {name:<7} on {statistics.median(costs[on]):7.2f} us   off {statistics.median(costs[off]):7.2f} us   "
                      f"median of {len(ratios)} rounds {statistics.median(ratios) * 100:+.2f} % (half of them from "
                      f"{quarters[0] * 100:+.2f} to {quarters[2] * 100:+.2f}; goal at most {allowed} %)")


if __name__ == "__main__":
    main()
