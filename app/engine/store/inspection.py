"""What health checks, figures and pages ask of the store itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import redis
from typing_extensions import TypedDict

from .client import Store

PRELOADED = {"libjemalloc": "jemalloc", "libtbbmalloc_proxy": "tbbmalloc"}
"""The libraries that ./start.sh preloads into its server, and the allocators in them."""
LENGTHS = {"string": "STRLEN", "list": "LLEN", "set": "SCARD", "hash": "HLEN", "stream": "XLEN"}
"""The command that tells a key's length, by the key's type."""


class Server(TypedDict):
    """The store's server and its allocator. The memory is None where it may not be asked."""

    mode: Literal["single", "cluster"]
    server: str
    allocator: str
    memory_bytes: int | None


def read_server(store: Store) -> Server:
    """Name, version, allocators and memory of all nodes that answer. Raises `StoreDown`."""
    try:
        nodes = store.everywhere("INFO")
    except redis.ResponseError:
        unknown = "unknown"
        return {"mode": "single", "server": unknown, "allocator": unknown, "memory_bytes": None}
    name = "valkey" if "valkey_version" in nodes[0] else "redis"
    return {
        "mode": "cluster" if store.is_cluster else "single",
        "server": f"{name} {nodes[0].get(f'{name}_version', '?')}",
        "allocator": ", ".join(sorted({allocator(node) for node in nodes})),
        "memory_bytes": sum(int(node.get("used_memory", 0)) for node in nodes),
    }


def allocator(info: dict[str, Any]) -> str:
    """The memory allocator of the server that answered INFO with `info`.

    INFO names the one that the server was built for. A preloaded library that takes the place of
    libc's is found where the server's process can be seen; in a container or on another machine its
    process id is another program's.
    """
    named = str(info.get("mem_allocator", "unknown"))
    process = Path(f"/proc/{info.get('process_id')}")
    try:
        if named != "libc" or not (process / "exe").samefile(info.get("executable", "")):
            return named
        maps = (process / "maps").read_text()
    except OSError:
        return named
    seen = (f"{name} (preloaded)" for library, name in PRELOADED.items() if f"/{library}." in maps)
    return next(seen, named)


def key_lengths(store: Store, keys: Sequence[tuple[str, str]]) -> list[int | None]:
    """The length of each key, given as (name, type): elements, or bytes of a string; None where
    there is no such key. One round trip. Raises `StoreDown`."""
    batch = store.batch()
    for name, kind in keys:
        batch.add("EXISTS", name)
        batch.add(LENGTHS[kind], name)
    replies = batch.run()
    return [
        length if there else None for there, length in zip(replies[::2], replies[1::2], strict=True)
    ]


def require_writable(store: Store) -> None:
    """Raises `StoreFull` when a server takes no writes, `StoreDown` when one does not answer."""
    batch = store.batch()
    for key in (store.keys.control, *(store.keys.jobs(shards[0]) for shards in store.groups)):
        batch.call("writable", key)
    batch.run()
