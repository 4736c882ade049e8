"""A route that durably commits one row and one job on SQLite, 64 connections: against itself without group commit, and
against Fastify with better-sqlite3, all with synchronous=FULL. Requests per second; fsyncs per request of ours."""

import argparse
import tempfile

from measure import CLIENT_CORE, SERVER_CORE, app, fastify, interleaved, needs, ratio

REQUEST = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"name":"row","amount":7}'
"""


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=int, default=3)
    options.add_argument("--unpinned", action="store_true", help="servers and client on all cores")
    args = options.parse_args()
    cores, client = (None, None) if args.unpinned else (SERVER_CORE, CLIENT_CORE)
    needs("wrk", "node")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as a, tempfile.TemporaryDirectory(dir="/var/tmp") as b, \
            tempfile.TemporaryDirectory(dir="/var/tmp") as c:
        with app(a, cores=cores) as ours, app(b, "--sqlite-group-commit", "off", name="no group commit", cores=cores) as single, \
                fastify(f"sqlite:{c}/bench.db", name="fastify + better-sqlite3", cores=cores) as node:
            print("write: POST /rows, one row and one job, durable, 64 connections")
            fsyncs, requests = ours.metric("loadstone_store_fsyncs_total"), ours.metric("loadstone_store_transactions_total")
            single_fsyncs = single.metric("loadstone_store_fsyncs_total")
            single_requests = single.metric("loadstone_store_transactions_total")
            figures = interleaved([ours, single, node], args.rounds, args.seconds, figure="per_second", path="/rows",
                                  connections=64, pattern='"id":%d', status=201, request=REQUEST, core=client)
            fsyncs = ours.metric("loadstone_store_fsyncs_total") - fsyncs
            requests = ours.metric("loadstone_store_transactions_total") - requests
            ratio(figures, "loadstone", "no group commit", "8, aim 24")
            ratio(figures, "loadstone", "fastify + better-sqlite3", "8")
            single_fsyncs = single.metric("loadstone_store_fsyncs_total") - single_fsyncs
            single_requests = single.metric("loadstone_store_transactions_total") - single_requests
            print(f"  fsyncs per request: {fsyncs / requests:.4f} (goal at most 0.05); without group commit {single_fsyncs / single_requests:.4f}")


if __name__ == "__main__":
    main()
