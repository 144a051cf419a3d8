"""What the store's server tells of itself."""

from typing import Literal

import redis
from typing_extensions import TypedDict

from .allocator import allocator
from .client import Store


class Server(TypedDict):
    """The store's server and its allocator. The memory is None where it may not be asked."""

    mode: Literal["single", "cluster"]
    server: str
    allocator: str
    memory_bytes: int | None


def read_server(store: Store) -> Server:
    """Name, version, allocators and memory, summed over a Cluster's nodes that answer.

    Raises `StoreDown`."""
    try:
        nodes = store.everywhere("INFO")
    except redis.ResponseError:
        unknown = "unknown"
        return {"mode": "single", "server": unknown, "allocator": unknown, "memory_bytes": None}
    first = nodes[0]
    name = "valkey" if "valkey_version" in first else "redis"
    return {
        "mode": "cluster" if store.is_cluster else "single",
        "server": f"{name} {first.get(f'{name}_version', '?')}",
        "allocator": ", ".join(sorted({allocator(node) for node in nodes})),
        "memory_bytes": sum(int(node.get("used_memory", 0)) for node in nodes),
    }
