"""A TCP proxy that partitions: what one side sends is held back, and in the end delivered late or never."""

import socket
import threading
import time

from . import process

REQUESTS, ANSWERS = "requests", "answers"  # what clients send, what the server does
CHUNK = 1 << 16


class Proxy:
    """In front of one server. Data that is held back stays in order, in the proxy and in the kernel's buffers."""

    def __init__(self, port):
        self.server_port = port
        self.port = process.free_port()
        self.changed = threading.Condition()
        self.held = {}  # direction: how many partitions were over when it began
        self.after = None  # a request's bytes, and what is held back from then on
        self.delay_s = 0.0  # of what passes, each way
        self.healed = []  # of each partition that is over, whether what was held back is delivered
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()

    def partition(self, *directions):
        with self.changed:
            self.held = {direction: len(self.healed) for direction in directions}

    def partition_after(self, request, *directions):
        """Begins when bytes `request` pass to the server: before it can answer them."""
        with self.changed:
            self.after = (request, directions)

    def is_partitioned(self):
        return bool(self.held)

    def heal(self, late):
        """`late`: what was held back is delivered; else its connections are closed."""
        with self.changed:
            self.healed.append(late)
            self.held = {}
            self.changed.notify_all()

    def stop(self):
        self.heal(late=False)
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.server_port), timeout=10)
            except OSError:  # it is down
                client.close()
                continue
            for socket_ in (client, server):
                socket_.settimeout(None)
                socket_.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._join, args=(client, server), daemon=True).start()

    def _join(self, client, server):
        requests = threading.Thread(target=self._pump, args=(client, server, REQUESTS), daemon=True)
        requests.start()
        self._pump(server, client, ANSWERS)
        requests.join()
        client.close()
        server.close()

    def _begin_after(self, data):
        with self.changed:
            if self.after is not None and self.after[0] in data:
                self.held = {direction: len(self.healed) for direction in self.after[1]}
                self.after = None

    def _may_pass(self, direction):
        """Waits for the end of a partition; False: what waits is lost."""
        with self.changed:
            while direction in self.held:
                generation = self.held[direction]
                self.changed.wait_for(lambda: len(self.healed) > generation)
                if not self.healed[generation]:
                    return False
        return True

    def _pump(self, source, sink, direction):
        try:
            while data := source.recv(CHUNK):
                if self.delay_s:
                    time.sleep(self.delay_s)
                if not self._may_pass(direction):
                    break
                if direction == REQUESTS:
                    self._begin_after(data)
                sink.sendall(data)
            else:
                if self._may_pass(direction):
                    sink.shutdown(socket.SHUT_WR)
                    return
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
