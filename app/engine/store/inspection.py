"""A read that only a page about the store needs: keys as they stand."""

from __future__ import annotations

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
