"""Packs lists of numbers for the server functions of `lua/90_bulk.lua`."""

from collections.abc import Iterator

import numpy as np
import orjson
from numpy.typing import NDArray

from app.datasets.draws import Ids

LONGEST = 2_000
"""Values in one RPUSH or SADD: Lua can hand over fewer than 8,000 at once."""
PER_CALL = 4_000
"""Numbers in one call, about 2 ms of the server's time. Four times as many are slower."""


def packed(numbers: NDArray[np.integer]) -> bytes:
    """The numbers as a JSON array."""
    return orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY)


def grouped(owners: Ids, values: Ids, size: int = PER_CALL) -> Iterator[tuple[bytes, int]]:
    """Packs `owners[i]` has `values[i]` (sorted by owner) into texts of about `size` numbers.

    Yields (text, values in it). A text reads: owner, count, value * count, owner, count, ...;
    an owner with more than LONGEST values appears again with the rest.
    """
    if not len(owners):
        return
    changes = np.concatenate([[True], owners[1:] != owners[:-1]])
    at = np.arange(len(owners))
    within = at - np.maximum.accumulate(np.where(changes, at, 0))
    firsts = np.flatnonzero(within % LONGEST == 0)
    lengths = np.diff(np.append(firsts, len(owners)))
    heads = np.column_stack([owners[firsts], lengths]).ravel()
    stream = np.insert(values, np.repeat(firsts, 2), heads)
    ends = np.cumsum(lengths + 2)
    first = start = 0
    while first < len(ends):
        # As many whole groups as fit, but at least one.
        last = max(first, int(np.searchsorted(ends, start + size, side="right")) - 1)
        yield packed(stream[start : ends[last]]), int(lengths[first : last + 1].sum())
        first, start = last + 1, ends[last]
