"""Which allocator a server runs on: what INFO says, and what is seen in its process."""

import os
import platform
import sys
from contextlib import closing

import pytest
import redis

from app.engine.store.inspection import allocator
from bench import servers


def test_a_server_with_an_allocator_of_its_own_is_believed() -> None:
    assert allocator({"mem_allocator": "jemalloc-5.3.0"}) == "jemalloc-5.3.0"
    assert allocator({}) == "unknown"


@pytest.mark.parametrize(
    "seen",
    [
        {"process_id": os.getpid(), "executable": sys.executable},
        {"process_id": os.getpid(), "executable": "/data/valkey-server"},
        {"process_id": 2**30, "executable": sys.executable},
        {},
    ],
    ids=["nothing preloaded", "another program's number", "on another machine", "not told"],
)
def test_nothing_is_claimed_that_is_not_seen(seen: dict[str, object]) -> None:
    assert allocator({"mem_allocator": "libc"} | seen) == "libc"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("valkey-libc", "libc"),
        ("valkey-jemalloc", "jemalloc (preloaded)"),
        ("valkey-tbb", "tbbmalloc (preloaded)"),
    ],
)
def test_a_preloaded_allocator_is_seen(kind: str, said: str) -> None:
    try:
        with servers.server(kind=kind) as port, closing(redis.Redis(port=port)) as client:
            assert client.info()["mem_allocator"] == "libc"
            assert allocator(client.info()) == said
    except servers.Missing as reason:
        assert kind == "valkey-jemalloc" or platform.machine() != "x86_64"
        pytest.skip(str(reason))
