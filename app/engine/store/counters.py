"""Counters and latency buckets, summed in the store over all processes.

A process counts in memory and sends its counts twice a second; a killed one loses no more. A count
may come late, and never twice: what got no answer is sent again under its old number. Each goes
into a total since the dataset was loaded and into a slice of time; the last slices are the window.
"""

import secrets
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

from ..errors import StoreDown
from ..histogram import bucket_of
from .batch import Batch
from .client import Store
from .failures import Refused
from .replies import pairs

SLICE_SECONDS = 5
WINDOW_SLICES = 12
WINDOW_SECONDS = SLICE_SECONDS * WINDOW_SLICES
SLICE_KEPT_SECONDS = 2 * WINDOW_SECONDS
ACTIVE_MINUTES = 5
FLUSH_SECONDS = 0.5
FLUSH_PATIENCE_SECONDS = 0.1
"""How long a thread waits for another one's flush; while the store answers it takes far less."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What the store has summed up: values by the counters' names. `recent` is of the last two
    slices, which cover `recent_seconds`."""

    total: dict[str, int]
    window: dict[str, int]
    recent: dict[str, int]
    recent_seconds: float
    active_users: int


class Metrics:
    """This process's counts, and everybody's sums. Safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._seen: set[int] = set()
        self._process, self._number = secrets.token_hex(8), 0
        self._unsent: tuple[Counter[str], set[int]] = Counter(), set()  # of that number
        self._flushing, self._next_flush = threading.Lock(), 0.0
        self._offset = time.time() - time.monotonic()
        self._flusher: threading.Thread | None = None

    def add(self, name: str, amount: int = 1) -> None:
        """Raises a counter."""
        with self._lock:
            self._counts[name] += amount

    def time(self, operation: str, strategy: str, seconds: float) -> None:
        """Counts a duration of an operation (accept, lag, feed) under its strategy."""
        with self._lock:
            self._counts[f"{operation}:{strategy}:{bucket_of(seconds)}"] += 1
            self._counts[f"{operation}:{strategy}:sum_us"] += int(seconds * 1e6)

    def cost(self, name: str, times: int, nanoseconds: int) -> None:
        """Counts that something was done so many times in so long, to know what one costs."""
        with self._lock:
            self._counts[f"cost:{name}"] += times
            self._counts[f"cost:{name}_ns"] += nanoseconds

    def seen(self, user_id: int) -> None:
        """Notes that the user posted or read."""
        with self._lock:
            self._seen.add(user_id)

    def flush(self, *, force: bool = False) -> None:
        """Adds the counts to the store when it is time to. Raises `StoreDown` and keeps them. What
        may have arrived is sent again before anything new. A thread that has been flushing for
        FLUSH_PATIENCE_SECONDS does it alone."""
        if not force and time.monotonic() < self._next_flush:
            return
        if not self._flushing.acquire(timeout=FLUSH_PATIENCE_SECONDS):
            return
        try:
            self._next_flush = time.monotonic() + FLUSH_SECONDS
            self._send()
            with self._lock:
                self._unsent = self._counts, self._seen
                self._counts, self._seen = Counter(), set()
            self._number += 1
            self._send()
        finally:
            self._flushing.release()

    def flush_in_background(self) -> None:
        """Starts a thread that flushes for as long as the process lives; once is enough."""
        if self._flusher is None:
            self._flusher = threading.Thread(target=self._flush_for_ever, daemon=True)
            self._flusher.start()

    def _flush_for_ever(self) -> None:
        while True:
            time.sleep(FLUSH_SECONDS)
            with suppress(StoreDown, Refused):  # the counts wait until the store takes them
                self.flush(force=True)

    def _send(self) -> None:
        counts, seen = self._unsent
        if not counts and not seen:
            return
        now, keys, batch = time.time(), self._store.keys, self._store.batch()
        self._drop_future(batch, now)
        if seen:
            minute = keys.active_users(int(now // 60))
            batch.call("seen", minute, 60 * (ACTIVE_MINUTES + 1), *seen)
        current = keys.metrics_slice(int(now // SLICE_SECONDS)), SLICE_KEPT_SECONDS
        flushed = keys.metrics_flushed(self._process), self._number
        batch.call("count", keys.metrics_total, *current, *flushed, *chain(*counts.items()))
        batch.run()
        self._unsent = Counter(), set()

    def _drop_future(self, batch: Batch, now: float) -> None:
        """After the clock was set back, deletes what was counted for times that now come again."""
        before, self._offset = self._offset, now - time.monotonic()
        latest = int((now + before - self._offset) // SLICE_SECONDS)
        current = int(now // SLICE_SECONDS)
        if latest > current + 1:
            oldest = max(current + 1, latest - SLICE_KEPT_SECONDS // SLICE_SECONDS)
            batch.add("DEL", *map(self._store.keys.metrics_slice, range(oldest, latest + 1)))

    def read(self) -> Counts:
        """The sums over all processes."""
        now, keys, batch = time.time(), self._store.keys, self._store.batch()
        latest, minute = int(now // SLICE_SECONDS), int(now // 60)
        batch.add("HGETALL", keys.metrics_total)
        for number in range(latest, latest - WINDOW_SLICES, -1):
            batch.add("HGETALL", keys.metrics_slice(number))
        batch.add("PFCOUNT", *(keys.active_users(minute - i) for i in range(ACTIVE_MINUTES)))
        *replies, active = batch.run()
        tables = [{name.decode(): int(n) for name, n in pairs(reply)} for reply in replies]
        total, *slices = tables
        recent_seconds = now % SLICE_SECONDS + SLICE_SECONDS
        return Counts(total, _sum(slices), _sum(slices[:2]), recent_seconds, int(active))


def buckets(table: dict[str, int], operation: str, strategy: str) -> dict[int, int]:
    """The latency buckets of one operation and strategy."""
    prefix = f"{operation}:{strategy}:"
    found = {name[len(prefix) :]: n for name, n in table.items() if name.startswith(prefix)}
    found.pop("sum_us", None)
    return {int(bucket): count for bucket, count in found.items()}


def _sum(tables: list[dict[str, int]]) -> dict[str, int]:
    return sum(map(Counter, tables), Counter())
