"""What statements cost, from the statistics of a campus that runs: as tests/support/expect_statements.h in C++."""

import json


def top(campus):
    """What `campus db top` knows, with its lines flat: {"statement", "activity", "calls", ..., "scanned_per_row"}."""
    report = json.loads(campus.command("db", "top", "--limit", 100_000, "--json").stdout)
    report["statements"] = [{**one, **one.pop("line")} for one in report["statements"]]
    return report


def calls(campus, activity):
    """How often each statement ran in a route or job, without a transaction's own."""
    return {line["statement"]: line["calls"] for line in top(campus)["statements"]
            if line["activity"] == activity and not line["statement"].startswith("loadstone.")}


class ExpectStatements:
    """Mix in to a TestCase."""

    def expect_statements(self, campus, activity, at_most, run, times=1):
        """Runs run() `times` times, each of which is one request or job of `activity`, and counts its statements."""
        before = sum(calls(campus, activity).values())
        for _ in range(times):
            run()
        after = calls(campus, activity)
        used = sum(after.values()) - before
        self.assertGreater(used, 0, f"{activity} has run no statement")
        self.assertLessEqual(used, times * at_most,
                             f"{activity} ran {used} statements in {times} runs, {at_most} each are allowed: {after}")
