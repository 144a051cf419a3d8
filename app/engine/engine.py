"""The engine: its parts, wired to one store."""

from __future__ import annotations

import time
from collections.abc import Callable

from app.settings import Settings

from .delivery.controls import Controls
from .delivery.dead_letters import DeadLetters
from .delivery.deliverer import Deliverer
from .delivery.maintenance import Maintenance
from .delivery.releases import Releases
from .feeds.feeds import Feeds
from .feeds.log_cache import LogCache
from .following import Following
from .metrics.reporting import Reporting
from .publishing.hybrid import Hybrid
from .publishing.publishing import Publishing
from .store.client import Store
from .store.control import Control
from .store.counters import Metrics
from .store.graph import Graph
from .store.jobs import Jobs
from .store.posts import Posts
from .store.pulled_authors import PulledAuthors
from .store.timelines import Timelines


class Engine:
    """Publishing, feeds and deliveries of one process. Nothing is asked of the store yet.

    `clock` tells the seconds by which kept copies and the lease time-outs of jobs are judged.
    """

    def __init__(
        self, settings: Settings, store: Store, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.settings = settings
        self.store = store
        self.clock = clock
        graph = Graph(store, settings)
        self.posts = Posts(store, settings)
        self.jobs = Jobs(store, settings)
        self.pulled_authors = PulledAuthors(store, settings.pulled_authors_cache_ms / 1000, clock)
        self.counters = Metrics(store)
        self.control_store = Control(store)
        hybrid = Hybrid(
            settings, self.counters, self.control_store, self.posts, self.pulled_authors, graph
        )
        log_cache = LogCache(self.posts, self.counters, settings.log_cache_ms / 1000, clock)
        self.publishing = Publishing(
            settings,
            self.posts,
            graph,
            self.pulled_authors,
            hybrid,
            log_cache,
            self.jobs,
            self.counters,
        )
        self.feeds = Feeds(
            store,
            settings,
            self.posts,
            graph,
            Timelines(store, settings),
            self.pulled_authors,
            log_cache,
            self.counters,
        )
        self.graph = Following(graph)
        self.metrics = Reporting(
            settings, self.counters, self.control_store, self.pulled_authors, hybrid
        )
        self.control = Controls(self.control_store)
        self.releases = Releases(settings, self.pulled_authors, graph, self.control_store)
        self.maintenance = Maintenance(self.jobs, self.control_store, settings.shards)
        self.dead_letters = DeadLetters(self.jobs, settings.shards)

    def deliverer(self, worker: str) -> Deliverer:
        """A deliverer of its own for one worker."""
        return Deliverer(
            self.store, self.settings, self.jobs, self.posts, self.counters, worker, self.clock
        )
