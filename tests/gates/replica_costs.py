"""What a read on a replica costs, of a session whose position each answer moves on: beside the read itself the choice of the
replica, the question for its position and the cookie. Questions under load are counted by process/read_costs_test.py; instructions are not
counted: what watches ask meanwhile makes 5 % more or less of them."""

import contextlib
import pathlib
import subprocess
import sys
import tempfile

from application import ROUTES, App

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "process"))
from harness.postgres import Postgres  # noqa: E402
from harness.waiting import wait_until  # noqa: E402

COOKIE = "position=1-1"


@contextlib.contextmanager
def servers():
    """A primary and its replica."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = pathlib.Path(name)
        folder.chmod(0o755)  # PostgreSQL is another user
        primary = Postgres(folder / "primary")
        stack.callback(primary.stop)
        replica = Postgres(folder / "replica", replica_of=primary)
        stack.callback(replica.stop)
        yield primary, replica


class Reads:
    """A process that reads row 1 on the replica."""

    def __init__(self, program, folder, primary, replica):
        self.app = App(program, folder, extra=("--database", primary.url, "--replica", replica.url))
        wait_until(lambda: self.served_of(1) == 1, 60, "the replica to serve reads")

    def served_of(self, count):
        def served():
            return self.app.metric("loadstone_store_replica_reads_total")
        before = served()
        self.app.ask(*ROUTES["read"], count, COOKIE)
        return served() - before

    def read(self, count):
        if self.served_of(count) != count:
            raise SystemExit("reads were not the replica's")


def make_row(program, folder, primary):
    for command, arguments in (("migrate", []), ("fill", ["1"])):
        subprocess.run([program, command, "--data", folder, "--database", primary.url, *arguments], check=True, stdout=subprocess.DEVNULL)


def counted(program):
    with servers() as (primary, replica), tempfile.TemporaryDirectory() as folder:
        make_row(program, folder, primary)
        reads = Reads(program, folder, primary, replica)
        reads.read(50)
        costs = reads.app.costs("GET /rows/{id}", 500, ('module="rows"',), lambda: reads.read(500))
        reads.app.stop()
        return {"read_replica": costs}
