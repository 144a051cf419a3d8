"""Fan-out jobs: taking, delivering, watching, claiming, finishing. See `lua/60_jobs.lua`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from app.domain.models import FanoutStatus
from app.settings import Settings
from app.storage import keys
from app.storage.client import Batch, Store
from app.storage.pullers import pairs


@dataclass(frozen=True, slots=True)
class Job:
    """What an account says. `counts` are the followers on each shard at acceptance."""

    entry: str
    id: int
    shard: int
    author_id: int
    since: int
    last: int
    strategy: str
    counts: tuple[int, ...]

    @property
    def is_release(self) -> bool:
        """Whether it delivers held posts rather than a new one."""
        return self.strategy in ("release", "drop")


@dataclass(frozen=True, slots=True)
class Pending:
    """A job that some worker has taken and not finished."""

    shard: int
    entry: str
    worker: str
    beat: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A job that kept failing. `entry` names it."""

    shard: int
    entry: str
    job_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Account:
    """How far a job's deliveries have come, as its shard has it booked."""

    status: FanoutStatus
    recipients: int
    delivered: int
    skipped: int
    lag_ms: float | None


@dataclass(slots=True)
class Walked:
    """The state of one shard's walk, as the last call left it. Followers, not deliveries."""

    left: int
    delivered: int = 0
    skipped: int = 0


@dataclass(slots=True)
class Progress:
    """The sums over a job's walks, in deliveries."""

    walked: int = 0
    delivered: int = 0
    skipped: int = 0
    posts: list[int] = field(default_factory=list)


class Jobs:
    """The jobs of all shards. Methods that take a `Batch` add to a round trip of the caller's."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    def ask_new(self, batch: Batch, shard: int, worker: str, count: int) -> None:
        """Asks for new jobs of a shard; `read_new` reads the answer."""
        batch.call("take_jobs", keys.jobs(shard), keys.tag(shard), worker, count)

    def read_new(self, shard: int, reply: Iterable[Any] | None) -> list[Job]:
        """The jobs in an answer to `ask_new`."""
        return [_job(shard, account) for account in reply or () if account]

    def deliver(self, batch: Batch, job: Job, shard: int, chunk: int, posts: list[int]) -> None:
        """One chunk of the walk over the followers on `shard`; `read_walk` reads the answer."""
        batch.call(
            "deliver",
            keys.fans(shard, job.author_id),
            keys.tag(shard),
            job.id,
            job.author_id,
            chunk,
            self._settings.timeline_cap,
            self._settings.timeline_slack,
            *posts,
        )

    def beat(self, batch: Batch, job: Job, progress: Progress) -> None:
        """Tells that the job goes on, and how far it is."""
        batch.call(
            "beat_job",
            keys.jobs(job.shard),
            keys.tag(job.shard),
            job.entry,
            job.id,
            progress.walked,
            progress.delivered,
            progress.skipped,
        )

    def finish(self, batch: Batch, job: Job, progress: Progress) -> None:
        """Acknowledges the job. The answer is (first to say so, lag in ms)."""
        batch.call(
            "finish_job",
            keys.jobs(job.shard),
            keys.tag(job.shard),
            job.entry,
            job.id,
            job.author_id,
            job.last,
            progress.delivered,
            progress.skipped,
            *(progress.posts if job.is_release else ()),
        )

    def pending(self, count: int) -> list[Pending]:
        """Jobs that were taken and not finished, at most `count` of each shard."""
        batch = self._store.batch()
        for shard in range(self._store.shards):
            batch.call("watch_jobs", keys.jobs(shard), keys.tag(shard), count)
        return [
            Pending(shard, entry.decode(), worker.decode(), int(beat))
            for shard, rows in enumerate(batch.run())
            for entry, worker, beat in rows
        ]

    def claim(self, seen: Pending, worker: str) -> Job | None:
        """Takes over a job that was silent since it was `seen`; None when it was not."""
        reply = self._store.call(
            "claim_job",
            keys.jobs(seen.shard),
            keys.tag(seen.shard),
            worker,
            seen.entry,
            seen.beat,
        )
        return _job(seen.shard, reply) if reply else None

    def fail(self, job: Job, reason: str) -> bool:
        """Notes that a job failed. True: it failed too often and is a dead letter now."""
        reply = self._store.call(
            "fail_job", keys.jobs(job.shard), keys.tag(job.shard), job.entry, job.id, reason
        )
        return bool(reply)

    def sweep(self) -> int:
        """Queues unfinished jobs anew whose stream entry is gone; how many."""
        batch = self._store.batch()
        for shard in range(self._store.shards):
            batch.call("sweep_jobs", keys.jobs(shard), keys.tag(shard))
        return sum(batch.run())

    def dead(self, count: int) -> list[DeadLetter]:
        """The newest dead letters, at most `count` of each shard."""
        batch = self._store.batch()
        for shard in range(self._store.shards):
            batch.add("XREVRANGE", keys.dead(shard), "+", "-", "COUNT", count)
        letters = []
        for shard, rows in enumerate(batch.run()):
            for entry, fields in rows:
                named = dict(pairs(fields))
                letters.append(
                    DeadLetter(shard, entry.decode(), int(named[b"job"]), named[b"reason"].decode())
                )
        return letters

    def settle(self, letter: DeadLetter, *, requeue: bool) -> bool:
        """Takes a dead letter away, or queues its job anew. False: it was gone already."""
        reply = self._store.call(
            "settle_dead",
            keys.dead(letter.shard),
            keys.tag(letter.shard),
            letter.entry,
            int(requeue),
        )
        return bool(reply)

    def account(self, shard: int, job_id: int) -> Account | None:
        """A job's account; None when there is none (an hour after the job was done)."""
        fields = dict(pairs(self._store.command("HGETALL", keys.fanout(shard, job_id))))
        if b"status" not in fields:
            return None
        lag = fields.get(b"lag_ms")
        return Account(
            cast("FanoutStatus", fields[b"status"].decode()),
            int(fields[b"recipients"]),
            int(fields.get(b"delivered", 0)),
            int(fields.get(b"skipped", 0)),
            None if lag is None else float(lag),
        )


def _job(shard: int, account: Any) -> Job:
    named = {key.decode(): value.decode() for key, value in pairs(account)}
    return Job(
        entry=named["entry"],
        id=int(named["job"]),
        shard=shard,
        author_id=int(named["author"]),
        since=int(named["since"]),
        last=int(named["last"]),
        strategy=named["strategy"],
        counts=tuple(map(int, named["counts"].split(","))),
    )
