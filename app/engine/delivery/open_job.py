"""A job that a worker has open."""

from collections import Counter, deque
from collections.abc import Set
from dataclasses import dataclass, field

from ..store.chunks import Chunk
from ..store.job_records import Cursor, Job, Progress


@dataclass(slots=True)
class OpenJob:
    """An open job, and how far it is. `shards` are those with followers remaining; `planned` are
    the followers that the iteration being put together already takes from each."""

    job: Job
    posts: list[int]
    cursors: dict[int, Cursor]
    shards: deque[int]
    next_heartbeat: float
    planned: Counter[int] = field(default_factory=Counter)

    def next_chunks(
        self, deliveries: int, *, spread: bool, away: Set[int] = frozenset()
    ) -> list[Chunk]:
        """Chunks of about so many deliveries together, for followers that are not planned yet and
        live on no shard that is `away`. A follower gets all posts at once.

        With `spread` each call begins on another shard, so that no node of a Cluster idles. Without
        it a shard is finished first: its timelines were made together and lie close in memory,
        which is worth about a tenth (row 5 of the bench).
        """
        wanted = max(1, deliveries // max(1, len(self.posts)))
        chunks = []
        for _ in range(len(self.shards)):
            shard = self.shards[0]
            followers = min(wanted, self.cursors[shard].remaining - self.planned[shard])
            if followers > 0 and shard not in away:
                self.planned[shard] += followers
                wanted -= followers
                chunks.append(Chunk(self.job, shard, followers, self.posts))
            if spread or wanted > 0:
                self.shards.rotate(-1)
            if wanted <= 0:
                break
        return chunks

    def advance(self, shard: int, cursor: Cursor) -> None:
        """Notes how far the job is on a shard."""
        self.cursors[shard] = cursor
        if cursor.remaining == 0 and shard in self.shards:
            self.shards.remove(shard)

    def progress(self) -> Progress:
        """The sums over all shards, in deliveries: followers times posts."""
        posts = max(1, len(self.posts))
        delivered = sum(cursor.delivered for cursor in self.cursors.values()) * posts
        skipped = sum(cursor.skipped for cursor in self.cursors.values()) * posts
        return Progress(delivered, skipped, posts)
