"""One load of a dataset from beginning to end, by one process."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field

import numpy as np

from app.datasets import first_posts
from app.datasets.bulk import REPLACED, Bulk
from app.datasets.directories import directories_of, follower_counts
from app.datasets.kinds import thresholds_of
from app.datasets.loads import Loaded, Progress, Report
from app.datasets.population import Population
from app.datasets.state import DatasetState
from app.engine.engine import Engine
from app.engine.errors import Busy, StoreDown
from app.engine.store.client import Store
from app.settings import Settings

HEARTBEAT_SECONDS = 0.25

STAGES = {"generating": 0.3, "clearing": 0.1, "loading": 0.5, "first posts": 0.1}
"""Rough shares of the whole time, from the preset `large`."""

Make = Callable[[Callable[[float], None]], Population]
"""Makes the population and reports the share done."""


@dataclass
class Loader:
    """Runs one load under a token that `DatasetState` has accepted as the loader's."""

    settings: Settings
    store: Store
    token: str
    progress: Progress | None = None
    _loaded: Loaded = field(default_factory=Loaded)
    _percent: int = 0
    _replaced: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self, make: Make, seed: int) -> Loaded:
        """Makes the population, clears the store, loads, publishes the first posts.

        Raises `Busy` when another loader took over, `StoreDown`, or whatever `make` or the
        progress callback raise; the dataset is left as it is then, and the caller says how.
        """
        heartbeats = threading.Thread(target=self._give_heartbeats, daemon=True)
        heartbeats.start()
        try:
            with closing(self.store.with_long_timeout()) as store:
                return self._run(make, seed, Engine(self.settings, store))
        finally:
            self._over.set()
            heartbeats.join()

    def _run(self, make: Make, seed: int, engine: Engine) -> Loaded:
        loaded = self._loaded
        bulk = Bulk(engine.store, self.token, self.settings.timeline_ttl)
        state = DatasetState(engine.store)
        with self._stage("generating") as report:
            population = make(lambda share: report(share, 1))
        with self._stage("clearing") as report:
            bulk.take_over()
            loaded.removed_keys = bulk.wipe(report)
        with self._stage("loading") as report:
            bulk.load(population, report)
            counts = follower_counts(population)
            thresholds = thresholds_of(np.sort(counts)[::-1].tolist())
            directories = directories_of(population, counts, thresholds, seed)
            state.set_directories(directories)
        with self._stage("first posts") as report:
            users = [user for ids in directories.values() for user in ids]
            positions = np.searchsorted(population.user_ids, users)
            followers = dict(zip(users, counts[positions].tolist(), strict=True))
            posts = first_posts.plan(directories, followers)
            deliver = engine.deliverer(f"loader-{os.getpid()}").run_until_idle
            first_posts.publish_all(engine, posts, deliver, report)
            engine.counters.flush(force=True)
        bulk.let_go()
        loaded.users, loaded.edges, loaded.posts = population.users, population.edges, len(posts)
        finished: dict[str, str | int] = {
            "status": "ready",
            "percent": 100,
            "users": population.users,
            "edges": population.edges,
            "shards": engine.store.shards,
            **asdict(thresholds),
        }
        if not state.finish(self.token, finished):
            raise Busy(REPLACED)
        return loaded

    @contextmanager
    def _stage(self, name: str) -> Iterator[Report]:
        """A part of the load: measures its time, and gives what maps its progress to that of the
        whole. Raises `Busy` there when another loader took over."""
        names = list(STAGES)
        before = sum(STAGES[earlier] for earlier in names[: names.index(name)])

        def report(done: float, total: float) -> None:
            if self._replaced.is_set():
                raise Busy(REPLACED)
            share = before + STAGES[name] * (done / total if total else 1)
            self._percent = min(99, int(100 * share))
            if self.progress:
                self.progress(name, share)

        begun = time.perf_counter()
        report(0, 1)
        yield report
        self._loaded.seconds[name] = time.perf_counter() - begun

    def _give_heartbeats(self) -> None:
        """Tells the store that this loader is alive, until the load is over."""
        state = DatasetState(self.store)
        while not self._over.wait(HEARTBEAT_SECONDS):
            try:
                if not state.heartbeat(self.token, self._percent):
                    self._replaced.set()
                    return
            except StoreDown:
                continue  # the load itself will fail, or the store come back
