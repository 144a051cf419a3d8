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
    away = [None in row for row in rows]
    nothing: list[Any] = [0, 0, (None, None), []]
    rows = [nothing if gone else row for row, gone in zip(rows, away, strict=True)]
    backlogs = [int(deliveries or 0) for _, _, (deliveries, _), _ in rows]
    oldest = [int(entries[0][0].split(b"-")[0]) for *_, entries in rows if entries]
    now_ms = time.time() * 1000
    return Queue(
        jobs=sum(jobs for jobs, *_ in rows),
        backlog=sum(backlogs),
        fullest=max(backlogs),
        deferring=[deferring == b"1" for _, _, (_, deferring), _ in rows],
        oldest_age_ms=max(0, int(now_ms - millis_of(min(oldest)))) if oldest else None,
        dead=sum(dead for _, dead, *_ in rows),
        backlogs=backlogs,
        shards_away=sum(away),
    )
