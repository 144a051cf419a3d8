"""The experiment's controls, the workers' heartbeats, and the state of the queue."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, Literal

import orjson
import redis
from typing_extensions import TypedDict

from ..ids import millis_of
from .client import Store
from .replies import pairs

WORKER_TIMEOUT_SECONDS = 3.0
"""A worker that has not been heard of for so long is not counted as live."""
LOOK_SECONDS = 5 * WORKER_TIMEOUT_SECONDS
"""A process that looked at the heartbeats so recently can tell by their change who is alive."""

Stage = Literal["normal", "deferring", "shedding"]


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What the workers are told: pause, or a bound on deliveries per second over all of them."""

    paused: bool = False
    deliveries_per_second: int | None = None


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A live worker's last heartbeat."""

    name: str
    jobs_open: int
    delivered: int


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue over all shards but the `shards_away`, whose Cluster node does not answer.

    `fullest` is the largest backlog of a single shard; `backlogs` and `holding` have an element for
    each shard."""

    jobs: int
    backlog: int
    fullest: int
    deferring: list[bool]
    oldest_age_ms: int | None
    dead: int
    backlogs: list[int]
    shards_away: int


class Server(TypedDict):
    """The store's server. The memory is None where it may not be asked."""

    mode: Literal["single", "cluster"]
    server: str
    memory_bytes: int | None


class Control:
    """What workers and pages tell each other through the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys = store.keys
        self._heard: dict[str, tuple[float, float]] = {}
        self._last_look = -math.inf

    def set_rate_limit(self, rate_limit: RateLimit) -> None:
        """Tells all workers; each looks several times a second."""
        self._store.call(
            "note",
            self._keys.control,
            "paused",
            int(rate_limit.paused),
            "deliveries_per_second",
            rate_limit.deliveries_per_second or 0,
        )
        self._store.command("PUBLISH", self._keys.wake_up_channel, "rate")

    def rate_limit(self) -> RateLimit:
        """What the workers are told now."""
        fields = dict(pairs(self._store.command("HGETALL", self._keys.control)))
        return RateLimit(
            fields.get(b"paused") == b"1", int(fields.get(b"deliveries_per_second", 0)) or None
        )

    def heartbeat(self, state: WorkerState) -> None:
        """A worker's heartbeat."""
        value = orjson.dumps(
            {"jobs_open": state.jobs_open, "delivered": state.delivered, "at": time.time()}
        )
        self._store.call("note", self._keys.workers, state.name, value)

    def leave(self, name: str) -> None:
        """A worker's good-bye."""
        self._store.command("HDEL", self._keys.workers, name)

    def workers(self) -> list[WorkerState]:
        """The live workers, by name. Forgets those that have been silent for long.

        A worker is alive as long as its heartbeat changes, by this process's monotonic clock: a
        wall clock that is set back, or differs between machines, neither hides nor revives one.
        Only where this process has not looked for a while does the heartbeat's time decide.
        """
        live, gone = [], []
        now, wall = time.monotonic(), time.time()
        looked = now - self._last_look <= LOOK_SECONDS
        heard: dict[str, tuple[float, float]] = {}
        for name, value in pairs(self._store.command("HGETALL", self._keys.workers)):
            fields = orjson.loads(value)
            worker, at = name.decode(), fields["at"]
            last_at, since = self._heard.get(worker, (None, now - WORKER_TIMEOUT_SECONDS))
            recent = abs(wall - at) < WORKER_TIMEOUT_SECONDS
            if at != last_at and (recent or (looked and last_at is not None)):
                since = now
            heard[worker] = (at, since)
            if now - since < WORKER_TIMEOUT_SECONDS:
                live.append(WorkerState(worker, fields["jobs_open"], fields["delivered"]))
            elif now - since > 20 * WORKER_TIMEOUT_SECONDS:
                gone.append(name)
        self._heard, self._last_look = heard, now
        if gone:
            self._store.command("HDEL", self._keys.workers, *gone)
        return sorted(live, key=lambda worker: worker.name)

    def queue(self) -> Queue:
        """Jobs and backlog over all shards, in one round trip."""
        batch = self._store.batch()
        shards = range(self._store.shards)
        for shard in shards:
            batch.add("XLEN", self._keys.jobs(shard))
            batch.add("XLEN", self._keys.dead(shard))
            batch.add("HMGET", self._keys.backlog(shard), "deliveries", "deferring")
            batch.add("XRANGE", self._keys.jobs(shard), "-", "+", "COUNT", 1)
        replies = batch.run(partial=True)
        rows = [replies[4 * shard : 4 * shard + 4] for shard in shards]
        away = [None in row for row in rows]
        nothing: list[Any] = [0, 0, (None, None), []]
        rows = [nothing if gone else row for row, gone in zip(rows, away, strict=True)]
        backlogs = [int(deliveries or 0) for _, _, (deliveries, _), _ in rows]
        oldest = [_first_id(entries) for *_, entries in rows if entries]
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

    def server(self) -> Server:
        """Name, version and memory of the store, summed over a Cluster's nodes that answer."""
        try:
            nodes = self._store.everywhere("INFO")
        except redis.ResponseError:
            return {"mode": "single", "server": "unknown", "memory_bytes": None}
        first = nodes[0]
        name, version = (
            ("valkey", first["valkey_version"])
            if "valkey_version" in first
            else ("redis", first.get("redis_version", "?"))
        )
        return {
            "mode": "cluster" if self._store.is_cluster else "single",
            "server": f"{name} {version}",
            "memory_bytes": sum(int(node.get("used_memory", 0)) for node in nodes),
        }


def _first_id(entries: list[Any]) -> int:
    return int(entries[0][0].split(b"-")[0])
