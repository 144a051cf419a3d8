"""A job that a worker has open."""

from collections import Counter, deque
from collections.abc import Set
from dataclasses import dataclass, field

from ..store.chunks import Chunk, Delivered
from ..store.job_records import Cursor, Job, Progress


@dataclass(slots=True)
class OpenJob:
    """An open job, and how far it is. `shards` are those with followers remaining; `planned` are
    the followers that the iteration being put together already takes from each. `first`: it was
    reclaimed and gets a chunk at once, since a reclaim without progress counts against it."""

    job: Job
    posts: list[int]
    cursors: dict[int, Cursor]
    shards: deque[int]
    next_heartbeat: float
    first: bool = False
    planned: Counter[int] = field(default_factory=Counter)

    def order(self) -> tuple[bool, int]:
        """Sorts the jobs of an author: reclaimed ones, then the oldest."""
        return not self.first, self.job.id

    def next_chunks(self, deliveries: int, *, away: Set[int] = frozenset()) -> list[Chunk]:
        """Chunks of about so many deliveries together, for followers that are not planned yet and
        live on no shard that is `away`. A follower gets all posts at once. Each call begins on
        another shard: several are under way at once, and no node of a Cluster idles.
        """
        wanted = max(1, deliveries // max(1, len(self.posts)))
        chunks = []
        for _ in range(len(self.shards)):
            shard = self.shards[0]
            self.shards.rotate(-1)
            now = self.cursors[shard]
            remaining = now.remaining - self.planned[shard]
            followers = min(wanted, remaining)
            if followers > 0 and shard not in away:
                self.planned[shard] += followers
                wanted -= followers
                cursor = Cursor(remaining, now.delivered, now.skipped)
                chunks.append(Chunk(self.job, shard, followers, self.posts, cursor))
                self.first = False
            if wanted <= 0:
                break
        return chunks

    def advance(self, shard: int, answer: Delivered) -> None:
        """Notes how far the job is on a shard. While nobody else moves the cursor the counts here
        are exact; those in the store may take dormant followers of one chunk for delivered."""
        before, cursor = self.cursors[shard], answer.cursor
        posts = max(1, len(self.posts))
        delivered, skipped = answer.delivered // posts, answer.skipped // posts
        if before.remaining - delivered - skipped == cursor.remaining:
            cursor = Cursor(
                cursor.remaining, before.delivered + delivered, before.skipped + skipped
            )
        self.cursors[shard] = cursor
        if cursor.remaining == 0 and shard in self.shards:
            self.shards.remove(shard)

    def progress(self) -> Progress:
        """The sums over all shards, in deliveries: followers times posts."""
        posts = max(1, len(self.posts))
        delivered = sum(cursor.delivered for cursor in self.cursors.values()) * posts
        skipped = sum(cursor.skipped for cursor in self.cursors.values()) * posts
        return Progress(delivered, skipped, posts)
