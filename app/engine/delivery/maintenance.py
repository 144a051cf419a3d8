"""What workers do now and then besides delivering."""

import time

from ..store.data import Data

SWEEP_SECONDS = 1.0
"""Between two looks for lost jobs."""
FORGET_SECONDS = 10.0
"""Between two looks for consumers that died."""


class Maintenance:
    """Finds jobs whose stream entry is gone; removes the streams' consumers that died. Both are
    harmless to repeat, so every worker does it and none needs to be elected."""

    def __init__(self, data: Data) -> None:
        self._data = data
        self._cursors = [0] * data.store.shards
        self._next_sweep = 0.0
        self._next_forget = 0.0

    def run(self) -> int:
        """Does what is due. Returns how many jobs were queued again. Raises `StoreDown`."""
        now = time.monotonic()
        found = 0
        if now >= self._next_sweep:
            self._next_sweep = now + SWEEP_SECONDS
            found = self._data.jobs.sweep(self._cursors)
        if now >= self._next_forget:
            self._next_forget = now + FORGET_SECONDS
            self._data.jobs.forget_workers(worker.name for worker in self._data.workers.live())
        return found
