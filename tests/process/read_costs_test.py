"""What reads on a replica cost, by counts of messages: batches sent, each a round trip at most, and questions for its position."""

import collections
import socket
import struct
import threading

from harness.case import ProcessTest, main
from harness.postgres import Postgres
from harness.proxy import REQUESTS, Proxy
from harness.waiting import wait_until

REQUESTS_EACH = 1_024
DEPTH = 32
# Beside what reads ask: a question of each connection where no read has asked for ask_every.
ASK_EVERY_MS = 500
OTHERS_MAX = 40
ENCRYPTION_REQUESTS = (80877103, 80877104)  # of TLS and GSSAPI; then comes what would have come at once
POSITION = b"ls_position"


class CountingProxy(Proxy):
    """Counts what clients send: `read` and `position` by the statement that is bound, `batch` by its sync."""

    def __init__(self, port):
        self.lock = threading.Lock()
        self.counts = collections.Counter()
        super().__init__(port)

    def _pump(self, source, sink, direction):
        super()._pump(Counted(source, self._count) if direction == REQUESTS else source, sink, direction)

    def _count(self, kind, body):
        with self.lock:
            if kind == b"B":
                statement = body.split(b"\0")[1]
                self.counts["position" if statement == POSITION else "read"] += 1
            if kind == b"S":
                self.counts["batch"] += 1

    def now(self):
        with self.lock:
            return collections.Counter(self.counts)


class Counted:
    """A socket that tells the messages of PostgreSQL's protocol that are received on it."""

    def __init__(self, source, tell):
        self.source, self.tell = source, tell
        self.is_begun, self.unread = False, b""

    def recv(self, size):
        data = self.source.recv(size)
        self.unread += data
        while self._message():
            pass
        return data

    def shutdown(self, how):
        self.source.shutdown(how)

    def _message(self):
        head = 1 if self.is_begun else 0  # the first message has no kind
        if len(self.unread) < head + 8 - 4 * head:
            return False
        length, = struct.unpack_from("!I", self.unread, head)
        if len(self.unread) < head + length:
            return False
        kind, body = self.unread[:head], self.unread[head + 4:head + length]
        self.unread = self.unread[head + length:]
        if self.is_begun:
            self.tell(kind, body)
        elif struct.unpack_from("!I", body)[0] not in ENCRYPTION_REQUESTS:
            self.is_begun = True
        return True


class ReadCostsTest(ProcessTest):
    def setUp(self):
        super().setUp()
        self.mail.start()
        replica = Postgres(self.folder / "replica", replica_of=self.database)
        self.addCleanup(replica.stop)
        self.proxy = CountingProxy(replica.port)
        self.addCleanup(self.proxy.stop)
        url = replica.url.replace(str(replica.port), str(self.proxy.port))
        self.web = self.campus("web", role="web", replica=url, threads=1, replicas_ask_every_ms=ASK_EVERY_MS).start()
        self.client = self.web.client()
        self.addCleanup(self.client.close)
        self.cookie = self.client.register("ada@example.org").cookie
        wait_until(self.is_served_by_the_replica, 20, "the replica to serve reads")

    def is_served_by_the_replica(self):
        before = self.proxy.now()
        self.me()
        return (self.proxy.now() - before)["read"] > 0

    def me(self):
        self.assertEqual(self.client.get("/api/me", cookie=self.cookie).status, 200)

    def at_once(self):
        """Each connection's next request is at the server already, however slow this program is."""
        request = f"GET /api/me HTTP/1.1\r\nHost: campus\r\nCookie: {self.cookie}\r\n\r\n".encode()
        each = REQUESTS_EACH // DEPTH
        sockets = [socket.create_connection(("127.0.0.1", self.web.port), timeout=60) for _ in range(DEPTH)]
        for one in sockets:
            one.sendall(request * each)
        for one in sockets:
            answers = b""
            while answers.count(b"HTTP/1.1 ") < each or not answers.endswith(b"}"):
                received = one.recv(1 << 16)
                self.assertTrue(received, "the connection ended")
                answers += received
            self.assertEqual(answers.count(b"HTTP/1.1 200 "), each)
            one.close()

    def costs(self, what, work):
        """Batches and questions for each 1,000 reads that work() makes."""
        before = self.proxy.now()
        work()
        counts = self.proxy.now()
        counts.subtract(before)
        self.assertGreaterEqual(counts["read"], REQUESTS_EACH, "they were the replica's")
        self.say(f"{what}: {dict(counts)}")
        return tuple(1_000 * (counts[each] - OTHERS_MAX) / counts["read"] for each in ("batch", "position"))

    def test_reads_at_a_time_share_batches_and_positions(self):
        batches, positions = self.costs("one at a time", lambda: [self.me() for _ in range(REQUESTS_EACH)])
        self.assertLessEqual(batches, 1_000)
        self.assertLessEqual(positions, 1_000)
        batches, positions = self.costs(f"{DEPTH} at a time", self.at_once)
        self.assertLessEqual(batches, 100)  # 32 are seen
        self.assertTrue(0 < positions <= 100, positions)


if __name__ == "__main__":
    main()
