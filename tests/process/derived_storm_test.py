"""Random transactions, and reads of views and aggregates, on several nodes that die: each answer is what recomputing from the database gives,
at a position at or past that of who reads (harness/league.py)."""

import collections
import os
import random
import re
import signal
import threading
import time
import unittest

from harness.campus import BUILD, Campus
from harness.case import DATABASE, FULL, ProcessTest, main
from harness.http_client import Lost
from harness.league import Session, Truth
from harness.postgres import Postgres
from harness.waiting import wait_until

OPERATIONS = int(os.environ.get("LOADSTONE_OPERATIONS") or (2_000_000 if FULL else 15_000))
ROUND = 50_000 if FULL else 7_500  # operations between two checks
BLOW_EVERY = 8_000 if FULL else 1_500  # operations
NODES = 3
SESSIONS = 8
NO_POSITION = "0-0"
MAY_FAIL = {"conflict", "deadline_exceeded", "unavailable", "resource_exhausted", "invalid_argument"}


def nothing():
    return 0


class League(Campus):
    program = BUILD / "bin" / "league"


class Acknowledged:
    """Transactions, in the order in which their acknowledgements came."""

    def __init__(self):
        self.txs, self.tops = [], []
        self.lock = threading.Lock()

    def add(self, txs):
        with self.lock:
            self.txs += txs

    def owed(self, truth):
        """To be called when something is sent; gives what tells, later, the position that is owed to it."""
        count = len(self.txs)
        return lambda: self.top(truth, count)

    def top(self, truth, count):
        """The greatest position of the first so many."""
        while len(self.tops) < count:
            before = self.tops[-1] if self.tops else 0
            self.tops.append(max(before, truth.positions.get(self.txs[len(self.tops)], 0)))
        return self.tops[count - 1] if count else 0


class Player:
    """A client that goes from node to node with what it has seen, or at times without."""

    def __init__(self, storm, seed):
        self.storm, self.random = storm, random.Random(seed)
        self.session = Session()
        self.clients = {}

    def step(self):
        node = self.random.choice(self.storm.nodes)
        seed, count = self.random.randrange(1 << 53), self.random.choice((5, 20, 60))
        writes = self.random.random() < 0.3
        forgets = self.random.random() < 0.05
        position = NO_POSITION if forgets or self.session.position is None else self.session.position
        # SQLite's readers need carry nothing. What may write reads the latest; others what their node has committed at least.
        carries = not forgets or DATABASE == "sqlite"
        by_all, by_node = self.storm.committed, self.storm.committed_by[node]
        if writes or not self.storm.replicas:
            owed = (by_all if writes else by_node).owed(self.storm.truth)
        else:
            owed = nothing  # replicas are asked for what is carried alone
        client = self.clients.setdefault(node, node.client())
        try:
            if writes:
                answer = client.post("/plays", {"seed": seed, "count": max(2, count // 2)}, headers={"Loadstone-Position": position})
            else:
                answer = client.get(f"/looks?seed={seed}&count={count}", headers={"Loadstone-Position": position})
        except Lost:
            self.storm.lost += 1
            time.sleep(0.02)  # as a client would
            return
        if answer.status != 200:
            self.storm.refused[answer.status] += 1
            return
        told = answer.json
        self.session.position = answer.headers["Loadstone-Position"] or position
        wrote = [int(one["text"]) for one in told["shown"] if one["name"] == "wrote"]
        by_all.add(wrote)
        by_node.add(wrote)
        if by_node is not self.storm.committed_by[node] and not writes:
            owed = nothing  # it may be another process that has answered
        # A replica may show a commit that the primary does not show yet.
        last = None if self.storm.replicas else told["last"]
        self.session.asked.append((owed, carries, last, told["shown"]))
        self.storm.failures.update(told["failures"])
        self.storm.count(len(told["shown"]), len(wrote))

    def run(self):
        while self.storm.goes_on():
            self.step()

    def close(self):
        for client in self.clients.values():
            client.close()
        self.clients.clear()


class DerivedStormTest(ProcessTest):
    def setUp(self):
        super().setUp()
        # LOADSTONE_SEED repeats the choices of a run; the machine makes its own as well.
        self.seed = int(os.environ.get("LOADSTONE_SEED") or random.randrange(1 << 32))
        self.random = random.Random(self.seed)
        self.say(f"seed {self.seed}")
        self.nodes, self.replicas = [], []
        self.stale = self.round_before = 0
        self.committed = Acknowledged()
        self.committed_by = collections.defaultdict(Acknowledged)  # since the node was started
        self.done = self.checked = self.writes = self.lost = self.until = 0
        self.refused, self.failures, self.blows = collections.Counter(), collections.Counter(), collections.Counter()
        self.lock = threading.Lock()
        self.broken = []

    def node(self, number):
        """One leaves what it has kept to who comes after it."""
        data = self.folder / f"data-{number}"
        data.mkdir()
        node = League(self.folder, f"node{number}", database=self.database.url, data=data, threads=2,
                      replica=[replica.url for replica in self.replicas],
                      cache_warm="on" if number == 0 else None, cache_fold_every_ms=50)
        self.started.append(node)
        return node.start()

    # What the players do together.

    def count(self, shown, writes):
        with self.lock:
            self.done += shown
            self.writes += writes

    def goes_on(self):
        return self.done < self.until and not self.broken

    def play(self, player):
        try:
            player.run()
        except Exception as error:  # told by the main thread
            self.broken.append(f"{type(error).__name__}: {error}")

    def play_round(self, players, count):
        self.until = self.done + count
        threads = [threading.Thread(target=self.play, args=(player,)) for player in players]
        for thread in threads:
            thread.start()
        next_blow = self.done + self.random.randrange(BLOW_EVERY)
        while any(thread.is_alive() for thread in threads):
            if self.done >= next_blow and self.goes_on():
                self.blow()
                next_blow += self.random.randrange(BLOW_EVERY // 2, BLOW_EVERY * 3 // 2)
            time.sleep(0.01)
        for thread in threads:
            thread.join()
        for node in self.nodes:
            node.wait_ready()
        self.assertEqual(self.broken, [])

    # What befalls them.

    def blow(self):
        blows = ["kill"] * 6 + ["end", "stop"]
        if DATABASE == "postgres":
            blows += ["cut", "restart"] + ["replica"] * 3 * bool(self.replicas)
        what = self.random.choice(blows)
        node = self.nodes[0] if what == "end" else self.random.choice(self.nodes)
        for each in self.nodes if what in ("cut", "restart", "replica") else [node]:
            each.wait_ready()  # who starts without a database ends at once
        self.blows[what] += 1
        if what in ("kill", "end"):
            node.kill() if what == "kill" else node.terminate()
            self.committed_by[node] = Acknowledged()
            node.start(wait=False)
        elif what == "stop":
            node.signal(signal.SIGSTOP)
            time.sleep(self.random.uniform(0.05, 0.5))  # the experiment, not a wait
            node.signal(signal.SIGCONT)
        elif what == "cut":
            self.database.end_sessions()
        else:
            server = self.database if what == "restart" else self.random.choice(self.replicas)
            server.restart("immediate")

    # What has to be true.

    def check(self, players):
        self.truth.read(self.database)
        wrong = []
        for player in players:
            self.checked += player.session.check(self.truth, wrong)
        for each in (self.committed, *self.committed_by.values()):
            each.top(self.truth, len(each.txs))
        self.stale += len(wrong)
        self.assertEqual(wrong, [], f"\n{len(wrong)} of seed {self.seed}:\n" + "\n".join(wrong[:20]))
        # Replicas may be behind, and who carries nothing is owed nothing of them.
        self.truth.forget(self.round_before)
        self.round_before = self.truth.last

    def counted(self, name):
        total = 0
        for node in self.nodes:
            with node.client() as client:
                found = re.search(rf"^loadstone_{name} (\S+)$", client.get("/metrics").body.decode(), re.M)
            total += float(found.group(1)) if found else 0
        return round(total)

    def check_at_rest(self):
        """Each node shows all that there is, and what is kept is what would be counted."""
        for number, node in enumerate(self.nodes):
            player = Player(self, f"{self.seed}-rest-{number}")
            with node.client() as client:
                played = client.post("/plays", {"seed": 1, "count": 1}, headers={"Loadstone-Position": NO_POSITION})
                position = played.headers["Loadstone-Position"]
                told = client.get("/looks?seed=7&count=400", headers={"Loadstone-Position": position or NO_POSITION}).json
            self.assertEqual(told["failures"], [])
            last = played.json["last"]
            owed = (lambda: last) if position or DATABASE == "sqlite" else nothing
            player.session.asked.append((owed, True, told["last"], told["shown"]))
            self.check([player])
        done = self.nodes[0].command("views", "verify", "--json", check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def storm(self, operations):
        self.nodes = [self.node(number) for number in range(NODES)]
        wait_until(lambda: self.tables.count("loadstone_aggregates_built") == 5, 20, "the aggregates to be built")
        self.truth = Truth()
        players = [Player(self, f"{self.seed}-{number}") for number in range(SESSIONS)]
        while self.done < operations:
            self.play_round(players, min(ROUND, operations - self.done))
            self.check(players)
        for player in players:
            player.close()
        self.check_at_rest()
        self.say(f"{self.checked} operations checked, {self.writes} of them transactions; {self.stale} stale; blows {dict(self.blows)}; "
                 f"{self.lost} requests lost, refused {dict(self.refused)}, failed {dict(self.failures)}; since the last starts "
                 f"{self.counted('cache_hits_total')} hits, {self.counted('cache_misses_total')} misses, "
                 f"{self.counted('cache_waits_total')} waits, {self.counted('cache_fills_shared_total')} shared")
        self.assertEqual(set(self.failures) - MAY_FAIL, set())
        self.assertEqual(set(self.refused) - {503, 504}, set())
        self.assertGreater(self.writes, operations // 50)
        self.assertGreater(self.blows.total(), 0)
        self.assertGreater(self.counted("cache_hits_total"), 0)

    def test_no_answer_is_stale_whoever_dies(self):
        self.storm(OPERATIONS)

    @unittest.skipUnless(DATABASE == "postgres", "SQLite has no replicas")
    def test_no_answer_of_a_replica_is_stale(self):
        for number in (1, 2):
            self.replicas.append(Postgres(self.folder / f"replica{number}", replica_of=self.database))
            self.addCleanup(self.replicas[-1].stop)
        self.storm(OPERATIONS // 3)


if __name__ == "__main__":
    main()
