"""The services of one process, wired to one store."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from app.datasets.datasets import Datasets
from app.datasets.state import DatasetState
from app.datasets.users import Users
from app.engine.delivery.controls import Controls
from app.engine.delivery.dead_letters import DeadLetters
from app.engine.delivery.deliverer import Deliverer
from app.engine.delivery.maintenance import Maintenance
from app.engine.delivery.releases import Releases
from app.engine.feeds.feeds import Feeds
from app.engine.feeds.log_cache import LogCache
from app.engine.following import Following
from app.engine.metrics.reporting import Reporting
from app.engine.publishing.hybrid import Hybrid
from app.engine.publishing.publishing import Publishing
from app.engine.store.client import Store
from app.engine.store.control import Control
from app.engine.store.counters import Metrics
from app.engine.store.graph import Graph
from app.engine.store.jobs import Jobs
from app.engine.store.posts import Posts
from app.engine.store.pulled_authors import PulledAuthors
from app.engine.store.timelines import Timelines
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """What web, worker and commands may ask for."""

    settings: Settings
    store: Store
    publishing: Publishing
    feeds: Feeds
    graph: Following
    users: Users
    metrics: Reporting
    counters: Metrics
    control: Controls
    control_store: Control
    datasets: Datasets
    releases: Releases
    maintenance: Maintenance
    dead_letters: DeadLetters
    jobs: Jobs
    posts: Posts
    pulled_authors: PulledAuthors
    clock: Callable[[], float]

    def deliverer(self, worker: str) -> Deliverer:
        """A deliverer of its own for one worker."""
        return Deliverer(
            self.store, self.settings, self.jobs, self.posts, self.counters, worker, self.clock
        )


def build_services(
    settings: Settings, store: Store, clock: Callable[[], float] = time.monotonic
) -> Services:
    """Wires the services. Nothing is asked of the store yet. `clock` tells the seconds by which
    kept copies and the silence of jobs are judged."""
    posts, graph = Posts(store, settings), Graph(store, settings)
    timelines, jobs = Timelines(store, settings), Jobs(store, settings)
    pulled_authors = PulledAuthors(store, settings.pulled_authors_cache_ms / 1000, clock)
    counters, control, dataset = Metrics(store), Control(store), DatasetState(store)
    hybrid = Hybrid(settings, counters, control, posts, pulled_authors, dataset)
    log_cache = LogCache(posts, counters, settings.log_cache_ms / 1000, clock)
    publishing = Publishing(
        settings, posts, graph, pulled_authors, hybrid, log_cache, jobs, counters
    )
    return Services(
        settings=settings,
        store=store,
        publishing=publishing,
        feeds=Feeds(store, settings, posts, graph, timelines, pulled_authors, log_cache, counters),
        graph=Following(graph),
        users=Users(graph, dataset),
        metrics=Reporting(settings, counters, control, pulled_authors, hybrid, dataset),
        counters=counters,
        control=Controls(control),
        control_store=control,
        datasets=Datasets(store, settings),
        releases=Releases(settings, pulled_authors, graph, control),
        maintenance=Maintenance(jobs, control, settings.shards),
        dead_letters=DeadLetters(jobs, settings.shards),
        jobs=jobs,
        posts=posts,
        pulled_authors=pulled_authors,
        clock=clock,
    )
