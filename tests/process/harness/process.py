"""Child processes that cannot outlive the test, with their output in files."""

import fcntl
import os
import pathlib
import random
import signal
import socket
import subprocess
import tempfile


def _ports():
    """Those that the kernel does not give to outgoing connections.

    A client that tries a port whose server is down must not be connected to itself, and no client
    of another test may hold the port of a server that starts.
    """
    low, high = map(int, pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    return range(10_000, low) if low > 12_000 else range(high + 1, 65_536)


PORTS = _ports()

_claims = []  # locks of the ports that this process has given out, held until it ends


def free_port():
    """A port that nothing listens on, and that no other test process is given while this one lives."""
    while True:
        port = random.choice(PORTS)
        try:
            claim = open(pathlib.Path(tempfile.gettempdir()) / f"loadstone-port-{port}.lock", "w")
        except OSError:  # another user's
            continue
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        return port


def spawn(command, log, user=None, stdout=None, stdin=subprocess.DEVNULL, env=None, cwd=None):
    """Starts a process that is killed with the thread that calls this: the main thread only."""
    wrapper = ["setpriv", "--pdeathsig", "KILL"]
    if user is not None and os.geteuid() == 0:
        wrapper += ["--reuid", user, "--regid", user, "--init-groups"]
    with open(log, "ab") as errors:
        return subprocess.Popen(wrapper + ["--"] + [str(word) for word in command], stdin=stdin,
                                stdout=stdout or errors, stderr=errors, env=env, cwd=cwd)


def end(process, timeout_s=10):
    """SIGTERM, and SIGKILL for one that does not heed it; gives the exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait(timeout_s)
