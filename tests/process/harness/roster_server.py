"""A third party's list of people over HTTP, in pages, that throttles and fails as it is told."""

import http.server
import json
import threading
import time
import urllib.parse


class RosterServer:
    """GET /people[?page=TOKEN]. Set its members while it runs; `requests` is what it was asked, in order."""

    def __init__(self, people=(), page_size=100):
        self.people = list(people)  # (email, name)
        self.page_size = page_size
        self.page_seconds = 0.0
        self.replies = []           # of the next requests: (status, headers, body), or None for the page
        self.requests = []          # (time, path)
        self.holds = {}             # by path, until when its answer waits
        self.at_once = self.at_once_max = 0
        self.lock = threading.Lock()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                owner.answer(self)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None
        self.host = "127.0.0.1:%d" % self.server.server_address[1]
        self.url = f"http://{self.host}/people"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def hold(self, path):
        """Does not answer this path before release()."""
        with self.lock:
            self.holds[path] = threading.Event()

    def release(self):
        with self.lock:
            held, self.holds = self.holds, {}
        for event in held.values():
            event.set()

    def stop(self):
        self.release()
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request):
        with self.lock:
            self.requests.append((time.time(), request.path))
            self.at_once += 1
            self.at_once_max = max(self.at_once_max, self.at_once)
            reply = self.replies.pop(0) if self.replies else None
            held = self.holds.get(request.path)
        try:
            if held:
                held.wait(60)
            time.sleep(self.page_seconds)
            status, headers, body = reply or (200, {}, self.page(request.path))
        finally:
            with self.lock:
                self.at_once -= 1
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def page(self, path):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(path).query))
        token = query.get("page", "from 0&on")
        begin = int(token.split(" ")[1].split("&")[0])
        end = begin + self.page_size
        people = [{"email": email, "name": name} for email, name in self.people[begin:end]]
        return {"people": people, "next": f"from {end}&on" if end < len(self.people) else None, "total": len(self.people)}

    def asked(self):
        with self.lock:
            return list(self.requests)
