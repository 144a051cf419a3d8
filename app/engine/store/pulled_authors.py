"""Authors who are read by pull; `lua/50_pulled_authors.lua` says what is kept of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from ..models import PullReason
from ..settings import EngineSettings
from .client import Store
from .replies import pairs

Why = PullReason | Literal["returning"]


@dataclass(frozen=True, slots=True)
class PulledAuthor:
    """A pull author: the first held post, and why posts are held back."""

    author_id: int
    since: int
    releasing: bool
    why: Why


class PulledAuthors:
    """The list of pull authors, with a short-lived copy for the readers of this process.

    A copy may miss an author who became one in another process less than `cache_seconds` ago;
    such a post is late by that much for readers here, never wrong. What this process changes it
    sees at once: `forget` raises the generation, and a copy that was under way meanwhile is not
    kept.
    """

    def __init__(self, store: Store, cache_seconds: float, clock: Callable[[], float]) -> None:
        self._store = store
        self._keys = store.keys
        self._cache_seconds = cache_seconds
        self._clock = clock
        self._copy: frozenset[int] = frozenset()
        self._fresh_until = 0.0
        self._generation = 0
        self._lock = threading.Lock()

    def author_ids(self) -> frozenset[int]:
        """All pull authors, from the copy while it is fresh.

        A new copy serves all readers of this process, so it is not booked to one of them.
        """
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
        """All pull authors as they stand in the store; with `partial` without those on a Cluster's
        node that is away."""
        batch = self._store.batch()
        for shard in range(self._store.shards):
            batch.add("HGETALL", self._keys.pulled(shard))
        return [
            _pulled_author(int(author), value.decode())
            for reply in batch.run(partial=partial)
            for author, value in pairs(reply or ())
        ]

    def get(self, author: int) -> PulledAuthor | None:
        """One author's entry."""
        value = self._store.command("HGET", self._keys.pulled(self._keys.shard(author)), author)
        return None if value is None else _pulled_author(author, value.decode())

    def release(self, author: int, counts: Sequence[int], settings: EngineSettings) -> bool:
        """Queues the delivery of held posts: of the oldest as many as fit under the backlog's high
        mark, one at least. False: nothing to do, or no room in the backlog."""
        released = self._store.call(
            "release",
            self._keys.pulled(self._keys.shard(author)),
            self._keys.tag(author),
            author,
            sum(counts),
            ",".join(map(str, counts)),
            settings.backlog_low,
            settings.backlog_high,
            settings.backlog_limit,
        )
        return bool(released)


def _pulled_author(author: int, value: str) -> PulledAuthor:
    since, last, _, why = value.split(",")
    return PulledAuthor(author, int(since), last != "0", cast("Why", why))
