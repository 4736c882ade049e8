"""A program in a terminal, as far as `jobs watch` uses one: what it writes is a screen, what it does not know fails."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

from .campus import environment

SEQUENCE = re.compile(r"\x1b\[(\??)(\d*)([A-Za-z])")
KNOWN_MODES = {"1049", "25", "7"}  # own screen, cursor, wrapping
READ_MAX = 1 << 16


class Terminal:
    def __init__(self, program, *words, width=100, height=24, cwd=None):
        self.master, slave = pty.openpty()
        self.width, self.height, self.frames = width, height, 0
        self.resize(width, height)
        self.before = termios.tcgetattr(self.master)
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            for descriptor in (0, 1, 2):
                os.dup2(slave, descriptor)
            os.chdir(cwd or "/")
            os.execve(program, [str(program), *map(str, words)], environment())
        os.close(slave)
        self.status = None
        self.rest = ""
        self.modes = {}
        self.lines = {}
        self.row = self.column = 0
        self.text = ""  # what was written outside its own screen

    def resize(self, width, height):
        """What is written of the size before may still be on its way: this frame, and one behind it."""
        self.size_before, self.before_until = (self.width, self.height), self.frames + 1
        self.width, self.height = width, height
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def press(self, keys):
        os.write(self.master, keys.encode())

    def signal(self, number):
        os.kill(self.pid, number)

    @property
    def screen(self):
        return "\n".join(self.lines.get(row, "").rstrip() for row in range(self.height))

    def wait_for(self, condition, timeout_s, what):
        """Until condition(self), looked at as often as something is written."""
        deadline = time.monotonic() + timeout_s
        while not condition(self):
            left = deadline - time.monotonic()
            assert left > 0, f"waited {timeout_s} s for {what}; the screen:\n{self.screen}"
            assert self.read(min(left, 0.1)), f"it ended before {what}: {self.text}"
        return self

    def read(self, timeout_s):
        """False: its end is reached."""
        if not select.select([self.master], [], [], timeout_s)[0]:
            return True
        try:
            data = os.read(self.master, READ_MAX)
        except OSError:  # the other end is closed
            return False
        self.take(data.decode(errors="replace"))
        return bool(data)

    def ended(self, timeout_s=15):
        """Its exit status; of a signal, the negative number."""
        deadline = time.monotonic() + timeout_s
        while self.read(0.05) and time.monotonic() < deadline:
            pass
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = None
                return os.waitstatus_to_exitcode(status)
            self.read(0.05)
        raise AssertionError(f"it has not ended in {timeout_s} s")

    def close(self):
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)

    def is_as_before(self):
        return termios.tcgetattr(self.master) == self.before and all(
            self.modes.get(mode, usual) == usual for mode, usual in (("1049", False), ("25", True), ("7", True)))

    def take(self, text):
        text = self.rest + text
        self.rest = ""
        at = 0
        while at < len(text):
            if text[at] == "\x1b":
                found = SEQUENCE.match(text, at)
                if not found:
                    assert len(text) - at < 12, f"not a known sequence: {text[at:at + 12]!r}"
                    self.rest = text[at:]
                    return
                self.obey(*found.groups())
                at = found.end()
                continue
            self.put(text[at])
            at += 1

    def obey(self, private, number, command):
        if private:
            assert number in KNOWN_MODES and command in "hl", f"mode {number}{command}"
            self.modes[number] = command == "h"
        elif command == "H":
            self.row = self.column = 0
            self.frames += 1
        elif command == "K" and not number:
            self.lines[self.row] = self.lines.get(self.row, "")[:self.column]
        elif command == "J":
            for row in [row for row in self.lines if number or row > self.row]:
                del self.lines[row]
        else:
            raise AssertionError(f"sequence {number}{command}")

    def bound(self, axis):
        size = (self.width, self.height)[axis]
        return max(size, self.size_before[axis]) if self.frames <= self.before_until else size

    def put(self, character):
        if not self.modes.get("1049"):
            self.text += character
        elif character == "\r":
            self.column = 0
        elif character == "\n":
            self.row += 1
            assert self.row < self.bound(1), "it would scroll"
        else:
            assert character.isprintable(), f"control character {character!r}"
            assert self.column < self.bound(0), "a line is too wide"
            line = self.lines.get(self.row, "").ljust(self.column)
            self.lines[self.row] = line[:self.column] + character + line[self.column + 1:]
            self.column += 1
