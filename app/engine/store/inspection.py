"""What only health checks and a page about the store ask of it."""

from collections.abc import Sequence

from .client import Store

LENGTH_COMMANDS = {
    "string": "STRLEN",
    "list": "LLEN",
    "set": "SCARD",
    "hash": "HLEN",
    "stream": "XLEN",
}


def key_lengths(store: Store, keys: Sequence[tuple[str, str]]) -> list[int | None]:
    """The length of each key, given as (name, type): elements, or bytes of a string; None where
    there is no such key. One round trip. Raises `StoreDown`."""
    batch = store.batch()
    for name, kind in keys:
        batch.add("EXISTS", name)
        batch.add(LENGTH_COMMANDS[kind], name)
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
