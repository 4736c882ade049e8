"""What no client should send, over raw sockets: each answer is right, and the server stays healthy."""

import os
import pathlib
import random
import re
import socket
import time

from harness.case import ProcessTest, main
from harness.waiting import wait_until

TIMEOUT_MS = 1_000

GET = b"GET /healthz HTTP/1.1\r\nHost: a\r\n"
POST = b"POST /api/register HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"

# Name: what is sent, and the statuses of all answers (a set: any of them); HIDDEN would be a further one.
REQUESTS = {
    # Two framings of one message (RFC 9112 6.3, 11.2).
    "length and chunked": (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN, [400]),
    "chunked and length": (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + HIDDEN, [400]),
    "two lengths": (POST + b"Content-Length: 0\r\nContent-Length: 36\r\n\r\n" + HIDDEN, [400]),
    "two equal lengths": (POST + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n" + HIDDEN, [400]),
    "a list of lengths": (POST + b"Content-Length: 0, 0\r\n\r\n" + HIDDEN, [400]),
    "a signed length": (POST + b"Content-Length: +0\r\n\r\n" + HIDDEN, [400]),
    "a negative length": (POST + b"Content-Length: -1\r\n\r\n" + HIDDEN, [400]),
    "a hexadecimal length": (POST + b"Content-Length: 0x0\r\n\r\n" + HIDDEN, [400]),
    "a length with a space": (POST + b"Content-Length: 3 6\r\n\r\n" + HIDDEN, [400]),
    "an empty length": (POST + b"Content-Length: \r\n\r\n" + HIDDEN, [400]),
    "a length beyond 64 bits": (POST + b"Content-Length: 18446744073709551616\r\n\r\n" + HIDDEN, [400]),
    "a length beyond the limit": (POST + b"Content-Length: 999999999999\r\n\r\n", [413]),
    "space before the colon": (POST + b"Content-Length : 0\r\n\r\n" + HIDDEN, [400]),
    "space before a name": (POST + b" Content-Length: 0\r\n\r\n" + HIDDEN, [400]),
    "a folded field": (GET + b"X-A: 1\r\n 2\r\n\r\n" + HIDDEN, [400]),
    "chunked with a twist": (POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN, [501]),
    "chunked in a list": (POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + HIDDEN, [501]),
    "chunked twice": (POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN, [400]),
    "chunked behind a vertical tab": (POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + HIDDEN, [400]),
    "chunked in HTTP/1.0": (POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN, [400]),
    "a chunk size that is no number": (POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n" + HIDDEN, [400]),
    "a signed chunk size": (POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" + HIDDEN, [400]),
    "a chunk size with 0x": (POST + b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" + HIDDEN, [400]),
    "a chunk size beyond 64 bits": (POST + b"Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n" + HIDDEN, {400, 413}),
    "a chunk beyond the limit": (POST + b"Transfer-Encoding: chunked\r\n\r\nfffffff\r\n" + HIDDEN, [413]),
    "a chunk that ends too late": (POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n" + HIDDEN, [400]),
    "a chunk that ends with LF": (POST + b"Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n" + HIDDEN, [400]),
    # Lines and what stands in them.
    "no request at all": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), [400]),
    "an HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 501, 505}),
    "HTTP/0.9": (b"GET /\r\n\r\n", [400]),
    "HTTP/1.2": (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n" + HIDDEN, [505]),
    "lower case http": (b"GET / http/1.1\r\nHost: a\r\n\r\n" + HIDDEN, [400]),
    "two spaces": (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n" + HIDDEN, [400]),
    "a tab for a space": (b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n" + HIDDEN, [400]),
    "lines that end with LF": (b"GET /healthz HTTP/1.1\nHost: a\n\n" + HIDDEN, [400]),
    "a lone CR in a value": (GET + b"X-A: 1\rX-B: 2\r\n\r\n" + HIDDEN, [400]),
    "a NUL in a value": (GET + b"X-A: a\0b\r\n\r\n" + HIDDEN, [400]),
    "a NUL in a name": (GET + b"X-\0A: b\r\n\r\n" + HIDDEN, [400]),
    "a field without a name": (GET + b": b\r\n\r\n" + HIDDEN, [400]),
    "a field without a colon": (GET + b"nothing\r\n\r\n" + HIDDEN, [400]),
    "no host": (b"GET /healthz HTTP/1.1\r\n\r\n" + HIDDEN, [400]),
    "two hosts": (GET + b"Host: b\r\n\r\n" + HIDDEN, [400]),
    "a host that is none": (b"GET /healthz HTTP/1.1\r\nHost: a/b\r\n\r\n" + HIDDEN, [400]),
    "two cookies": (GET + b"Cookie: a=1\r\nCookie: b=2\r\n\r\n" + HIDDEN, [400]),
    "an unknown method": (b"BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n" + HIDDEN, [501]),
    "CONNECT": (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n" + HIDDEN, {400, 501}),
    "TRACE": (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n" + HIDDEN, [501]),
    "an unknown expectation": (POST + b"Expect: the unexpected\r\nContent-Length: 0\r\n\r\n" + HIDDEN, [417]),
    # Targets.
    "a target that is no path": (b"GET healthz HTTP/1.1\r\nHost: a\r\n\r\n" + HIDDEN, [400]),
    "a target with a bare percent": (b"GET /%zz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", [400]),
    "a target with an encoded NUL": (b"GET /a%00b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", [400]),
    "a target that climbs": (b"GET /../etc/passwd HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", [400]),
    "a target that climbs encoded": (b"GET /%2e%2e/etc/passwd HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", [400]),
    "an absolute target of another host": (b"GET http://b/healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", [400]),
    # Too much of it.
    "a long target": (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", [414]),
    "an endless request line": (b"GET /" + b"a" * 200_000, [414]),
    "a long field": (GET + b"X-A: " + b"a" * 20_000 + b"\r\n\r\n", [431]),
    "many fields": (GET + b"X: y\r\n" * 200 + b"\r\n", [431]),
    "an endless header": (GET + b"X: y\r\n" * 50_000, [431]),
    "a long body": (POST + b"Content-Length: 100000\r\n\r\n" + b" " * 100_000, [413]),
    "a long chunked body": (POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"400\r\n" + b" " * 1024 + b"\r\n" * 1
                            + (b"400\r\n" + b" " * 1024 + b"\r\n") * 99 + b"0\r\n\r\n", [413]),
    "an endless chunk extension": (POST + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"a" * 100_000, {400, 413, 431}),
    "endless trailers": (POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 50_000, {400, 413, 431}),
    # What must work.
    "a plain request": (GET + b"Connection: close\r\n\r\n", [200]),
    "two at once": (GET + b"\r\n" + GET + b"Connection: close\r\n\r\n", [200, 200]),
    "an absolute target": (b"GET http://a/healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", [200]),
    "an empty line before": (b"\r\n" + GET + b"Connection: close\r\n\r\n", [200]),
    "OPTIONS *": (b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", [204]),
    "HEAD": (b"HEAD /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", [200]),
    "HTTP/1.0": (b"GET /healthz HTTP/1.0\r\n\r\n", [200]),
    "chunks and what is behind them": (POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + GET
                                       + b"Connection: close\r\n\r\n", [422, 200]),
    "a request without a session and what is behind it": (b"GET /api/me HTTP/1.1\r\nHost: a\r\n\r\n" + GET
                                                          + b"Connection: close\r\n\r\n", [401, 200]),
    "a refused body and what is behind it": (POST.replace(b"application/json", b"text/plain") + b"Content-Length: 5\r\n\r\nhello"
                                             + GET + b"Connection: close\r\n\r\n", [415, 200]),
}


def statuses(received):
    """Of the answers one behind the other, each with its Content-Length or without a body."""
    found = []
    while received.startswith(b"HTTP/1.1 "):
        head, end, rest = received.partition(b"\r\n\r\n")
        found.append(int(received[9:12]))
        length = re.search(rb"\r\nContent-Length: (\d+)", head)
        received = rest[int(length[1]):] if end and length else rest
    return found


def is_answered(received, wanted):
    found = statuses(received)
    return found == wanted if isinstance(wanted, list) else len(found) == 1 and found[0] in wanted


class MalformedHttpTest(ProcessTest):
    def setUp(self):
        super().setUp()
        self.mail.start()
        self.server = self.campus(http_header_timeout_ms=TIMEOUT_MS, http_body_timeout_ms=TIMEOUT_MS,
                                  http_idle_timeout_ms=TIMEOUT_MS, http_write_timeout_ms=TIMEOUT_MS).start()

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.server.port), timeout=10)
        self.addCleanup(connection.close)
        return connection

    def read_all(self, connection):
        """Until the server closes; a reset ends it too."""
        received = b""
        try:
            while data := connection.recv(65_536):
                received += data
        except ConnectionError:
            pass
        return received

    def send(self, data):
        connection = self.connect()
        try:
            connection.sendall(data)
        except ConnectionError:
            pass  # it has heard enough
        return self.read_all(connection)

    def check_healthy(self):
        self.server.check_alive()
        with self.server.client() as client:
            self.assertEqual(client.get("/readyz").status, 200)
            self.assertEqual(client.register("ada@example.org").status, 201)
        fds = pathlib.Path(f"/proc/{self.server.pid}/fd")
        wait_until(lambda: len(os.listdir(fds)) < 100, 10, "the server to close what it has open")
        memory = int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{self.server.pid}/status").read_text())[1])
        self.assertLess(memory, 400_000, "kB of memory at most")
        errors = [line for line in self.server.log_lines() if line["level"] == "error"]
        self.assertEqual(errors, [], "a client cannot make the server log an error")

    def test_corpus(self):
        for name, (data, wanted) in REQUESTS.items():
            with self.subTest(name):
                received = self.send(data)
                self.assertTrue(is_answered(received, wanted), f"wanted {wanted}, got {received[:600]!r}")
                if min(statuses(received)) >= 400:
                    self.assertIn(b"application/problem+json", received)
        self.check_healthy()

    def test_one_byte_at_a_time(self):
        for name in ("length and chunked", "a plain request", "chunks and what is behind them"):
            with self.subTest(name):
                data, wanted = REQUESTS[name]
                connection = self.connect()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for i in range(len(data)):
                    try:
                        connection.sendall(data[i:i + 1])
                    except ConnectionError:
                        break
                self.assertEqual(statuses(self.read_all(connection)), wanted)
        self.check_healthy()

    def check_closed_in_time(self, connection, wanted):
        began = time.monotonic()
        received = self.read_all(connection)
        self.assertLess(time.monotonic() - began, 5 * TIMEOUT_MS / 1e3)
        self.assertEqual(statuses(received), wanted)

    def test_slow_senders_are_cut_off(self):
        silent, header, body, idle = (self.connect() for _ in range(4))
        header.sendall(b"GET /healthz HT")
        body.sendall(POST + b"Content-Length: 100\r\n\r\n{")
        idle.sendall(GET + b"\r\n")
        self.check_closed_in_time(silent, [])
        self.check_closed_in_time(header, [408])
        self.check_closed_in_time(body, [408])
        self.check_closed_in_time(idle, [200])
        self.check_healthy()

    def test_a_trickle_does_not_prolong_it(self):
        for start in (GET, POST + b"Content-Length: 1000\r\n\r\n"):
            connection = self.connect()
            connection.settimeout(0.1)
            connection.sendall(start)
            began = time.monotonic()
            received = b""
            while time.monotonic() - began < 5 * TIMEOUT_MS / 1e3:
                try:
                    connection.sendall(b"a")
                    data = connection.recv(4096)
                except socket.timeout:
                    continue
                except ConnectionError:
                    break
                received += data
                if not data:
                    break
            self.assertLess(time.monotonic() - began, 4 * TIMEOUT_MS / 1e3)
            self.assertEqual(statuses(received), [408])
        self.check_healthy()

    def test_a_client_that_does_not_read_is_cut_off(self):
        connection = self.connect()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        request = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n"
        connection.setblocking(False)
        sent = 0

        def is_cut_off():
            nonlocal sent
            try:
                while True:
                    sent += connection.send(request * 50)
            except BlockingIOError:
                return False
            except ConnectionError:
                return True
        wait_until(is_cut_off, 10 * TIMEOUT_MS / 1e3, "the server to close the connection")
        self.check_healthy()

    def test_clients_that_vanish(self):
        for data in (b"", b"GET", GET, GET + b"\r\n", POST + b"Content-Length: 90\r\n\r\n{", POST * 30):
            for _ in range(20):
                connection = self.connect()
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                connection.sendall(data)
                connection.close()
        self.check_healthy()

    def test_noise(self):
        seed = random.randrange(1 << 32)
        self.say(f"seed {seed}")
        noise = random.Random(seed)
        corpus = [data for data, _ in REQUESTS.values() if len(data) < 5_000]
        for _ in range(300):
            data = bytearray(noise.choice(corpus))
            for _ in range(noise.randrange(1, 6)):
                at = noise.randrange(len(data))
                data[at:at + noise.randrange(3)] = noise.randbytes(noise.randrange(3))
            connection = self.connect()
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            received = self.read_all(connection)
            for status in statuses(received):
                self.assertNotIn(status, (500, 502, 503, 504), received[:600])
            connection.close()
        self.check_healthy()


if __name__ == "__main__":
    main()
