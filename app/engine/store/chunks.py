"""Sending the chunks of a worker's iteration."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ..settings import EngineSettings
from .batch import Batch
from .client import Store
from .job_records import Cursor, Job
from .keys import tag
from .replies import each_of, reason

CHUNKS_AHEAD = 2
"""Chunks sent ahead of the answers: one that the server works on and one that waits for it."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """The next `followers` of a job on a shard, and the posts that each gets, oldest first. Without
    posts their timelines are dropped; that counts as one delivery each. `cursor` is the job's, as
    the chunks before this one are to leave it."""

    job: Job
    shard: int
    followers: int
    posts: list[int]
    cursor: Cursor

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
    ) -> tuple[list[Any], list[Delivered | str | None]]:
        """Sends the chunks in one round trip with the batch: the replies to the batch, and for
        each chunk its answer, why it failed, or None when the shard's node is away.

        A call takes chunks of one shard up to `size` deliveries together. No more than CHUNKS_AHEAD
        times as many are under way on a server at once.
        """
        before, settings = len(batch), self._settings
        calls = _calls(chunks, size)
        for call in calls:
            shard = chunks[call[0]].shard
            batch.call(
                "deliver",
                self._keys.watermark(shard),
                *(tag(shard), settings.timeline_cap, settings.timeline_slack),
                orjson.dumps([_described(chunks[i]) for i in call]),
            )
            batch.weigh(sum(chunks[i].deliveries for i in call))
        replies = batch.run(raise_errors=False, partial=True, limit=CHUNKS_AHEAD * size)
        answers: list[Delivered | str | None] = [None] * len(chunks)
        for call, reply in zip(calls, replies[before:], strict=True):
            for i, answer in zip(call, each_of(reply, len(call)), strict=True):
                answers[i] = _answer(chunks[i], answer)
        return replies[:before], answers


def _calls(chunks: Sequence[Chunk], size: int) -> list[list[int]]:
    """The chunks of each call, by their numbers. Older posts come first: what is older than a post
    that its shard has seen already must look for its position in every timeline."""
    calls: list[list[int]] = []
    open_calls: dict[int, tuple[list[int], int]] = {}
    for i in sorted(range(len(chunks)), key=lambda i: chunks[i].job.id):
        chunk = chunks[i]
        call, deliveries = open_calls.get(chunk.shard, ([], size))
        deliveries += chunk.deliveries
        if deliveries > size:
            call, deliveries = [], chunk.deliveries
            calls.append(call)
        call.append(i)
        open_calls[chunk.shard] = call, deliveries
    return calls


def _described(chunk: Chunk) -> tuple[str, str, int, list[str]]:
    """As `lua/80_deliver.lua` takes it."""
    job = chunk.job
    return str(job.id), str(job.author_id), chunk.followers, list(map(str, chunk.posts))


def _answer(chunk: Chunk, answer: Any) -> Delivered | str | None:
    if not isinstance(answer, list):
        return None if answer is None else reason(answer)
    remaining, delivered, skipped, made, missed = answer
    posts = max(1, len(chunk.posts))
    return Delivered(Cursor(remaining, delivered, skipped), made * posts, missed * posts)
