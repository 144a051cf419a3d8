"""One load of a dataset from beginning to end, by one process.

Needs numpy and the whole graph in memory, so it is imported only where data is loaded.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np

from app.datasets import first_posts
from app.datasets.bulk import Bulk
from app.datasets.directories import directories_of, follower_counts
from app.datasets.kinds import thresholds_of
from app.datasets.population import Population
from app.datasets.state import DatasetState
from app.engine.engine import Engine
from app.engine.errors import Busy, StoreDown
from app.engine.store.client import Store
from app.settings import Settings

HEARTBEAT_SECONDS = 0.25
Progress = Callable[[str, float], None]
"""Called with what is being done and the share of the whole that is done (0..1). May raise to
stop the load."""

Make = Callable[[Callable[[float], None]], Population]
"""Makes the population and reports the share done."""

# Rough shares of the whole time, from the preset `large`.
_STAGES = {"generating": 0.3, "clearing": 0.1, "loading": 0.5, "first posts": 0.1}


@dataclass(slots=True)
class Loaded:
    """What was loaded, and the seconds each stage took."""

    users: int = 0
    edges: int = 0
    posts: int = 0
    removed_keys: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


class Loader:
    """Runs one load under a token that `DatasetState` has accepted as the loader's."""

    def __init__(
        self, store: Store, settings: Settings, token: str, progress: Progress | None = None
    ) -> None:
        self._store = store
        self._settings = settings
        self._state = DatasetState(store)
        self._token = token
        self._progress = progress or (lambda *_: None)
        self._percent = 0
        self._replaced = threading.Event()
        self._over = threading.Event()

    def run(self, make: Make, seed: int) -> Loaded:
        """Makes the population, clears the store, loads, publishes the first posts.

        Raises `Busy` when another loader took over, `StoreDown`, or whatever `make` or the
        progress callback raise; the dataset is left as it is then, and the caller says how.
        """
        heart = threading.Thread(target=self._heartbeat, name="dataset-heart", daemon=True)
        heart.start()
        try:
            return self._run(make, seed)
        finally:
            self._over.set()
            heart.join()

    def _run(self, make: Make, seed: int) -> Loaded:
        with closing(self._store.with_long_timeout()) as store:
            return self._load(make, seed, Engine(self._settings, store))

    def _load(self, make: Make, seed: int, engine: Engine) -> Loaded:
        loaded = Loaded()
        bulk = Bulk(engine.store, self._token, self._settings.timeline_ttl)
        state = DatasetState(engine.store)
        with _Stage(self, "generating", loaded) as stage:
            population = make(stage.report)
        with _Stage(self, "clearing", loaded) as stage:
            bulk.take_over()
            loaded.removed_keys = bulk.wipe(stage.report_of)
        with _Stage(self, "loading", loaded) as stage:
            bulk.load(population, stage.report_of)
            counts = follower_counts(population)
            thresholds = thresholds_of(np.sort(counts)[::-1].tolist())
            directories = directories_of(population, counts, thresholds, seed)
            for kind, ids in directories.items():
                state.set_directory(kind, ids)
        with _Stage(self, "first posts", loaded) as stage:
            users = [user for ids in directories.values() for user in ids]
            positions = np.searchsorted(population.user_ids, users)
            followers = dict(zip(users, counts[positions].tolist(), strict=True))
            posts = first_posts.plan(directories, followers)
            deliver = engine.deliverer(f"loader-{os.getpid()}").run_until_idle
            first_posts.publish_all(engine, posts, deliver, stage.report_of)
            loaded.posts = len(posts)
            engine.counters.flush(force=True)
        bulk.let_go()
        loaded.users, loaded.edges = population.users, population.edges
        finished = state.finish(
            self._token,
            {
                "status": "ready",
                "percent": 100,
                "users": population.users,
                "edges": population.edges,
                "shards": self._store.shards,
                "celebrity_from": thresholds.celebrity_from,
                "popular_from": thresholds.popular_from,
            },
        )
        if not finished:
            raise Busy(_REPLACED)
        return loaded

    def tell(self, stage: str, share: float) -> None:
        """Notes the progress; raises `Busy` when another loader took over."""
        if self._replaced.is_set():
            raise Busy(_REPLACED)
        self._percent = min(99, int(100 * share))
        self._progress(stage, share)

    def _heartbeat(self) -> None:
        """Tells the store that this loader is alive, until the load is over."""
        while not self._over.wait(HEARTBEAT_SECONDS):
            try:
                if not self._state.heartbeat(self._token, self._percent):
                    self._replaced.set()
                    return
            except StoreDown:
                continue  # the load itself will fail, or the store come back


_REPLACED = "Another loader took over; this one stopped."


class _Stage:
    """A part of the load: measures its time, and maps its progress to that of the whole."""

    def __init__(self, loader: Loader, name: str, loaded: Loaded) -> None:
        self._loader = loader
        self._name = name
        self._loaded = loaded
        names = list(_STAGES)
        self._base = sum(_STAGES[before] for before in names[: names.index(name)])

    def __enter__(self) -> _Stage:
        self._begun = time.perf_counter()
        self.report(0.0)
        return self

    def __exit__(self, *failure: object) -> None:
        self._loaded.seconds[self._name] = time.perf_counter() - self._begun

    def report(self, share: float) -> None:
        self._loader.tell(self._name, self._base + share * _STAGES[self._name])

    def report_of(self, done: int, total: int) -> None:
        self.report(done / total if total else 1.0)
