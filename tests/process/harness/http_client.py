"""One HTTP connection, kept alive, and the requests that Campus understands."""

import http.client
import json
import socket
import time


class Answer:
    def __init__(self, status, headers, body, seconds):
        self.status = status
        self.headers = headers
        self.body = body
        self.seconds = seconds

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def cookie(self):
        """The session's cookie as it is sent back."""
        return (self.headers.get("Set-Cookie") or "").split(";")[0]

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


class Lost(Exception):
    """No answer: refused, reset or closed. `sent`: the server may have acted on the request."""

    def __init__(self, cause, sent):
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.sent = sent


class Client:
    """Not for two threads at once."""

    def __init__(self, port, timeout_s=30, host="127.0.0.1", own_address=None):
        self.host, self.port, self.timeout_s = host, port, timeout_s
        self.own = (own_address, 0) if own_address else None
        self.connection = None

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def request(self, method, path, body=None, headers=None, cookie=None, key=None):
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        if cookie:
            headers["Cookie"] = cookie
        if key is not None:
            headers["Idempotency-Key"] = key
        began = time.monotonic()
        sent = False
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection(self.host, self.port, self.timeout_s, self.own)
                self.connection.connect()
                self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sent = True
            self.connection.request(method, path, body=body, headers=headers)
            response = self.connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Lost(error, sent) from error
        if response.will_close:
            self.close()
        return Answer(response.status, response.headers, content, time.monotonic() - began)

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.request("POST", path, body, **options)

    def register(self, email, name="Ada Lovelace", password="correct horse battery", key=None, **options):
        body = {"name": name, "email": email, "password": password}
        return self.post("/api/register", body, key=key, **options)


def get_once(port, path, timeout_s=5):
    with Client(port, timeout_s) as client:
        return client.get(path)
