"""What workers do now and then besides delivering."""

from __future__ import annotations

import time

from ..store.jobs import Jobs
from ..store.workers import WorkerRegistry

SWEEP_SECONDS = 1.0
FORGET_SECONDS = 10.0


class Maintenance:
    """Finds jobs whose stream entry is gone; forgets the streams' readers that died.

    Every worker does it: both are harmless to repeat, and no one needs to be elected.
    """

    def __init__(self, jobs: Jobs, workers: WorkerRegistry, shards: int) -> None:
        self._jobs = jobs
        self._workers = workers
        self._cursors = [0] * shards
        self._next_sweep = 0.0
        self._next_forget = 0.0

    def run(self) -> int:
        """Does what is due. Returns how many jobs were queued anew. Raises `StoreDown`."""
        now = time.monotonic()
        found = 0
        if now >= self._next_sweep:
            self._next_sweep = now + SWEEP_SECONDS
            found = self._jobs.sweep(self._cursors)
        if now >= self._next_forget:
            self._next_forget = now + FORGET_SECONDS
            self._jobs.forget_workers(worker.name for worker in self._workers.live())
        return found
