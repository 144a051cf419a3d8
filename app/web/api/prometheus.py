"""GET /metrics: the sums over all processes as Prometheus text.

prometheus-client's multi-process mode shares files, which does not fit several containers, so a
collector of ours hands it the sums that are kept in the store. No label is ever a user id.
"""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from app.bootstrap import Services, Snapshot
from app.current import services
from app.engine.metrics.histogram import LAST_BUCKET, upper_bound
from app.engine.models import STRATEGIES
from app.engine.store.counters import buckets

bp = Blueprint("prometheus", __name__)

HISTOGRAMS = {
    "accept": ("fanout_accept_seconds", "Time to accept a post."),
    "lag": ("fanout_lag_seconds", "Time from a post's acceptance to its last delivery."),
    "feed": ("fanout_feed_seconds", "Time to read a page of a feed."),
}
COUNTERS = {
    "deliveries": ("fanout_deliveries", "Post ids pushed into timelines."),
    "skipped": ("fanout_skipped", "Pushes skipped because the reader is dormant."),
    "jobs": ("fanout_jobs", "Fan-out jobs finished."),
    "deferred": ("fanout_deferred_posts", "Posts deferred by backpressure."),
    "reclaims": ("fanout_reclaims", "Jobs without a heartbeat that another worker took over."),
}
COARSE = 4
"""Every fourth bucket is exported: bounds that double, thirty of them."""


class StoreCollector(Collector):
    """Turns the store's sums into metric families."""

    def __init__(self, of: Services) -> None:
        self._services = of

    def collect(self) -> Iterator[Metric]:
        """All families; see `HISTOGRAMS` and `COUNTERS` for most of their names."""
        now = self._services.snapshot()  # adds this process's own counts first
        total = self._services.engine.counters.read().total
        for operation, (name, text) in HISTOGRAMS.items():
            family = HistogramMetricFamily(name, text, labels=["strategy"])
            for strategy in STRATEGIES:
                found = buckets(total, operation, strategy)
                family.add_metric(
                    [strategy],
                    _cumulative(found),
                    total.get(f"{operation}:{strategy}:sum_us", 0) / 1e6,
                )
            yield family
        for field, (name, text) in COUNTERS.items():
            yield CounterMetricFamily(name, text, value=total.get(field, 0))
        posts = CounterMetricFamily("fanout_posts", "Posts accepted.", labels=["strategy"])
        for strategy in STRATEGIES:
            posts.add_metric([strategy], total.get(f"posts:{strategy}", 0))
        yield posts
        yield from self._gauges(now)

    def _gauges(self, now: Snapshot) -> Iterator[Metric]:
        queue, pressure = now["queue"], now["backpressure"]
        stages = GaugeMetricFamily(
            "fanout_backpressure_stage", "1 for the stage in force.", labels=["stage"]
        )
        for stage in ("normal", "deferring", "shedding"):
            stages.add_metric([stage], int(pressure["stage"] == stage))
        yield stages
        for name, text, value in (
            ("fanout_queue_jobs", "Jobs not yet finished.", queue["jobs"]),
            ("fanout_backlog_deliveries", "Deliveries not yet made.", queue["backlog"]),
            ("fanout_dead_letters", "Jobs that kept failing.", queue["dead"]),
            ("fanout_shards_away", "Shards not counted: they do not answer.", queue["shards_away"]),
            (
                "fanout_oldest_job_age_seconds",
                "Age of the oldest unfinished job; 0 without one.",
                (queue["oldest_age_ms"] or 0) / 1000,
            ),
            ("fanout_pull_authors", "Authors read by pull.", pressure["pull_authors"]),
            ("fanout_active_users", "Users seen in five minutes.", now["active_users"]),
            ("fanout_workers", "Live workers.", now["workers"]["count"]),
            ("fanout_store_memory_bytes", "Memory in use.", now["store"]["memory_bytes"] or 0),
        ):
            yield GaugeMetricFamily(name, text, value=value)


def _cumulative(found: dict[int, int]) -> list[tuple[str, float]]:
    rows: list[tuple[str, float]] = []
    seen = 0
    for bucket in range(LAST_BUCKET + 1):
        seen += found.get(bucket, 0)
        if bucket % COARSE == 0:
            rows.append((f"{upper_bound(bucket):.6g}", seen))
    rows.append(("+Inf", seen))
    return rows


@bp.get("/metrics")
def metrics() -> Response:
    """Prometheus text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(StoreCollector(services()))
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
