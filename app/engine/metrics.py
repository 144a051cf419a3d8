"""What the engine counts and reports: the sums over all processes."""

import time
from collections import Counter
from contextlib import suppress
from typing import Literal

from typing_extensions import TypedDict

from .errors import StoreFull
from .histogram import quantile
from .models import STRATEGIES, Strategy
from .publishing.hybrid import Choice, choice
from .settings import EngineSettings
from .store.counters import WINDOW_SECONDS, Counts, buckets
from .store.data import Data
from .store.inspection import Server, read_server
from .store.queue import Queue, read_queue
from .store.workers import WorkerState

Operation = Literal["accept", "lag", "feed"]
Stage = Literal["normal", "deferring", "shedding"]
OPERATIONS: tuple[Operation, ...] = ("accept", "lag", "feed")


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


def figures(data: Data) -> Figures:
    """All figures as they are now. Raises `StoreDown`."""
    settings = data.settings
    with suppress(StoreFull):
        data.counters.flush(force=True)  # so that the caller sees what it just did
    counts = data.counters.read()
    total, recent = Counter(counts.total), counts.recent.get("deliveries", 0)
    queue, workers = read_queue(data.store), data.workers.live()
    rate_limit = data.control.rate_limit()
    return {
        "time_ms": int(time.time() * 1000),
        "window_seconds": WINDOW_SECONDS,
        "processing": {
            operation: {name: _times(counts, operation, name) for name in STRATEGIES}
            for operation in OPERATIONS
        },
        "fanout": {
            "deliveries_total": total["deliveries"],
            "deliveries_per_second": round(recent / counts.recent_seconds, 1),
            "skipped_total": total["skipped"],
            "jobs_total": total["jobs"],
            "deferred_total": total["deferred"],
            "reclaims_total": total["reclaims"],
            "posts_total": {name: total[f"posts:{name}"] for name in STRATEGIES},
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
            "stage": stage(settings, queue),
            "fullest_shard": queue.fullest,
            "low": settings.backlog_low,
            "high": settings.backlog_high,
            "limit": settings.backlog_limit,
            "pull_authors": len(data.pulled_authors.all(partial=True)),
        },
        "hybrid": choice(settings, counts),
        "workers": {
            "count": len(workers),
            "paused": rate_limit.paused,
            "deliveries_per_second": rate_limit.deliveries_per_second,
            "list": workers,
        },
        "store": read_server(data.store),
    }


def stage(settings: EngineSettings, queue: Queue) -> Stage:
    """The worst stage of any shard. A shard sheds when less headroom is left than the largest post
    that is never deferred could need."""
    if queue.fullest + settings.large_author_followers > settings.backlog_limit:
        return "shedding"
    # The next post that is pushed takes the mark off; a look at the figures must not wait.
    shards = zip(queue.backlogs, queue.deferring, strict=True)
    goes_on = any(deferring and backlog > settings.backlog_low for backlog, deferring in shards)
    return "deferring" if goes_on or queue.fullest >= settings.backlog_high else "normal"


def _times(counts: Counts, operation: str, strategy: str) -> Times:
    found = buckets(counts.window, operation, strategy)
    seconds = (quantile(found, q) for q in (0.5, 0.95, 0.99))
    p50, p95, p99 = (None if each is None else round(each * 1000, 3) for each in seconds)
    return {"count": sum(found.values()), "p50_ms": p50, "p95_ms": p95, "p99_ms": p99}
