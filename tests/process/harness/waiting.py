"""Waits for a condition, never for a time."""

import time

POLL_EVERY_S = 0.02


class TimedOut(AssertionError):
    pass


def wait_until(condition, timeout_s, what):
    """Gives the first true value of condition(); TimedOut names `what` and the last value."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise TimedOut(f"waited {timeout_s:g} s for {what}; at the end: {value!r}")
        time.sleep(POLL_EVERY_S)
