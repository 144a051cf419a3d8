"""Fan-out jobs: taking, reclaiming, finishing, maintenance. See `lua/60_jobs.lua` to `65_*`."""

import secrets
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from ..errors import UnknownPost
from ..models import Fanout
from .batch import Batch
from .client import Store
from .job_records import Answer, Cursor, Job, Pending, Progress, Unreadable, read_fanout, read_job
from .keys import tag

SWEEP_COUNT = 200
"""Unfinished jobs of a shard that the sweeper looks at in one call."""


class Jobs:
    """The jobs of all shards. Methods that take a `Batch` add to a round trip of the caller's."""

    def __init__(self, store: Store) -> None:
        self._store, self._keys = store, store.keys

    def ask(self, batch: Batch, worker: str, count: int) -> int:
        """Asks every server for new jobs, at most `count` of a shard, and for its incarnation;
        returns how many replies will come, for `answer` to read."""
        # The incarnation is the first word that anybody gave since the server started. The word is
        # a new one each time, or a lone worker would not see that the server restarted.
        groups, word = self._store.groups, secrets.token_hex(8)
        for shards in groups:
            batch.call("ask", self._keys.jobs(shards[0]), word, worker, count, *map(tag, shards))
        return len(groups)

    def answer(self, reply: Any) -> Answer:
        """What a server replied to `ask`. Raises what it refused."""
        if isinstance(reply, Exception):
            raise reply
        incarnation, pages, records = reply
        return Answer(
            incarnation.decode(),
            pages,
            [read_job(record, self._store.shards) for record in records],
        )

    def heartbeat(self, batch: Batch, job: Job, progress: Progress) -> None:
        """Tells that the job goes on, and how far it is."""
        batch.call("heartbeat", *self._entry(job), job.id, progress.delivered, progress.skipped)

    def finish(
        self, batch: Batch, shard: int, jobs: Sequence[tuple[Job, Progress]], incarnation: str
    ) -> None:
        """Acknowledges jobs of one shard. The answer has for each (1, lag in ms) to the first to
        say so, (0, 0) to others, (-1, 0) in another incarnation, or a text, why it failed."""
        described = orjson.dumps([(job.entry, str(job.id), *progress) for job, progress in jobs])
        batch.call("finish_jobs", self._keys.jobs(shard), tag(shard), incarnation, described)

    def put_aside(self, batch: Batch, job: Job, progress: Progress) -> None:
        """Tells how far the job is, and clears the count of its reclaims."""
        self.heartbeat(batch, job, progress)
        batch.add("HDEL", self._keys.heartbeats(job.shard), f"{job.entry}!")

    def pending(self, count: int) -> list[Pending]:
        """Jobs that were taken and not finished, at most `count` of each shard that answers."""
        return [
            Pending(shard, entry.decode(), worker.decode(), int(heartbeats), int(reclaims))
            for shard, rows in enumerate(self._on_each("watch_jobs", count))
            for entry, worker, heartbeats, reclaims in rows or ()
        ]

    def reclaim(self, seen: Pending, worker: str) -> Job | Unreadable | None:
        """Takes over a job without a heartbeat since it was `seen`; None when there was one."""
        reply = self._store.call("reclaim_job", *self._entry(seen), worker, seen.heartbeats)
        return read_job(reply, self._store.shards) if reply else None

    def fail(self, job: Job | Unreadable, reason: str) -> bool:
        """Notes that a job failed. True: it failed too often and is a dead letter now."""
        return bool(self._store.call("fail_job", *self._entry(job), job.id, reason))

    def first_cursors(self, jobs: Sequence[Job]) -> list[dict[int, Cursor]]:
        """The cursors that new jobs begin with, for each job by shard.

        Who followed after the followers were counted, and before the post was written, may have
        read already. So shards without a follower are counted once more. Where that cannot be done
        one is assumed: the delivery fails and says why, or counts them when the shard is back.
        """
        cursors = [{shard: Cursor(n) for shard, n in enumerate(job.counts) if n} for job in jobs]
        batch, empty = self._store.batch(), []
        for shard in range(self._store.shards):
            if without := [i for i, job in enumerate(jobs) if not job.counts[shard]]:
                authors = [jobs[i].author_id for i in without]
                key = self._keys.watermark(shard)
                batch.call("count_followers", key, tag(shard), *authors)
                empty.append((shard, without))
        replies = batch.run(raise_errors=False, partial=True)
        for (shard, without), reply in zip(empty, replies, strict=True):
            counts = reply if isinstance(reply, list) else [1] * len(without)
            for i, count in zip(without, counts, strict=True):
                if count:
                    cursors[i][shard] = Cursor(count)
        return cursors

    def cursors(self, job: Job) -> dict[int, Cursor]:
        """How far the job is on each shard where it has followers. A shard that is away has
        everything before it; its cursor tells more when it is back."""
        (cursors,) = self.first_cursors([job])
        names = [self._keys.cursor(shard, job.id) for shard in cursors]
        reads = [("HMGET", name, "remaining", "delivered", "skipped") for name in names]
        replies = self._store.run(reads, partial=True)
        for shard, stored in zip(list(cursors), replies, strict=True):
            if stored and stored[0] is not None:
                cursors[shard] = Cursor(*map(int, stored))
        return cursors

    def note_progress(self, job: Job, processed: int) -> None:
        """Tells how far a reclaimed job is; progress clears the count of its reclaims."""
        self._store.call("note_progress", *self._entry(job), job.id, processed)

    def sweep(self, cursors: list[int] | None = None) -> int:
        """Queues unfinished jobs again whose stream entry is gone; how many. With `cursors`, one
        for each shard and 0 at first, it looks at about SWEEP_COUNT jobs of each and moves them on;
        without, at all jobs."""
        positions = cursors if cursors is not None else [0] * self._store.shards
        found = 0
        while True:
            batch = self._store.batch()
            for shard, cursor in enumerate(positions):
                batch.call("sweep_jobs", self._keys.jobs(shard), tag(shard), cursor, SWEEP_COUNT)
            for shard, reply in enumerate(batch.run(partial=True)):
                cursor, queued = reply or (0, 0)
                positions[shard] = int(cursor)
                found += queued
            if cursors is not None or not any(positions):
                return found

    def forget_workers(self, live: Iterable[str]) -> int:
        """Removes the streams' consumers that are no live worker and have nothing taken."""
        return sum(gone or 0 for gone in self._on_each("forget_workers", *live))

    def audit_backlogs(self) -> list[tuple[int, int]]:
        """Sets each shard's backlog to what the job records say: (before, now) of each."""
        return [(before, now) for before, now in self._on_each("audit_backlog", partial=False)]

    def fanout(self, post_id: int) -> Fanout:
        """How far the deliveries of the post are. Raises `UnknownPost`."""
        (found,) = self.fanouts([post_id])
        if found is None:
            kept = "job records are kept for an hour after the last delivery"
            raise UnknownPost(f"Nothing is known of a fan-out of post {post_id}: {kept}.")
        return found

    def fanouts(self, post_ids: Iterable[int]) -> list[Fanout | None]:
        """How far the deliveries of these posts are, in one round trip; None where no record is
        left (an hour after the job was done, or a pulled post was accepted)."""
        wanted = list(post_ids)
        records = self._store.run([("HGETALL", self._keys.job(post_id)) for post_id in wanted])
        return list(map(read_fanout, wanted, records))

    def _entry(self, job: Job | Unreadable | Pending) -> tuple[str, str, str]:
        """The first arguments of a function for one entry of a stream: key, tag, entry."""
        return self._keys.jobs(job.shard), tag(job.shard), job.entry

    def _on_each(self, function: str, *args: Any, partial: bool = True) -> list[Any]:
        """Calls a function on every shard; with `partial` None from a shard that is away."""
        batch = self._store.batch()
        for shard in range(self._store.shards):
            batch.call(function, self._keys.jobs(shard), tag(shard), *args)
        return batch.run(partial=partial)
