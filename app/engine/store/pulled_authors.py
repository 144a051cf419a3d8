"""Authors who are read by pull; `lua/50_pulled_authors.lua` says what is kept of them."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import orjson

from ..models import PullReason
from ..settings import EngineSettings
from .client import Store
from .replies import pairs

Why = PullReason | Literal["returning"]


@dataclass(frozen=True, slots=True)
class PulledAuthor:
    """A pulled author: the first deferred post, and why posts are deferred."""

    author_id: int
    since: int
    releasing: bool
    why: Why


class PulledAuthors:
    """The pulled authors, with a short-lived copy for the readers of this process.

    Readers here get the posts of an author whom another process added late by `cache_seconds` at
    most. What this process changes it sees at once: `forget` raises the generation, and a copy that
    was being fetched meanwhile is not kept.
    """

    def __init__(self, store: Store, cache_seconds: float, clock: Callable[[], float]) -> None:
        self._store, self._keys = store, store.keys
        self._cache_seconds, self._clock = cache_seconds, clock
        self._copy: frozenset[int] = frozenset()
        self._fresh_until = 0.0
        self._generation = 0
        self._lock = threading.Lock()

    def author_ids(self) -> frozenset[int]:
        """All pulled authors, from the copy while it is fresh. Fetching one is not metered: it
        serves all readers of this process."""
        with self._lock:
            now, generation = self._clock(), self._generation
            if now < self._fresh_until:
                return self._copy
        with self._store.meter.off():
            copy = frozenset(row.author_id for row in self.all())
        with self._lock:
            if generation == self._generation:
                self._copy, self._fresh_until = copy, now + self._cache_seconds
        return copy

    def forget(self) -> None:
        """Drops the copy: this process has just changed the list."""
        with self._lock:
            self._generation += 1
            self._fresh_until = 0.0

    def all(self, *, partial: bool = False) -> list[PulledAuthor]:
        """All pulled authors as they stand in the store; with `partial` without those on a
        Cluster's node that is away."""
        names = map(self._keys.pulled, range(self._store.shards))
        replies = self._store.run([("HGETALL", name) for name in names], partial=partial)
        return [_pulled_author(*row) for reply in replies for row in pairs(reply or ())]

    def release(self, author: int, counts: Sequence[int], settings: EngineSettings) -> bool:
        """Queues the delivery of deferred posts: of the oldest as many as fit under the backlog's
        high mark, one at least. False: nothing to do, or the backlog has no headroom."""
        options = {
            "recipients": sum(counts),
            "counts": ",".join(map(str, counts)),
            "low": settings.backlog_low,
            "high": settings.backlog_high,
            "limit": settings.backlog_limit,
        }
        key = self._keys.pulled(author % self._keys.shards)
        args = (self._keys.tag(author), author, orjson.dumps(options))
        return bool(self._store.call("release", key, *args))


def _pulled_author(author: bytes, value: bytes) -> PulledAuthor:
    since, last, _, why = value.decode().split(",")
    return PulledAuthor(int(author), int(since), last != "0", cast("Why", why))
