#!/usr/bin/python3
"""A real SMTP server for tests and benches (aiosmtpd); its behaviour can be changed while it runs.

    smtp_server.py --port 0 --store DIR [--stdin] [--control-port 0]

prints the port as the first line and, with --control-port, "control PORT" as the second. Each mail
that it took is a file DIR/<n>.eml: three X-Envelope lines (From, To, Time), then the mail as it was
sent. What lies in DIR already is counted at the start, so the server can be stopped and started.

Commands are lines, on stdin (--stdin: the server ends with it) or on a connection to the control
port (127.0.0.1); each is answered by one line of JSON, {"error": ...} for what is not understood:

    mode ok
    mode throttle rate=20 [burst=1] [stage=rcpt]    answers 421 450 451 452 by turn above the rate
    mode reply code=550 [stage=rcpt] [text=...]     any code at any stage; 421 also closes
               [to=...]                             to a RCPT that names it only
    mode drop [stage=dot] [reset=1]                 closes without a reply (reset: with RST)
    mode slow seconds=1 [stage=dot]                 goes on after a pause
    mode silent [stage=dot]                         never answers
    mode reject550 | drop-after-dot | drop-before-dot      for reply, drop and drop stage=body
    stats                                           counts; "rates": mails taken in each second; "held":
                                                    connections that a silent or slow mode keeps now
    counts                                          {"<message-id>": how often it was taken, ...}
    forget                                          counts from zero; the files stay

Each mode but ok takes count=N: for N times, then ok. A mode is in force from its answer on, for
open connections too. Stages: greeting ehlo auth mail rcpt data (its reply, before 354) body middle
dot. body is together with the 354: not a byte of the message can follow. middle is after the
message's first line; of a short message the sender may have handed over all by then. dot is after
the whole message: drop, slow and silent take the mail there, it is stored and counted.
"""

import argparse
import asyncio
import hmac
import json
import logging
import os
import signal
import socket
import ssl
import subprocess
import sys
import time

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

STAGES = ("greeting", "ehlo", "auth", "mail", "rcpt", "data", "body", "middle", "dot")
THROTTLE_REPLIES = (
    "421 4.7.0 too many messages, closing",
    "450 4.7.1 too many messages from you",
    "451 4.7.1 slow down",
    "452 4.3.1 insufficient system storage",
)
MESSAGE_MAX = 64 << 20
LINE_MAX = 998  # RFC 5322 2.1.1


class Drop(Exception):
    """Ends the connection without a reply."""


class Mode:
    DEFAULTS = {
        "ok": {},
        "throttle": {"rate": 10.0, "burst": 1.0, "stage": "rcpt", "count": 0},
        "reply": {"code": 0, "stage": "rcpt", "text": "", "to": "", "count": 0},
        "drop": {"stage": "dot", "reset": 0, "count": 0},
        "slow": {"seconds": 1.0, "stage": "dot", "count": 0},
        "silent": {"stage": "dot", "count": 0},
    }
    ALIASES = {
        "reject550": ("reply", {"code": 550, "text": "5.1.1 no such mailbox"}),
        "drop-after-dot": ("drop", {"stage": "dot"}),
        "drop-before-dot": ("drop", {"stage": "body"}),
    }

    def __init__(self, words):
        name, given = words[0], {}
        if name in self.ALIASES:
            name, given = self.ALIASES[name]
            given = dict(given)
        if name not in self.DEFAULTS:
            raise ValueError(f"no such mode: {name}")
        self.name = name
        self.options = dict(self.DEFAULTS[name])
        for word in words[1:]:
            key, _, value = word.partition("=")
            if key not in self.options:
                raise ValueError(f"mode {name} has no option {key}")
            given[key] = value.replace("_", " ") if key == "text" else value
        for key, value in given.items():
            self.options[key] = type(self.options[key])(value)
        if self.options.get("stage", "dot") not in STAGES:
            raise ValueError(f"no such stage: {self.options['stage']}")
        if name == "reply" and not 200 <= self.options["code"] <= 599:
            raise ValueError("mode reply needs code=200..599")
        self.stage = self.options.get("stage")
        self.left = self.options.get("count", 0) or None
        self.tokens = self.options.get("burst", 0.0)
        self.refilled = time.monotonic()
        self.turn = 0

    def applies(self, stage, said=""):
        """Whether the mode shows at this stage, of a command that said this, now; uses one of count."""
        if stage != self.stage or self.left == 0 or self.options.get("to", "") not in said:
            return False
        if self.name == "throttle":
            now = time.monotonic()
            self.tokens = min(self.options["burst"],
                              self.tokens + (now - self.refilled) * self.options["rate"])
            self.refilled = now
            if self.tokens >= 1:
                self.tokens -= 1
                return False
        if self.left is not None:
            self.left -= 1
        return True

    def reply(self):
        if self.name == "throttle":
            self.turn += 1
            return THROTTLE_REPLIES[(self.turn - 1) % len(THROTTLE_REPLIES)]
        text = self.options["text"] or ("as you wish" if self.options["code"] < 400 else "told to")
        return f"{self.options['code']} {text}"


class Store:
    """What was taken: counts, and a file each."""

    def __init__(self, folder):
        self.folder = folder
        self.forget()
        self.next = 1
        if folder is None:
            return
        os.makedirs(folder, exist_ok=True)
        for name in sorted(os.listdir(folder)):
            stem, extension = os.path.splitext(name)
            if extension == ".eml" and stem.isdigit():
                with open(os.path.join(folder, name), "rb") as file:
                    self.count(file.read())
                self.next = max(self.next, int(stem) + 1)
        self.rates.clear()

    def forget(self):
        self.accepted = 0
        self.counts = {}
        self.rates = {}

    def count(self, content):
        self.accepted += 1
        identity = message_id(content)
        self.counts[identity] = self.counts.get(identity, 0) + 1
        second = int(time.time())
        self.rates[second] = self.rates.get(second, 0) + 1
        while len(self.rates) > 3600:
            self.rates.pop(next(iter(self.rates)))

    def take(self, envelope, content):
        self.count(content)
        if self.folder is None:
            return
        head = (f"X-Envelope-From: {envelope.mail_from}\r\n"
                f"X-Envelope-To: {','.join(envelope.rcpt_tos)}\r\n"
                f"X-Envelope-Time: {time.time():.6f}\r\n")
        path = os.path.join(self.folder, f"{self.next:08d}")
        self.next += 1
        with open(path + ".part", "wb") as file:
            file.write(head.encode("utf-8", "surrogateescape"))
            file.write(content)
        os.rename(path + ".part", path + ".eml")


def message_id(content):
    head = content.partition(b"\r\n\r\n")[0]
    for line in head.split(b"\r\n"):
        if line[:11].lower() == b"message-id:":
            return line[11:].strip().decode("utf-8", "replace")
    return ""


class Server:
    def __init__(self, options):
        self.options = options
        self.mode = Mode(["ok"])
        self.store = Store(options.store)
        self.connections = 0
        self.open = 0
        self.held = 0
        self.replies = {}
        self.logins = 0
        self.encrypted = 0
        self.tls = None
        if options.tls_self_signed:
            make_certificate(options.tls_self_signed)
            options.tls_cert = os.path.join(options.tls_self_signed, "cert.pem")
            options.tls_key = os.path.join(options.tls_self_signed, "key.pem")
        if options.tls_cert:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(options.tls_cert, options.tls_key)

    def authenticate(self, _server, _session, _envelope, _mechanism, data):
        user, _, password = self.options.auth.partition(":")
        good = (isinstance(data, LoginPassword)
                and hmac.compare_digest(data.login, user.encode())
                and hmac.compare_digest(data.password, password.encode()))
        self.logins += good
        return AuthResult(success=good, handled=False)

    def session(self):
        auth = self.options.auth is not None
        return Session(
            self,
            hostname=self.options.hostname,
            data_size_limit=MESSAGE_MAX,
            enable_SMTPUTF8=not self.options.no_smtputf8,
            tls_context=None if self.options.smtps else self.tls,
            require_starttls=self.options.require_tls,
            auth_required=auth,
            auth_require_tls=not (auth and (self.options.auth_without_tls or self.options.smtps)),
            authenticator=self.authenticate if auth else None,
            auth_exclude_mechanism=() if auth else ("LOGIN", "PLAIN"),
        )

    def command(self, line):
        words = line.split()
        try:
            if words[:1] == ["mode"] and len(words) > 1:
                self.mode = Mode(words[1:])
                return {"mode": self.mode.name, **self.mode.options}
            if words == ["stats"]:
                return {"mode": self.mode.name, "accepted": self.store.accepted,
                        "distinct": len(self.store.counts), "connections": self.connections,
                        "open": self.open, "held": self.held, "logins": self.logins, "encrypted": self.encrypted,
                        "replies": self.replies, "rates": self.store.rates}
            if words == ["counts"]:
                return self.store.counts
            if words == ["forget"]:
                self.store.forget()
                self.replies = {}
                self.connections = self.logins = self.encrypted = 0
                return {"accepted": 0}
            raise ValueError(f"not understood: {line.strip()}")
        except ValueError as error:
            return {"error": str(error)}


class Session(SMTP):
    # The whole message is read at once; commands have a limit of their own.
    line_length_limit = MESSAGE_MAX

    def __init__(self, server, **options):
        self.server = server
        super().__init__(server, **options)

    def connection_made(self, transport):
        if self._original_transport is None:
            self.server.connections += 1
            self.server.open += 1
            raw = transport.get_extra_info("socket")
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)

    def connection_lost(self, error):
        if self.transport is not None:
            self.server.open -= 1
        super().connection_lost(error)

    async def push(self, status):
        code = status[:3].decode() if isinstance(status, bytes) else status[:3]
        self.server.replies[code] = self.server.replies.get(code, 0) + 1
        if self.transport is not None:
            await super().push(status)

    async def stage_is_over(self, stage, said=""):
        """What the mode does at this stage; True if it has answered in the command's place."""
        mode = self.server.mode
        if not mode.applies(stage, said):
            return False
        if mode.name == "drop":
            self.drop(mode.options["reset"])
            raise Drop()
        if mode.name in ("silent", "slow"):
            self.server.held += 1
            try:
                await asyncio.sleep(3600 if mode.name == "silent" else mode.options["seconds"])
            finally:
                self.server.held -= 1
        else:
            status = mode.reply()
            await self.push(status)
            if status.startswith("421") and self.transport is not None:
                self.transport.close()
            return True
        return False

    def drop(self, reset):
        if self.transport is None:
            return
        if reset:
            self.socket_option(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.transport.abort()

    def socket_option(self, level, option, value):
        if self.transport is not None:
            self.transport.get_extra_info("socket").setsockopt(level, option, value)

    def take(self, envelope, content):
        self.server.store.take(envelope, content)
        is_encrypted = self.transport and self.transport.get_extra_info("sslcontext")
        self.server.encrypted += is_encrypted is not None

    async def handle_exception(self, error):
        if isinstance(error, Drop):
            raise asyncio.CancelledError()
        return f"500 {type(error).__name__}: {error}".replace("\n", " ")

    async def _handle_client(self):
        try:
            if await self.stage_is_over("greeting"):
                self.transport.close()
                return
            await super()._handle_client()
        except (Drop, asyncio.CancelledError, ConnectionError, asyncio.IncompleteReadError):
            pass

    async def smtp_EHLO(self, hostname):
        if not await self.stage_is_over("ehlo"):
            await super().smtp_EHLO(hostname)

    async def smtp_AUTH(self, arg):
        if not await self.stage_is_over("auth"):
            await super().smtp_AUTH(arg)

    async def smtp_MAIL(self, arg):
        if not await self.stage_is_over("mail"):
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg):
        if not await self.stage_is_over("rcpt", arg or ""):
            await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg):
        if not self.envelope.rcpt_tos:
            await self.push("503 5.5.1 need RCPT")
            return
        if await self.stage_is_over("data"):
            return
        if self.server.mode.stage == "body":
            # What is written now leaves with the end of the connection, in one packet.
            self.socket_option(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        await self.push("354 end data with <CR><LF>.<CR><LF>")
        if await self.stage_is_over("body"):
            return
        self.socket_option(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        if self.server.mode.stage == "middle":
            await self._reader.readuntil(b"\r\n")
            if await self.stage_is_over("middle"):
                return
        # The end is CRLF "." CRLF, and the first CRLF may be that of the DATA command.
        self._reader._buffer[:0] = b"\r\n"
        raw = await self._reader.readuntil(b"\r\n.\r\n")
        envelope = self.envelope
        self._set_post_data_state()
        content = raw[2:-3].replace(b"\r\n.", b"\r\n")
        if content.startswith(b"."):
            content = content[1:]
        if max(map(len, content.split(b"\r\n"))) > LINE_MAX:
            await self.push("500 5.6.0 line too long (RFC 5322 2.1.1)")
            return
        if not envelope.smtp_utf8 and not content.partition(b"\r\n\r\n")[0].isascii():
            await self.push("554 5.6.7 header is not ASCII")
            return
        mode = self.server.mode
        if mode.stage != "dot" or mode.name not in ("reply", "throttle"):
            self.take(envelope, content)
            if await self.stage_is_over("dot"):
                return
        elif await self.stage_is_over("dot"):
            return
        else:
            self.take(envelope, content)
        await self.push("250 2.0.0 taken")


def make_certificate(folder):
    """DIR/cert.pem and DIR/key.pem: for localhost and 127.0.0.1, signed by itself."""
    os.makedirs(folder, exist_ok=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "30", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", os.path.join(folder, "key.pem"), "-out", os.path.join(folder, "cert.pem")],
        check=True, capture_output=True)


async def control(server, reader, writer):
    try:
        while line := await reader.readline():
            writer.write((json.dumps(server.command(line.decode())) + "\n").encode())
            await writer.drain()
    except (ConnectionError, ValueError):
        pass
    finally:
        writer.close()


async def serve(options):
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = Server(options)
    listener = await loop.create_server(
        server.session, options.host, options.port, backlog=1024, reuse_address=True,
        ssl=server.tls if options.smtps else None)
    print(listener.sockets[0].getsockname()[1], flush=True)
    if options.control_port is not None:
        controller = await asyncio.start_server(
            lambda reader, writer: control(server, reader, writer), "127.0.0.1",
            options.control_port)
        print("control", controller.sockets[0].getsockname()[1], flush=True)
    if options.stdin:
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

        async def commands():
            while line := await reader.readline():
                print(json.dumps(server.command(line.decode())), flush=True)
            stop.set()

        listening = asyncio.create_task(commands())
    await stop.wait()
    if options.stdin:
        listening.cancel()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--hostname", default="localhost", help="in the greeting")
    parser.add_argument("--store", metavar="DIR", help="a file per mail; without: counts only")
    parser.add_argument("--stdin", action="store_true", help="commands on stdin; ends with it")
    parser.add_argument("--control-port", type=int, metavar="PORT", help="0: a free one")
    parser.add_argument("--tls-cert", metavar="FILE")
    parser.add_argument("--tls-key", metavar="FILE")
    parser.add_argument("--tls-self-signed", metavar="DIR", help="makes cert.pem and key.pem there")
    parser.add_argument("--smtps", action="store_true", help="TLS from the first byte")
    parser.add_argument("--require-tls", action="store_true", help="530 before STARTTLS")
    parser.add_argument("--auth", metavar="USER:PASSWORD", help="530 without it")
    parser.add_argument("--auth-without-tls", action="store_true")
    parser.add_argument("--no-smtputf8", action="store_true")
    logging.getLogger("mail.log").setLevel(logging.CRITICAL + 1)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
