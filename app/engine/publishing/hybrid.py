"""The hybrid strategy's choice: push or pull, for each post of each author.

`cost` compares measured costs (`costs.py`); `followers` is the fixed rule that most articles
describe: pull from so many followers on, and what `cost` does until all costs are measured.
Authors with few followers are always pushed: every reader is checked against all pulled authors.
Weakness: all readers are assumed to read equally often. Alternative: rates for each edge, as in
the paper, at the price of state for each edge.
"""

import time

from typing_extensions import TypedDict

from ..ids import millis_of
from ..models import STRATEGIES, PullReason
from ..settings import EngineSettings
from ..store.counters import WINDOW_SECONDS, Counts, buckets
from ..store.data import Data
from .costs import Costs, prefers_pull

REFRESH_SECONDS = 2.0
RECENT_POSTS = 10
"""Posts from which the author's rate is taken: enough to tell a burst from a habit."""
COSTS = ("delivery", "log_fetch", "log_merge")
MIN_MEASUREMENTS = 50
"""Measurements of a cost before it is believed."""


class Choice(TypedDict):
    """The choice's inputs: costs in microseconds, None until they were measured."""

    rule: str
    measured: bool
    delivery_us: float | None
    log_fetch_us: float | None
    log_merge_us: float | None
    cache_hits: int
    cache_misses: int
    cache_hit_rate: float | None
    cache_age_ms: int


class Hybrid:
    """Decides for the posts of one process, by costs that are at most REFRESH_SECONDS old."""

    def __init__(self, data: Data) -> None:
        self._data = data
        self._costs: Costs | None = None
        self._reads_per_user = 0.0
        self._fresh_until = 0.0

    def pull_reason(self, author_id: int, followers: int) -> PullReason | None:
        """What makes a post of this author a pulled one; None: it is pushed."""
        settings = self._data.settings
        if followers < settings.large_author_followers:
            return None
        costs = self._measured_costs()
        if settings.hybrid_rule == "followers" or costs is None:
            return "threshold" if followers >= settings.celebrity_followers else None
        # Each process keeps a log that long, and fetches it no sooner.
        max_fetches = settings.web_workers / max(0.001, settings.log_cache_ms / 1000)
        push = costs.push(followers, self._posting_rate(author_id))
        pull = costs.pull(self._reads_per_user * followers, max_fetches)
        pulled_now = author_id in self._data.pulled_authors.author_ids()
        return "costs" if prefers_pull(push, pull, pulled_now=pulled_now) else None

    def _measured_costs(self) -> Costs | None:
        """None until all were measured. Looks up the readers' rate too."""
        if time.monotonic() >= self._fresh_until:
            counts = self._data.counters.read()
            pages = sum(sum(buckets(counts.window, "feed", name).values()) for name in STRATEGIES)
            costs = _costs(counts)
            self._costs = Costs(**costs) if len(costs) == len(COSTS) else None
            self._reads_per_user = pages / WINDOW_SECONDS / max(1, self._data.graph.count())
            self._fresh_until = time.monotonic() + REFRESH_SECONDS
        return self._costs

    def _posting_rate(self, author_id: int) -> float:
        """Posts per second: the last RECENT_POSTS and the one to be decided."""
        (log,) = self._data.posts.log_pages([author_id], 0, RECENT_POSTS).values()
        if not log:
            return 0.0
        return (len(log) + 1) / max(1.0, time.time() - millis_of(log[-1]) / 1000)


def choice(settings: EngineSettings, counts: Counts) -> Choice:
    """The choice's inputs, for the metrics."""
    micros = {name: round(seconds * 1e6, 3) for name, seconds in _costs(counts).items()}
    hits = counts.total.get("log_cache:hits", 0)
    misses = counts.total.get("log_cache:misses", 0)
    return {
        "rule": settings.hybrid_rule,
        "measured": len(micros) == len(COSTS),
        "delivery_us": micros.get("delivery"),
        "log_fetch_us": micros.get("log_fetch"),
        "log_merge_us": micros.get("log_merge"),
        "cache_hits": hits,
        "cache_misses": misses,
        "cache_hit_rate": round(hits / (hits + misses), 4) if hits + misses else None,
        "cache_age_ms": settings.log_cache_ms,
    }


def _costs(counts: Counts) -> dict[str, float]:
    """Seconds that each cost takes, of those that were measured often enough."""
    times = {name: counts.total.get(f"cost:{name}", 0) for name in COSTS}
    return {
        name: counts.total[f"cost:{name}_ns"] / count / 1e9
        for name, count in times.items()
        if count >= MIN_MEASUREMENTS
    }
