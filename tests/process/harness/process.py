"""Child processes that cannot outlive the test, with their output in files."""

import os
import random
import signal
import socket
import subprocess

# Below what the kernel gives to outgoing connections: a client that tries a port whose server is
# down must not be connected to itself.
PORTS = range(20_000, 32_000)


def free_port():
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


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
