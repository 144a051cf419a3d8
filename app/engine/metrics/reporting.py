"""What the page and Prometheus are told: the sums over all processes."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Literal

from typing_extensions import TypedDict

from ..errors import StoreFull
from ..models import STRATEGIES, Strategy
from ..publishing.hybrid import Choice, Hybrid
from ..settings import EngineSettings
from ..store.client import Store
from ..store.control import Control
from ..store.counters import WINDOW_SECONDS, Counts, Metrics, buckets
from ..store.pulled_authors import PulledAuthors
from ..store.queue import Queue, read_queue
from ..store.server_info import Server, read_server
from ..store.workers import WorkerRegistry, WorkerState
from .histogram import quantile

Operation = Literal["accept", "lag", "feed"]
Stage = Literal["normal", "deferring", "shedding"]
OPERATIONS: tuple[Operation, ...] = ("accept", "lag", "feed")
_WORSE: tuple[Stage, ...] = ("normal", "deferring", "shedding")


class Times(TypedDict):
    """Quantiles of the window in milliseconds, None where nothing was measured."""

    count: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class Deliveries(TypedDict):
    """What was done since the dataset was loaded."""

    deliveries_total: int
    deliveries_per_second: float
    skipped_total: int
    jobs_total: int
    deferred_total: int
    reclaims_total: int
    posts_total: dict[Strategy, int]


class Backlog(TypedDict):
    """The queue over all shards but those whose Cluster node does not answer: `shards_away`."""

    jobs: int
    backlog: int
    oldest_age_ms: int | None
    dead: int
    shards_away: int


class Backpressure(TypedDict):
    """The stage in force, and the marks between the stages, in deliveries of a shard."""

    stage: Stage
    fullest_shard: int
    low: int
    high: int
    limit: int
    pull_authors: int


class Workers(TypedDict):
    """The live workers, and what they are told."""

    count: int
    paused: bool
    deliveries_per_second: int | None
    list: list[WorkerState]


class Figures(TypedDict):
    """All that the engine counts and measures."""

    time_ms: int
    window_seconds: int
    processing: dict[Operation, dict[Strategy, Times]]
    fanout: Deliveries
    active_users: int
    queue: Backlog
    backpressure: Backpressure
    hybrid: Choice
    workers: Workers
    store: Server


class Reporting:
    """Snapshots of the running system. Every figure was measured or counted by it."""

    def __init__(
        self,
        store: Store,
        settings: EngineSettings,
        metrics: Metrics,
        control: Control,
        workers: WorkerRegistry,
        pulled_authors: PulledAuthors,
        hybrid: Hybrid,
    ) -> None:
        self._store = store
        self._settings = settings
        self._metrics = metrics
        self._control = control
        self._workers = workers
        self._pulled_authors = pulled_authors
        self._hybrid = hybrid

    def figures(self) -> Figures:
        """All figures as they are now. Raises `StoreDown`."""
        with suppress(StoreFull):
            self._metrics.flush(force=True)  # so that the caller sees what it just did
        counts = self._metrics.read()
        queue = read_queue(self._store)
        rate_limit = self._control.rate_limit()
        workers = self._workers.live()
        total = counts.total
        return {
            "time_ms": int(time.time() * 1000),
            "window_seconds": WINDOW_SECONDS,
            "processing": {
                operation: {
                    strategy: _times(counts, operation, strategy) for strategy in STRATEGIES
                }
                for operation in OPERATIONS
            },
            "fanout": {
                "deliveries_total": total.get("deliveries", 0),
                "deliveries_per_second": round(
                    counts.recent.get("deliveries", 0) / counts.recent_seconds, 1
                ),
                "skipped_total": total.get("skipped", 0),
                "jobs_total": total.get("jobs", 0),
                "deferred_total": total.get("deferred", 0),
                "reclaims_total": total.get("reclaims", 0),
                "posts_total": {
                    strategy: total.get(f"posts:{strategy}", 0) for strategy in STRATEGIES
                },
            },
            "active_users": counts.active_users,
            "queue": {
                "jobs": queue.jobs,
                "backlog": queue.backlog,
                "oldest_age_ms": queue.oldest_age_ms,
                "dead": queue.dead,
                "shards_away": queue.shards_away,
            },
            "backpressure": {
                "stage": self.stage(queue),
                "fullest_shard": queue.fullest,
                "low": self._settings.backlog_low,
                "high": self._settings.backlog_high,
                "limit": self._settings.backlog_limit,
                "pull_authors": len(self._pulled_authors.all(partial=True)),
            },
            "hybrid": self._hybrid.report(counts),
            "workers": {
                "count": len(workers),
                "paused": rate_limit.paused,
                "deliveries_per_second": rate_limit.deliveries_per_second,
                "list": workers,
            },
            "store": read_server(self._store),
        }

    def stage(self, queue: Queue) -> Stage:
        """The worst stage of any shard. A shard sheds when less room is left than the largest
        post that is never held back could need."""
        stages = [
            self._stage_of(backlog, deferring)
            for backlog, deferring in zip(queue.backlogs, queue.deferring, strict=True)
        ]
        return max(stages, key=_WORSE.index)

    def _stage_of(self, backlog: int, deferring: bool) -> Stage:
        settings = self._settings
        if backlog + settings.large_author_followers > settings.backlog_limit:
            return "shedding"
        # The mark is taken off by the next post that is pushed; who only looks must not wait.
        if backlog >= settings.backlog_high or (deferring and backlog > settings.backlog_low):
            return "deferring"
        return "normal"


def _times(counts: Counts, operation: str, strategy: str) -> Times:
    found = buckets(counts.window, operation, strategy)

    def at(q: float) -> float | None:
        seconds = quantile(found, q)
        return None if seconds is None else round(seconds * 1000, 3)

    return {"count": sum(found.values()), "p50_ms": at(0.5), "p95_ms": at(0.95), "p99_ms": at(0.99)}
