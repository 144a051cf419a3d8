"""Sending the chunks of a worker's iteration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..settings import EngineSettings
from .batch import Batch
from .client import Store
from .failures import Refused
from .job_records import Cursor, Job
from .keys import tag

CHUNKS_AHEAD = 2
"""Chunks sent ahead of the answers: one that the server works on and one that waits for it."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """The next `followers` of a job on a shard, and the posts that each gets, oldest first. Without
    posts their timelines are dropped; that counts as one delivery each."""

    job: Job
    shard: int
    followers: int
    posts: list[int]

    @property
    def deliveries(self) -> int:
        """The work of the chunk."""
        return self.followers * max(1, len(self.posts))


@dataclass(frozen=True, slots=True)
class Delivered:
    """The answer to a chunk: the cursor after it, and the deliveries that it made and skipped."""

    cursor: Cursor
    delivered: int
    skipped: int


class ChunkSender:
    """Sends chunks; the cursor of a job moves on the server together with its deliveries."""

    def __init__(self, store: Store, settings: EngineSettings) -> None:
        self._keys = store.keys
        self._settings = settings

    def send(
        self, batch: Batch, chunks: Sequence[Chunk], size: int
    ) -> tuple[list[Any], list[Delivered | Refused | None]]:
        """Sends the chunks in one round trip with the batch: the replies to the batch, and for
        each chunk its answer, the server's refusal, or None when the shard's node is away.

        No more than CHUNKS_AHEAD chunks of `size` deliveries are under way on a server at once.
        """
        before = len(batch)
        settings = self._settings
        for chunk in chunks:
            author = chunk.job.author_id
            batch.call(
                "deliver",
                self._keys.followers(chunk.shard, author),
                *(tag(chunk.shard), chunk.job.id, author, chunk.followers),
                *(settings.timeline_cap, settings.timeline_slack, *chunk.posts),
            )
            batch.weigh(chunk.deliveries)
        replies = batch.run(raise_errors=False, partial=True, limit=CHUNKS_AHEAD * size)
        answers = zip(chunks, replies[before:], strict=True)
        return replies[:before], [_answer(chunk, reply) for chunk, reply in answers]


def _answer(chunk: Chunk, reply: Any) -> Delivered | Refused | None:
    if reply is None or isinstance(reply, Refused):
        return reply
    remaining, delivered, skipped, made, missed = reply
    posts = max(1, len(chunk.posts))
    return Delivered(Cursor(remaining, delivered, skipped), made * posts, missed * posts)
