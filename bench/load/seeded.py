"""Campus with a year of data of a size, on a PostgreSQL that is kept in build/bench/seeded for the next run."""

import contextlib
import datetime
import hashlib
import json
import os
import pathlib
import secrets
import shutil
import sys
import tempfile
import time

from measure import ROOT, descendants

sys.path.insert(0, str(ROOT / "tests/process"))
from harness.campus import Campus  # noqa: E402
from harness.clickhouse import ClickHouse  # noqa: E402, F401
from harness.postgres import Postgres  # noqa: E402
from harness.waiting import wait_until  # noqa: E402, F401

KEPT = ROOT / "build/bench/seeded"
# As a server has it; harness.postgres turns fsync off and makes buffers small.
SETTINGS = """
fsync = on
shared_buffers = 128MB
max_wal_size = 2GB
track_activity_query_size = 4096
"""
HOUR_US = 3_600_000_000


def version():
    """Of what a seeded database depends on; what else is new is migrated."""
    made = hashlib.sha256()
    for path in sorted([*ROOT.glob("campus/*/sql/migrations/*.sql"), *ROOT.glob("campus/seed/*.cc"), *ROOT.glob("campus/*/seed.cc")]):
        made.update(path.read_bytes())
    return made.hexdigest()[:8]


def until():
    """The day at which all kept databases end: dashboards look back from now, and sizes are compared."""
    day = KEPT / "until"
    if not day.exists():
        day.write_text(datetime.datetime.now(datetime.timezone.utc).date().isoformat())
    age = datetime.datetime.now(datetime.timezone.utc).date() - datetime.date.fromisoformat(day.read_text())
    if age.days > 3:
        print(f"  the seeded data ends {age.days} days ago, and dashboards look back a week: remove {KEPT.relative_to(ROOT)}")
    return day.read_text()


def campus(folder, postgres, name="campus", **settings):
    folder = pathlib.Path(folder)
    (folder / name).mkdir(exist_ok=True)
    return Campus(folder, name, data=folder / name, database=postgres.url, mail_provider_rate_max=0, log_level="warning",
                  **{"role": "web", "threads": 1, **settings})


def make(folder, users):
    print(f"  {users:,} users are seeded, once: they are kept in {folder.relative_to(ROOT)}", flush=True)
    postgres = Postgres(folder, SETTINGS)
    try:
        with tempfile.TemporaryDirectory() as work:
            empty = campus(work, postgres)
            empty.command("migrate")
            began = time.monotonic()
            told = empty.command("seed", "--users", users, "--until", until(), timeout_s=4 * 3600).stdout
            took = time.monotonic() - began
        postgres.psql("vacuum analyze", timeout_s=3600)
        postgres.psql("checkpoint", timeout_s=600)
        size = int(postgres.psql("select pg_database_size('campus')")) / 2**20
    finally:
        postgres.shut_down("fast")
    (folder / "seeded").write_text(f"{took:.0f} s, {size:,.0f} MiB\n{told}")
    print(f"  {users:,} users: {took:.0f} s, {size:,.0f} MiB", flush=True)


@contextlib.contextmanager
def seeded(users):
    """A PostgreSQL with so many users, running. What is written to it stays: remove its folder to begin anew."""
    KEPT.mkdir(parents=True, exist_ok=True)
    folder = KEPT / f"{users}-{version()}"
    for old in KEPT.glob(f"{users}-*"):
        if old != folder or not (old / "seeded").exists():
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    if not folder.exists():
        make(folder, users)
    until()
    postgres = Postgres(folder)
    try:
        with tempfile.TemporaryDirectory() as work:
            campus(work, postgres).command("migrate")
        yield postgres
    finally:
        postgres.shut_down("fast")


def sessions_of(postgres, users):
    """{user: cookie}"""
    now = int(time.time() * 1e6)
    tokens = {user: secrets.token_hex(16) for user in users}
    postgres.execute("insert into sessions (user_id, token_hash, created_at, expires_at) values " + ", ".join(
        f"({user}, '{hashlib.sha256(token.encode()).hexdigest()}', {now}, {now + HOUR_US})" for user, token in tokens.items()))
    return {user: f"session={token}" for user, token in tokens.items()}


def backends(postgres):
    """The processes of a server that serve clients, those of standbys not counted."""
    found = []
    for pid in descendants(postgres.process.pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            title = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            if title.startswith(b"postgres: campus campus "):
                found.append(pid)
    return found


def lua_list(requests):
    """Lua that makes these (method, path, cookie, body) in turn, again and again."""
    rows = ",\n".join("{" + ", ".join(json.dumps(part or "") for part in request) + "}" for request in requests)
    return """
local all, at = {%s}, 0
function request()
  at = at %% #all + 1
  local one = all[at]
  if type(one) == "table" then
    local headers = {Cookie = one[3]}
    if one[4] ~= "" then headers["Content-Type"] = "application/json" end
    one = wrk.format(one[1], one[2], headers, one[4] ~= "" and one[4] or nil)
    all[at] = one
  end
  return one
end
""" % rows


if __name__ == "__main__":
    os.nice(10)
    for size in map(int, sys.argv[1:]):
        with seeded(size):
            pass
