"""The hybrid strategy's choice: push or pull, for each post of each author.

`cost` compares measured costs (`costs.py`); `followers` is the fixed rule that most articles
describe: pull from so many followers on. Authors with few followers are always pushed,
for each pulled author also makes every other reader's list longer. As long as nothing has been
measured `cost` falls back on the fixed rule. Weakness: readers are taken to read equally often.
Alternative: rates for each edge, as in the paper, at the price of state for each edge.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from typing_extensions import TypedDict

from ..ids import millis_of
from ..models import STRATEGIES, PullReason
from ..settings import EngineSettings
from ..store.counters import WINDOW_SECONDS, Counts, Metrics, buckets
from ..store.graph import Graph
from ..store.posts import Posts
from ..store.pulled_authors import PulledAuthors
from .costs import Costs, Habits, prefers_pull

REFRESH_SECONDS = 2.0
RECENT_POSTS = 10
"""The author's rate is taken from so many posts: enough to tell a burst from a habit."""
ENOUGH = 50
"""Measurements of a cost before it is believed."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of the system's costs and readers; `costs` is None until all are measured."""

    costs: Costs | None
    reads_per_user: float
    processes: int


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
    """Decides for the posts of one process. Costs are looked up every REFRESH_SECONDS."""

    def __init__(
        self,
        settings: EngineSettings,
        metrics: Metrics,
        posts: Posts,
        pulled_authors: PulledAuthors,
        graph: Graph,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._posts = posts
        self._pulled_authors = pulled_authors
        self._graph = graph
        self._measured = Measured(None, 0.0, 1)
        self._fresh_until = 0.0

    def pull_reason(self, author_id: int, followers: int) -> PullReason | None:
        """What makes a post of this author a pulled one; None: it goes out by push."""
        if followers < self._settings.large_author_followers:
            return None
        measured = self.measured()
        if self._settings.hybrid_rule == "followers" or measured.costs is None:
            return "threshold" if followers >= self._settings.celebrity_followers else None
        habits = Habits(
            followers, self._posting_rate(author_id), measured.reads_per_user * followers
        )
        fetches = measured.processes / max(0.001, self._settings.log_cache_ms / 1000)
        pulled_now = author_id in self._pulled_authors.author_ids()
        pulls = prefers_pull(measured.costs, habits, fetches, pulled_now=pulled_now)
        return "costs" if pulls else None

    def measured(self) -> Measured:
        """Costs and readers, at most REFRESH_SECONDS old."""
        if time.monotonic() >= self._fresh_until:
            counts = self._metrics.read()
            users = max(1, self._graph.count())
            self._measured = Measured(costs_of(counts), _reads(counts) / users, self._processes())
            self._fresh_until = time.monotonic() + REFRESH_SECONDS
        return self._measured

    def report(self, counts: Counts) -> Choice:
        """The choice's inputs, for the metrics."""
        hits, misses = (
            counts.total.get("log_cache:hits", 0),
            counts.total.get("log_cache:misses", 0),
        )
        return {
            "rule": self._settings.hybrid_rule,
            "measured": costs_of(counts) is not None,
            "delivery_us": _micros(counts, "delivery"),
            "log_fetch_us": _micros(counts, "log_fetch"),
            "log_merge_us": _micros(counts, "log_merge"),
            "cache_hits": hits,
            "cache_misses": misses,
            "cache_hit_rate": round(hits / (hits + misses), 4) if hits + misses else None,
            "cache_age_ms": self._settings.log_cache_ms,
        }

    def _posting_rate(self, author_id: int) -> float:
        """Posts per second: the last RECENT_POSTS, the one to be decided among them."""
        log = self._posts.log_pages([author_id], 0, RECENT_POSTS)[author_id]
        if not log:
            return 0.0
        span = max(1.0, time.time() - millis_of(log[-1]) / 1000)
        return (len(log) + 1) / span

    def _processes(self) -> int:
        return max(1, self._settings.web_workers)


def costs_of(counts: Counts) -> Costs | None:
    """The measured costs since the dataset was loaded; None until each was measured ENOUGH."""
    delivery, fetch, merge = (
        _cost(counts, name) for name in ("delivery", "log_fetch", "log_merge")
    )
    if delivery is None or fetch is None or merge is None:
        return None
    return Costs(delivery, fetch, merge)


def _cost(counts: Counts, name: str) -> float | None:
    """Seconds that one takes; None before it was measured ENOUGH."""
    times = counts.total.get(f"cost:{name}", 0)
    return counts.total.get(f"cost:{name}_ns", 0) / times / 1e9 if times >= ENOUGH else None


def _micros(counts: Counts, name: str) -> float | None:
    seconds = _cost(counts, name)
    return None if seconds is None else round(seconds * 1e6, 3)


def _reads(counts: Counts) -> float:
    pages = sum(sum(buckets(counts.window, "feed", strategy).values()) for strategy in STRATEGIES)
    return pages / WINDOW_SECONDS
