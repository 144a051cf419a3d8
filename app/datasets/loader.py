"""One load of a dataset from beginning to end, by one process."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field

import numpy as np

from app.datasets import first_posts
from app.datasets.bulk import REPLACED, Bulk
from app.datasets.directories import directories_of, follower_counts
from app.datasets.kinds import thresholds_of
from app.datasets.loads import Busy, Loaded, LoadStopped, Progress, Report
from app.datasets.population import Population, generate
from app.datasets.presets import PRESETS
from app.datasets.state import DatasetState
from app.engine.engine import Engine
from app.engine.errors import FanoutError, StoreDown

HEARTBEAT_SECONDS = 0.25
STAGES = {"generating": 0.3, "clearing": 0.4, "loading": 0.9, "first posts": 1.0}
"""The share of the whole time at whose end each is over, roughly, from the preset `large`."""

log = logging.getLogger("fanout.datasets")


@dataclass
class Loader:
    """Runs one load under a token that `DatasetState` has accepted as the loader's."""

    engine: Engine
    token: str
    preset: str
    seed: int
    progress: Progress
    _seconds: dict[str, float] = field(default_factory=dict)
    _share: float = 0.0
    _replaced: bool = False
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self, graph: Population | None = None) -> Loaded:
        """Clears the store, loads the graph, or what the preset makes, and publishes first posts.

        Raises `Busy` when another loader took over, `StoreDown`, or what the progress callback
        raises. The state of the dataset says then why it failed, if the store still takes notes.
        """
        heartbeats = threading.Thread(target=self._give_heartbeats, daemon=True)
        heartbeats.start()
        try:
            with closing(self.engine.store.with_long_timeout()) as store:
                return self._run(graph, Engine(self.engine.settings, store))
        except BaseException as error:
            self._note_failure(error)
            raise
        finally:
            self._over.set()
            heartbeats.join()

    def _run(self, graph: Population | None, engine: Engine) -> Loaded:
        bulk = Bulk(engine.store, self.token, engine.settings.timeline_ttl)
        state = DatasetState(engine.store)
        with self._stage("generating") as report:
            population = graph or generate(self.preset, self.seed, report)
        with self._stage("clearing") as report:
            bulk.take_over()
            engine.graph.fix_shards()
            removed = bulk.wipe(report)
        with self._stage("loading") as report:
            bulk.load(population, report)
            counts = follower_counts(population)
            thresholds = thresholds_of(np.sort(counts)[::-1].tolist())
            directories = directories_of(population, counts, thresholds, self.seed)
            state.set_directories(directories)
        with self._stage("first posts") as report:
            users = [user for ids in directories.values() for user in ids]
            followers = counts[np.searchsorted(population.user_ids, users)].tolist()
            posts = first_posts.plan(directories, dict(zip(users, followers, strict=True)))
            first_posts.publish_all(engine, posts, report)
            engine.counters.flush(force=True)
        bulk.let_go()
        size = {"users": population.users, "edges": population.edges}
        finished = {"status": "ready", "percent": 100, **size, **asdict(thresholds)}
        if not state.finish(self.token, finished):
            raise Busy(REPLACED)
        return Loaded(**size, posts=len(posts), removed_keys=removed, seconds=self._seconds)

    @contextmanager
    def _stage(self, name: str) -> Iterator[Report]:
        """A part of the load: measures its time, and gives what maps its progress to that of the
        whole. Raises `Busy` there when another loader took over."""
        begin, end = self._share, STAGES[name]

        def report(done: float, total: float) -> None:
            if self._replaced:
                raise Busy(REPLACED)
            self._share = begin + (end - begin) * (done / total if total else 1)
            self.progress(name, self._share)

        begun = time.perf_counter()
        report(0, 1)
        yield report
        self._seconds[name] = time.perf_counter() - begun

    def _give_heartbeats(self) -> None:
        """Tells the store that this loader is alive, until the load is over."""
        state = DatasetState(self.engine.store)
        while not self._over.wait(HEARTBEAT_SECONDS) and not self._replaced:
            with suppress(StoreDown):  # the load itself will fail, or the store come back
                percent = min(99, int(100 * self._share))
                self._replaced = not state.heartbeat(self.token, percent)

    def _note_failure(self, error: BaseException) -> None:
        repeatable = self.preset in PRESETS
        fields: dict[str, str | int] = {"status": "failed", "error": type(error).__name__}
        match error:
            case LoadStopped():
                fields["error"] = "It was stopped."
                if repeatable:
                    fields |= {"wanted": self.preset, "wanted_seed": self.seed}
            case StoreDown() if repeatable:
                return  # a worker begins it again after the lease time-out
            case StoreDown():
                fields["error"] = "The store did not answer in time."
            case FanoutError():
                fields["error"] = error.detail
        try:
            DatasetState(self.engine.store).finish(self.token, fields)
        except StoreDown:
            log.warning("the store went away while a dataset was loaded")
