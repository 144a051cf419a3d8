"""Fan-out jobs: taking, delivering, reclaiming, finishing. See `lua/60_jobs.lua` to `65_*`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import Overloaded
from ..models import Fanout
from ..settings import EngineSettings
from .batch import Batch
from .client import Store
from .job_records import (
    Answer,
    Cursor,
    DeadLetter,
    Job,
    Pending,
    Progress,
    Unreadable,
    read_dead_letter,
    read_fanout,
    read_job,
)
from .keys import tag

SWEEP_COUNT = 200
"""Unfinished jobs of a shard that the sweeper looks at in one call."""


class Jobs:
    """The jobs of all shards. Methods that take a `Batch` add to a round trip of the caller's."""

    def __init__(self, store: Store, settings: EngineSettings) -> None:
        self._store = store
        self._keys = store.keys
        self._settings = settings

    def ask(self, batch: Batch, worker: str, word: str, count: int) -> int:
        """Asks every server for new jobs, at most `count` of a shard, and for its incarnation;
        returns how many answers will come, for `answer` to read.

        The incarnation is the first word that anybody gave since the server started; `word` must
        be a new one each time, or a lone worker would not see that the server restarted.
        """
        groups = self._store.groups
        for shards in groups:
            batch.call("ask", self._keys.jobs(shards[0]), word, worker, count, *map(tag, shards))
        return len(groups)

    def answer(self, reply: Any) -> Answer:
        """What a server says to `ask`."""
        incarnation, pages, records = reply
        return Answer(incarnation.decode(), pages, [read_job(record) for record in records])

    def deliver(self, batch: Batch, job: Job, shard: int, chunk: int, posts: list[int]) -> None:
        """Delivers to the next chunk of followers on `shard`. The answer is {followers remaining,
        delivered, skipped so far, delivered, skipped by this call}, in followers."""
        batch.call(
            "deliver",
            self._keys.followers(shard, job.author_id),
            tag(shard),
            job.id,
            job.author_id,
            chunk,
            self._settings.timeline_cap,
            self._settings.timeline_slack,
            *posts,
        )

    def heartbeat(self, batch: Batch, job: Job, progress: Progress) -> None:
        """Tells that the job goes on, and how far it is."""
        batch.call(
            "heartbeat",
            self._keys.jobs(job.shard),
            tag(job.shard),
            job.entry,
            job.id,
            progress.processed,
            progress.delivered,
            progress.skipped,
        )

    def finish(self, batch: Batch, job: Job, progress: Progress, incarnation: str) -> None:
        """Acknowledges the job. The answer is (1, lag in ms) to the first to say so, (0, 0) to
        others, and (-1, 0) when the job's server is in another incarnation."""
        batch.call(
            "finish_job",
            self._keys.jobs(job.shard),
            tag(job.shard),
            job.entry,
            job.id,
            progress.delivered,
            progress.skipped,
            progress.posts,
            incarnation,
        )

    def put_aside(self, batch: Batch, job: Job, progress: Progress) -> None:
        """Tells how far the job is, and clears the count of its reclaims."""
        self.heartbeat(batch, job, progress)
        batch.add("HDEL", self._keys.heartbeats(job.shard), f"{job.entry}!")

    def pending(self, count: int) -> list[Pending]:
        """Jobs that were taken and not finished, at most `count` of each shard that answers."""
        batch = self._store.batch()
        for shard in range(self._store.shards):
            batch.call("watch_jobs", self._keys.jobs(shard), tag(shard), count)
        return [
            Pending(shard, entry.decode(), worker.decode(), int(heartbeat), int(reclaims))
            for shard, rows in enumerate(batch.run(partial=True))
            for entry, worker, heartbeat, reclaims in rows or ()
        ]

    def reclaim(self, seen: Pending, worker: str) -> Job | Unreadable | None:
        """Takes over a job without a heartbeat since it was `seen`; None when there was one."""
        reply = self._store.call(
            "reclaim_job",
            self._keys.jobs(seen.shard),
            tag(seen.shard),
            worker,
            seen.entry,
            seen.heartbeat,
        )
        return read_job(reply) if reply else None

    def fail(self, job: Job | Unreadable, reason: str) -> bool:
        """Notes that a job failed. True: it failed too often and is a dead letter now."""
        reply = self._store.call(
            "fail_job", self._keys.jobs(job.shard), tag(job.shard), job.entry, job.id, reason
        )
        return bool(reply)

    def first_cursors(self, jobs: list[Job]) -> list[dict[int, Cursor]]:
        """The cursors that new jobs begin with, for each job by shard.

        The followers were counted one round trip before the post was written. Who followed in
        between is missed by the count but may have read already, so shards without a follower
        are counted once more. Where that cannot be done one is assumed: the delivery fails and says
        why, or counts them when the shard is back.
        """
        batch = self._store.batch()
        for job in jobs:
            for shard, count in enumerate(job.counts):
                if not count:
                    batch.add("LLEN", self._keys.followers(shard, job.author_id))
        late = (
            reply if isinstance(reply, int) else 1
            for reply in batch.run(raise_errors=False, partial=True)
        )
        return [
            {
                shard: Cursor(followers)
                for shard, count in enumerate(job.counts)
                if (followers := count or next(late))
            }
            for job in jobs
        ]

    def cursors(self, job: Job) -> dict[int, Cursor]:
        """How far the job is on each shard where it has followers, by its cursors there. A shard
        that is away has everything before it; its cursor tells more when it is back."""
        (begun,) = self.first_cursors([job])
        batch = self._store.batch()
        for shard in begun:
            batch.add(
                "HMGET", self._keys.cursor(shard, job.id), "remaining", "delivered", "skipped"
            )
        return {
            shard: start if not stored or stored[0] is None else Cursor(*map(int, stored))
            for (shard, start), stored in zip(begun.items(), batch.run(partial=True), strict=True)
        }

    def note_progress(self, job: Job, processed: int) -> None:
        """Tells how far a reclaimed job is; progress clears the count of its reclaims."""
        self._store.call(
            "note_progress",
            self._keys.jobs(job.shard),
            tag(job.shard),
            job.entry,
            job.id,
            processed,
        )

    def sweep(self, cursors: list[int] | None = None, count: int = SWEEP_COUNT) -> int:
        """Queues unfinished jobs anew whose stream entry is gone; how many.

        With `cursors`, one for each shard and 0 at first, it looks at about `count` jobs of each
        shard and moves them on; without, at all jobs.
        """
        positions = cursors if cursors is not None else [0] * self._store.shards
        found = 0
        while True:
            batch = self._store.batch()
            for shard, cursor in enumerate(positions):
                batch.call("sweep_jobs", self._keys.jobs(shard), tag(shard), cursor, count)
            for shard, reply in enumerate(batch.run(partial=True)):
                cursor, queued = reply or (0, 0)
                positions[shard] = int(cursor)
                found += queued
            if cursors is not None or not any(positions):
                return found

    def forget_workers(self, live: Iterable[str]) -> int:
        """Removes readers of the streams that are no live worker and have nothing taken."""
        names = list(live)
        batch = self._store.batch()
        for shard in range(self._store.shards):
            batch.call("forget_workers", self._keys.jobs(shard), tag(shard), *names)
        return sum(gone or 0 for gone in batch.run(partial=True))

    def audit_backlogs(self) -> list[tuple[int, int]]:
        """Sets each shard's backlog to what the job records say: (before, now) of each."""
        batch = self._store.batch()
        for shard in range(self._store.shards):
            batch.call("audit_backlog", self._keys.backlog(shard), tag(shard))
        return [(before, now) for before, now in batch.run()]

    def dead(self, count: int) -> list[DeadLetter]:
        """The newest dead letters, at most `count` of each shard that answers."""
        batch = self._store.batch()
        for shard in range(self._store.shards):
            batch.call("dead_letters", self._keys.dead(shard), tag(shard), "+", count)
        return [
            read_dead_letter(shard, entry.decode(), record)
            for shard, rows in enumerate(batch.run(partial=True))
            for entry, record in rows or ()
        ]

    def resolve(self, shard: int, entry: str, *, requeue: bool) -> bool:
        """Takes a dead letter away, or queues its job anew. False: there is no such letter.

        Raises `Overloaded` when the backlog has no headroom for the job.
        """
        reply = self._store.call(
            "resolve_dead_letter",
            self._keys.dead(shard),
            tag(shard),
            entry,
            int(requeue),
            self._settings.backlog_limit,
        )
        if reply < 0:
            raise Overloaded("The backlog has no headroom for this job.")
        return bool(reply)

    def fanouts(self, post_ids: Iterable[int]) -> list[Fanout | None]:
        """How far the deliveries of these posts are, in one round trip; None where no record is
        left (an hour after the job was done, or a pulled post was accepted)."""
        wanted, batch = list(post_ids), self._store.batch()
        for post_id in wanted:
            batch.add("HGETALL", self._keys.job(post_id))
        return [read_fanout(*found) for found in zip(wanted, batch.run(), strict=True)]
