"""Chromium without a window, driven over its DevTools pipe: no port, no driver, no module."""

import base64
import json
import os
import select
import signal
import subprocess
import time

STARTED_WITHIN_S = 60  # the first start on a busy machine
ANSWERED_WITHIN_S = 30


class Browser:
    def __init__(self, folder):
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                   "--remote-debugging-pipe", "--window-size=1280,1600", f"--user-data-dir={folder / 'chromium'}", "about:blank"]
        with open(folder / "chromium.log", "wb") as log:
            self.process = subprocess.Popen(["bash", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "bash", *command],
                                            pass_fds=(to_browser, from_browser), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            start_new_session=True)
        os.close(to_browser)
        os.close(from_browser)
        self._unread, self._last, self.events = b"", 0, []
        self._session = None
        target = self.ask("Target.createTarget", url="about:blank", within_s=STARTED_WITHIN_S)["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.ask(f"{domain}.enable")

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
        os.close(self._in)
        os.close(self._out)

    def _receive(self, deadline):
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._in], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(self._in, 1 << 20) if ready else b""
            assert piece, f"the browser is gone or does not answer: {self.process.poll()}"
            self._unread += piece
        message, _, self._unread = self._unread.partition(b"\0")
        return json.loads(message)

    def ask(self, method, within_s=ANSWERED_WITHIN_S, **parameters):
        self._last += 1
        question = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            question["sessionId"] = self._session
        os.write(self._out, json.dumps(question).encode() + b"\0")
        deadline = time.monotonic() + within_s
        while True:
            message = self._receive(deadline)
            if message.get("id") == self._last:
                assert "error" not in message, f"{method}: {message}"
                return message["result"]
            self.events.append(message)

    def run(self, script):
        """The value of an expression of JavaScript, awaited."""
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, f"{script}: {answer}"
        return answer["result"].get("value")

    def go(self, url):
        self.ask("Page.navigate", url=url)

    def key(self, key, code=0, text=""):
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **more)

    def tab(self):
        self.key("Tab", 9)

    def type(self, text):
        self.ask("Input.insertText", text=text)

    def colour_scheme(self, scheme):
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]))

    def complaints(self):
        """What the page did wrong: errors, refused by the policy; not answers that are no 200."""
        found = []
        for event in self.events:
            if event.get("method") == "Runtime.exceptionThrown":
                found.append(event["params"]["exceptionDetails"])
            entry = event.get("params", {}).get("entry", {})
            if event.get("method") == "Log.entryAdded" and entry["level"] == "error" and entry["source"] != "network":
                found.append(entry["text"])
        return found
