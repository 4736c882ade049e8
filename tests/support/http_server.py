#!/usr/bin/python3
"""A real HTTP server for tests, which does what the path says.

    http_server.py --port 0 [--tls-self-signed DIR]

prints its port as the first line; with --tls-self-signed it speaks HTTPS under DIR/cert.pem, which it makes. It ends when its
stdin does; a line there is answered by a line of JSON: {"requests": .., "connections": .., "open": ..}.

    /bytes?count=N          N bytes, with Content-Length; &chunked=1: in chunks of 1,000, without
    /status?code=429        any status; &retry_after=TEXT: with that field; &location=URL
    /headers                the request's header as JSON
    /slow?seconds=S         answers after a pause
    /trickle                begins to answer, and gives a byte each 50 ms for ever
    /drop                   closes before the answer; ?after=N: after N of 1,000 bytes
    /large-header?bytes=N   a header of that size
    /echo                   the body of a POST
"""

import argparse
import http.server
import json
import pathlib
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

counts = {"requests": 0, "connections": 0, "open": 0}
lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        with lock:
            counts["connections"] += 1
            counts["open"] += 1

    def finish(self):
        with lock:
            counts["open"] -= 1
        try:
            super().finish()
        except OSError:
            pass

    def log_message(self, *_):
        pass

    def answer(self, body, status=200, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def end(self):
        self.close_connection = True
        self.connection.close()

    def do_GET(self):
        with lock:
            counts["requests"] += 1
        url = urllib.parse.urlsplit(self.path)
        asked = dict(urllib.parse.parse_qsl(url.query))
        try:
            getattr(self, "at_" + url.path[1:].replace("-", "_"), self.at_nowhere)(asked)
        except OSError:
            self.close_connection = True

    def do_POST(self):
        self.body = self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def at_echo(self, _):
        self.answer(self.body)

    def at_nowhere(self, _):
        self.answer(b"nothing is here", 404)

    def at_bytes(self, asked):
        count = int(asked["count"])
        if "chunked" not in asked:
            return self.answer(b"x" * count, Content_Type="text/plain; charset=utf-8")
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while count > 0:
            piece = min(count, 1000)
            self.wfile.write(b"%x\r\n%s\r\n" % (piece, b"x" * piece))
            count -= piece
        self.wfile.write(b"0\r\n\r\n")

    def at_status(self, asked):
        headers = {name: asked[name] for name in ("retry_after", "location") if name in asked}
        self.answer(b"as you wish", int(asked["code"]), **headers)

    def at_headers(self, _):
        self.answer(json.dumps({name.lower(): value for name, value in self.headers.items()}).encode(),
                    Content_Type="application/json")

    def at_slow(self, asked):
        time.sleep(float(asked["seconds"]))
        self.answer(b"at last")

    def at_trickle(self, _):
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(b"x")
            time.sleep(0.05)

    def at_drop(self, asked):
        if "after" in asked:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x" * int(asked["after"]))
            self.wfile.flush()
        self.end()

    def at_large_header(self, asked):
        left = int(asked["bytes"])
        self.send_response(200)
        while left > 0:
            self.send_header("X-Filler", "x" * min(left, 8000))
            left -= 8000
        self.send_header("Content-Length", "0")
        self.end_headers()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        pass


def certificate(folder):
    folder = pathlib.Path(folder)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--tls-self-signed")
    chosen = arguments.parse_args()
    server = Server(("127.0.0.1", chosen.port), Handler)
    if chosen.tls_self_signed:
        server.socket = certificate(chosen.tls_self_signed).wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    for _ in sys.stdin:
        with lock:
            print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    main()
