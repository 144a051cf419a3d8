"""A job that a worker is at."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Set
from dataclasses import dataclass, field

from ..store.job_records import Cursor, Job, Progress


@dataclass(slots=True)
class OpenJob:
    """A job this worker is at. `shards` are those whose walk is not over; `planned` is what the
    turn that is being put together already asks of each, in followers."""

    job: Job
    posts: list[int]
    cursors: dict[int, Cursor]
    shards: deque[int]
    next_heartbeat: float
    planned: Counter[int] = field(default_factory=Counter)

    def slice(
        self, size: int, *, spread: bool, away: Set[int] = frozenset()
    ) -> Iterator[tuple[int, int]]:
        """Up to `size` followers that are not planned yet and live on no shard that is away, as
        (shard, followers).

        With `spread` each chunk goes to another shard, so that no node of a Cluster idles. Without
        it a shard is walked to its end: its timelines were made together and lie close in memory,
        which is worth about a tenth (row 5 of the bench).
        """
        for _ in range(len(self.shards)):
            shard = self.shards[0]
            part = min(size, self.cursors[shard].remaining - self.planned[shard])
            if part > 0 and shard not in away:
                self.planned[shard] += part
                size -= part
                yield shard, part
            if spread or size > 0:
                self.shards.rotate(-1)
            if size <= 0:
                return

    def progress(self) -> Progress:
        """The sums, counted in deliveries: followers times posts."""
        posts = max(1, len(self.posts))
        delivered = sum(cursor.delivered for cursor in self.cursors.values()) * posts
        skipped = sum(cursor.skipped for cursor in self.cursors.values()) * posts
        return Progress(delivered + skipped, delivered, skipped, posts)
