"""The figures of the job queue."""

import time
from dataclasses import dataclass
from typing import Any

from ..ids import millis_of
from .client import Store


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue over all shards but the `shards_away`, whose Cluster node does not answer.

    `fullest` is the largest backlog of a single shard; `backlogs` and `deferring` have an element
    for each shard."""

    jobs: int
    backlog: int
    fullest: int
    deferring: list[bool]
    oldest_age_ms: int | None
    dead: int
    backlogs: list[int]
    shards_away: int


def read_queue(store: Store) -> Queue:
    """Jobs and backlog over all shards, in one round trip. Raises `StoreDown`."""
    batch, keys = store.batch(), store.keys
    for shard in range(store.shards):
        batch.add("XLEN", keys.jobs(shard))
        batch.add("XLEN", keys.dead(shard))
        batch.add("HMGET", keys.backlog(shard), "deliveries", "deferring")
        batch.add("XRANGE", keys.jobs(shard), "-", "+", "COUNT", 1)
    replies = batch.run(partial=True)
    rows = [replies[first : first + 4] for first in range(0, len(replies), 4)]
    nothing: list[Any] = [0, 0, (None, None), []]
    here = [nothing if None in row else row for row in rows]
    backlogs = [int(deliveries or 0) for _, _, (deliveries, _), _ in here]
    oldest = [int(entries[0][0].split(b"-")[0]) for *_, entries in here if entries]
    age_ms = time.time() * 1000 - millis_of(min(oldest)) if oldest else None
    return Queue(
        jobs=sum(jobs for jobs, *_ in here),
        backlog=sum(backlogs),
        fullest=max(backlogs),
        deferring=[deferring == b"1" for _, _, (_, deferring), _ in here],
        oldest_age_ms=None if age_ms is None else max(0, int(age_ms)),
        dead=sum(dead for _, dead, *_ in here),
        backlogs=backlogs,
        shards_away=sum(None in row for row in rows),
    )
