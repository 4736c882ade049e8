"""The conformance of jobs behind PgBouncer: in one process, as its server takes longer to start than most tests.

By default the queue's own suites; with LOADSTONE_FULL=1 all of them.
"""

import os
import pathlib
import subprocess
import sys

SUITES = ["Job*"] if os.environ.get("LOADSTONE_FULL") == "1" else ["JobQueue", "JobAdmin"]


def main():
    program = pathlib.Path(os.environ["LOADSTONE_BUILD_DIR"]) / "test" / "conformance_test"
    chosen = ":".join(f"Databases/{suite}.*/postgres" for suite in SUITES)
    listed = subprocess.run([program, "--gtest_list_tests", f"--gtest_filter={chosen}"], check=True, capture_output=True, text=True)
    count = listed.stdout.count("/postgres")
    if count < 10:
        sys.exit(f"only {count} tests are called {chosen}")
    print(f"{count} tests behind PgBouncer", flush=True)
    ran = subprocess.run([program, f"--gtest_filter={chosen}"], env={**os.environ, "LOADSTONE_TEST_POOLED": "1"})
    sys.exit(ran.returncode)


if __name__ == "__main__":
    main()
