"""Random numbers that are the same for a seed on every machine and with every numpy.

numpy promises the raw 64-bit stream of its bit generators for ever, but not what its `Generator`
makes of it. So what is needed here is made from the raw stream, in whole numbers only.
"""

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Ids = NDArray[np.int32]
"""User ids or their indices; all are below `MAX_USER_ID`."""


class Draws:
    """A stream of random whole numbers, started by a seed."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def raw(self, count: int) -> NDArray[np.uint64]:
        """`count` numbers of 64 random bits."""
        return np.asarray(self._bits.random_raw(count), dtype=np.uint64)

    def below(self, limit: int, count: int) -> Numbers:
        """`count` numbers in [0, limit), for limits up to 2**31; raises `ValueError` for others.

        The upper half of 32 random bits times the limit (Lemire, "Fast Random Integer Generation
        in an Interval", 2019, without its rejection step: the bias is below limit / 2**32).
        """
        if not 0 < limit <= 2**31:
            raise ValueError(f"a limit lies between 1 and 2**31, not at {limit}")
        high = self.raw(count) >> np.uint64(32)
        return ((high * np.uint64(limit)) >> np.uint64(32)).astype(np.int64)

    def shuffled(self, count: int) -> Numbers:
        """The numbers 0..count-1 in random order."""
        return np.argsort(self.raw(count), kind="stable")
