"""Processes on free ports of loopback: choosing ports, starting, waiting, ending.

The bench and the tests share this module and `servers.py`. They lie in the bench, since tests may
import the bench, and the bench imports no tests.
"""

import contextlib
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GUNICORN = ("-m", "gunicorn", "-c", "config/gunicorn.conf.py")
WEB = (*GUNICORN, "app.main:create_app()")
WORKER = ("-m", "flask", "--app", "app.main", "worker")
"""Arguments of Python, from the checkout's folder."""

CLUSTER_BUS_OFFSET = 10_000
"""A Cluster's node listens on its port and on one that lies so much higher."""

_FIRST_PORT, _LAST_PORT = 12_000, 21_999
"""With their bus ports all lie below the ports that systems give to outgoing connections."""

_ports = iter(
    random.SystemRandom().sample(range(_FIRST_PORT, _LAST_PORT + 1), _LAST_PORT - _FIRST_PORT + 1)
)

Process = subprocess.Popen[bytes]


def free_port() -> int:
    """A port that nobody listens on, nor on its bus port; each is given once by this process."""
    return next(port for port in _ports if _is_free(port) and _is_free(port + CLUSTER_BUS_OFFSET))


def _is_free(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return True
    return False


def listens(port: int) -> bool:
    """Whether somebody listens on the port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def wait_until(
    condition: Callable[[], object], seconds: float, what: str | Callable[[], str]
) -> float:
    """Returns once the condition holds, with the seconds that took.

    Raises TimeoutError after `seconds`; `what` says what was waited for.
    """
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > seconds:
            raise TimeoutError(f"not in {seconds} s: {what if isinstance(what, str) else what()}")
        time.sleep(0.02)
    return time.monotonic() - begun


def end(*processes: Process, seconds: float = 15) -> None:
    """Ends the processes with SIGTERM, and kills what is still there after `seconds`."""
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def python(*arguments: str, **environment: str) -> Iterator[Process]:
    """A Python process in the checkout for as long as the block lasts."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        end(process)
