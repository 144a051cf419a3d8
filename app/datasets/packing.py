"""Packs lists of numbers for the scripts of `lua/90_bulk.lua`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from app.datasets.draws import Ids

LONGEST = 2_000
"""Values in one RPUSH or SADD: Lua can hand over fewer than 8,000 at once."""

PER_CALL = 4_000
"""Numbers in one script call, about 2 ms of the server's time. Four times as many are slower."""


def packed(numbers: NDArray[np.integer]) -> bytes:
    """Four bytes for each number, the lowest first; zeros up to a multiple of 16 bytes."""
    text = numbers.astype("<u4").tobytes()
    return text + bytes(-len(text) % 16)


def parts(numbers: Ids, size: int = PER_CALL) -> Iterator[Ids]:
    """The numbers, `size` at a time."""
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


def grouped(owners: Ids, values: Ids, size: int = PER_CALL) -> Iterator[tuple[bytes, int]]:
    """Packs `owners[i]` has `values[i]` (sorted by owner) into texts of about `size` numbers.

    Yields (text, values in it). A text reads: owner, count, value * count, owner, count, ...;
    an owner with more than LONGEST values appears again with the rest.
    """
    total = len(owners)
    if not total:
        return
    firsts = np.flatnonzero(np.concatenate([[True], owners[1:] != owners[:-1]]))
    lengths = np.diff(np.append(firsts, total))
    within = np.arange(total) - np.repeat(firsts, lengths)
    firsts = np.flatnonzero(within % LONGEST == 0)
    lengths = np.diff(np.append(firsts, total))

    heads = firsts + 2 * np.arange(len(firsts))
    stream = np.empty(total + 2 * len(firsts), dtype=np.uint32)
    is_value = np.ones(len(stream), dtype=bool)
    is_value[heads] = is_value[heads + 1] = False
    stream[heads] = owners[firsts]
    stream[heads + 1] = lengths
    stream[is_value] = values

    ends = np.append(heads[1:], len(stream))
    first = 0
    while first < len(heads):
        start = heads[first]
        # As many whole groups as fit, but at least one.
        last = max(first, int(np.searchsorted(ends, start + size, side="right")) - 1)
        yield packed(stream[start : ends[last]]), int(lengths[first : last + 1].sum())
        first = last + 1
