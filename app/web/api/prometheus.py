"""GET /metrics: the sums over all processes as Prometheus text.

prometheus-client's multi-process mode shares files, which does not fit several containers, so a
collector of ours hands it the sums that are kept in the store. No label is ever a user id.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate
from operator import getitem
from typing import Any

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from app.bootstrap import Services
from app.current import services
from app.engine.histogram import LAST_BUCKET, upper_bound
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
GAUGES = {
    "fanout_queue_jobs": ("Jobs not yet finished.", "queue.jobs"),
    "fanout_backlog_deliveries": ("Deliveries not yet made.", "queue.backlog"),
    "fanout_dead_letters": ("Jobs that kept failing.", "queue.dead"),
    "fanout_shards_away": ("Shards not counted: they do not answer.", "queue.shards_away"),
    "fanout_oldest_job_age_seconds": ("Age of the oldest open job, or 0.", "queue.oldest_age_ms"),
    "fanout_pull_authors": ("Authors read by pull.", "backpressure.pull_authors"),
    "fanout_active_users": ("Users seen in five minutes.", "active_users"),
    "fanout_workers": ("Live workers.", "workers.count"),
    "fanout_store_memory_bytes": ("Memory in use.", "store.memory_bytes"),
}
"""Each with its path in `/api/metrics`."""
COARSE = 4
"""Every fourth bucket is exported: bounds that double, thirty of them."""


@dataclass(frozen=True, slots=True)
class StoreCollector:
    """Turns the store's sums into metric families."""

    services: Services

    def collect(self) -> Iterator[Metric]:
        """All families; most of their names are those of `HISTOGRAMS`, `COUNTERS` and `GAUGES`."""
        now: Any = self.services.snapshot()  # adds this process's own counts first
        total = self.services.engine.counters.read().total
        for operation, (name, text) in HISTOGRAMS.items():
            histogram = HistogramMetricFamily(name, text, labels=["strategy"])
            for strategy in STRATEGIES:
                found = _cumulative(buckets(total, operation, strategy))
                seconds = total.get(f"{operation}:{strategy}:sum_us", 0) / 1e6
                histogram.add_metric([strategy], found, seconds)
            yield histogram
        for field, (name, text) in COUNTERS.items():
            yield CounterMetricFamily(name, text, value=total.get(field, 0))
        posts = CounterMetricFamily("fanout_posts", "Posts accepted.", labels=["strategy"])
        for strategy in STRATEGIES:
            posts.add_metric([strategy], total.get(f"posts:{strategy}", 0))
        stage = GaugeMetricFamily(
            "fanout_backpressure_stage", "1 for the stage in force.", labels=["stage"]
        )
        for name in ("normal", "deferring", "shedding"):
            stage.add_metric([name], int(now["backpressure"]["stage"] == name))
        yield from (posts, stage)
        for name, (text, path) in GAUGES.items():
            value = reduce(getitem, path.split("."), now) or 0
            yield GaugeMetricFamily(name, text, value / 1000 if path.endswith("_ms") else value)


def _cumulative(found: dict[int, int]) -> list[tuple[str, float]]:
    sums = accumulate(found.get(bucket, 0) for bucket in range(LAST_BUCKET + 1))
    bounds = [(f"{upper_bound(i):.6g}", seen) for i, seen in enumerate(sums) if i % COARSE == 0]
    return [*bounds, ("+Inf", sum(found.values()))]


@bp.get("/metrics")
def metrics() -> Response:
    """Prometheus text."""
    return Response(generate_latest(StoreCollector(services())), content_type=CONTENT_TYPE_LATEST)
