"""The services of one process, wired to one store."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from app.services.control import Controls
from app.services.datasets import Datasets
from app.services.dead_letters import DeadLetters
from app.services.fanout import Deliverer
from app.services.feeds import Feeds
from app.services.graph import Following
from app.services.hybrid import Hybrid
from app.services.log_cache import LogCache
from app.services.metrics import Reporting
from app.services.publishing import Publishing
from app.services.releases import Releases
from app.services.upkeep import Upkeep
from app.services.users import Users
from app.settings import Settings
from app.storage.client import Store
from app.storage.control import Control
from app.storage.dataset_state import DatasetState
from app.storage.graph import Graph
from app.storage.jobs import Jobs
from app.storage.metrics import Metrics
from app.storage.posts import Posts
from app.storage.pullers import Pullers
from app.storage.timelines import Timelines


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
    heartbeats: Control
    datasets: Datasets
    releases: Releases
    upkeep: Upkeep
    dead_letters: DeadLetters
    jobs: Jobs
    posts: Posts
    pullers: Pullers
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
    pullers = Pullers(store, settings.pullers_cache_ms / 1000, clock)
    counters, control, dataset = Metrics(store), Control(store), DatasetState(store)
    hybrid = Hybrid(settings, counters, control, posts, pullers, dataset)
    log_cache = LogCache(posts, counters, settings.log_cache_ms / 1000, clock)
    publishing = Publishing(settings, posts, graph, pullers, hybrid, log_cache, jobs, counters)
    return Services(
        settings=settings,
        store=store,
        publishing=publishing,
        feeds=Feeds(store, settings, posts, graph, timelines, pullers, log_cache, counters),
        graph=Following(graph),
        users=Users(graph, dataset),
        metrics=Reporting(settings, counters, control, pullers, hybrid, dataset),
        counters=counters,
        control=Controls(control),
        heartbeats=control,
        datasets=Datasets(store, settings),
        releases=Releases(settings, pullers, graph, control),
        upkeep=Upkeep(jobs, control, settings.shards),
        dead_letters=DeadLetters(jobs, settings.shards),
        jobs=jobs,
        posts=posts,
        pullers=pullers,
        clock=clock,
    )
