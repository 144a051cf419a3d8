"""What the page and Prometheus are told: the sums over all processes."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from app.domain.errors import StoreFull
from app.domain.histogram import quantile
from app.domain.models import STRATEGIES
from app.services.hybrid import Hybrid
from app.settings import Settings
from app.storage.control import Control, Queue, Stage
from app.storage.dataset_state import DatasetState
from app.storage.metrics import WINDOW_SECONDS, Counts, Metrics, buckets
from app.storage.pullers import Pullers

OPERATIONS = ("accept", "lag", "feed")
_WORSE: tuple[Stage, ...] = ("normal", "holding", "shedding")


class Reporting:
    """Snapshots of the running system. Every figure was measured or counted by it."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        control: Control,
        pullers: Pullers,
        hybrid: Hybrid,
        dataset: DatasetState,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._control = control
        self._pullers = pullers
        self._hybrid = hybrid
        self._dataset = dataset

    def snapshot(self) -> dict[str, Any]:
        """The JSON of GET /api/metrics. Raises `StoreDown`."""
        with suppress(StoreFull):
            self._metrics.flush(force=True)  # so that the caller sees what it just did
        counts = self._metrics.read()
        queue = self._control.queue()
        pace = self._control.pace()
        workers = self._control.workers()
        total = counts.total
        return {
            "time_ms": int(time.time() * 1000),
            "window_seconds": WINDOW_SECONDS,
            "processing": {
                operation: {
                    strategy: _quantiles(counts, operation, strategy) for strategy in STRATEGIES
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
                "held_total": total.get("held", 0),
                "claims_total": total.get("claims", 0),
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
            },
            "backpressure": {
                "stage": self.stage(queue),
                "fullest_shard": queue.fullest,
                "low": self._settings.backlog_low,
                "high": self._settings.backlog_high,
                "limit": self._settings.backlog_limit,
                "pull_authors": len(self._pullers.all()),
            },
            "hybrid": self._hybrid.report(counts),
            "workers": {
                "count": len(workers),
                "paused": pace.paused,
                "deliveries_per_second": pace.deliveries_per_second,
                "list": [
                    {
                        "name": worker.name,
                        "jobs_open": worker.jobs_open,
                        "delivered": worker.delivered,
                    }
                    for worker in workers
                ],
            },
            "store": self._control.server(),
            "dataset": self._dataset.summary(),
        }

    def stage(self, queue: Queue) -> Stage:
        """The worst stage of any shard. A shard sheds when less room is left than the largest
        post that is never held back could need."""
        stages = [
            self._stage_of(backlog, holding)
            for backlog, holding in zip(queue.backlogs, queue.holding, strict=True)
        ]
        return max(stages, key=_WORSE.index)

    def _stage_of(self, backlog: int, holding: bool) -> Stage:
        settings = self._settings
        if backlog + settings.hold_followers > settings.backlog_limit:
            return "shedding"
        # The mark is taken off by the next post that is pushed; who only looks must not wait.
        if backlog >= settings.backlog_high or (holding and backlog > settings.backlog_low):
            return "holding"
        return "normal"


def _quantiles(counts: Counts, operation: str, strategy: str) -> dict[str, float | int | None]:
    found = buckets(counts.window, operation, strategy)
    row: dict[str, float | int | None] = {"count": sum(found.values())}
    for name, q in (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99)):
        seconds = quantile(found, q)
        row[name] = None if seconds is None else round(seconds * 1000, 3)
    return row
