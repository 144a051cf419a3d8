"""Loading datasets, exactly one at a time: which process may load, and what a failure leaves.

It needs numpy and holds whole graphs in memory: only `Services.loading` imports it.
"""

import logging
import secrets
import time
from collections.abc import Iterable
from functools import partial

from app.datasets import edgelist
from app.datasets.edgelist import EdgeList
from app.datasets.loader import Loader, Make
from app.datasets.loads import Loaded, LoadStopped, Progress
from app.datasets.population import Population, generate
from app.datasets.presets import PRESETS, checked_seed, preset_of
from app.datasets.state import DatasetState
from app.engine.engine import Engine
from app.engine.errors import Busy, FanoutError, StoreDown
from app.engine.store.keys import MAX_USER_ID
from app.settings import Settings

LOOK_SECONDS = 0.25
"""How often a worker looks for a request."""

FILE_PRESET = "file"
"""The name of a dataset that was read from an edge list."""

log = logging.getLogger("fanout.datasets")


class Loading:
    """Loads what a page asked for, or what a command names."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._settings = settings
        self._engine = engine
        self._state = DatasetState(engine.store)
        self._next_look = 0.0

    def run_pending(self, progress: Progress | None = None) -> bool:
        """For a worker's loop: loads what was asked for, what a dead loader left, or the first
        dataset of an empty store. Returns whether it loaded; looks every LOOK_SECONDS only.

        A load that fails is logged and shown as the dataset's state. Raises `StoreDown`.
        """
        if time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + LOOK_SECONDS
        self.request_first()
        token = secrets.token_hex(8)
        work = self._state.lease_work(token)
        if work is None:
            return False
        preset, seed = work
        log.info("loading dataset %s, seed %d", preset, seed)
        try:
            loaded = self._load(token, partial(generate, preset, seed), preset, seed, progress)
        except (LoadStopped, Busy):
            log.info("loading dataset %s ends here; another worker loads it", preset)
        except StoreDown:
            raise
        except Exception:
            log.exception("loading dataset %s failed", preset)
        else:
            log.info("loaded %d users and %d edges", loaded.users, loaded.edges)
        return True

    def request_first(self) -> bool:
        """Asks for the dataset of the settings if the store is empty; whether it did. On a server
        that others may use only a command does."""
        preset = self._settings.dataset
        if not self._settings.owns_store or preset == "none":
            return False
        if self._state.current()["status"] != "empty" or self._engine.graph.count():
            return False
        return self._state.request_first(preset, self._settings.seed)

    def load_preset(self, preset: str, seed: int, progress: Progress | None = None) -> Loaded:
        """Replaces everything by a generated dataset, here and now.

        Raises `BadRequest` for an unknown preset, `Busy` while another load is under way.
        """
        preset_of(preset)
        token = self._lease(preset, checked_seed(seed), repeatable=True)
        return self._load(token, partial(generate, preset, seed), preset, seed, progress)

    def load_graph(self, population: Population, progress: Progress | None = None) -> Loaded:
        """Replaces everything by this graph. Raises `Busy` while another load is under way."""
        seed = self._settings.seed
        token = self._lease(FILE_PRESET, seed, repeatable=False)
        return self._load(token, lambda _: population, FILE_PRESET, seed, progress)

    def parse(self, lines: Iterable[str], *, undirected: bool) -> EdgeList:
        """The graph of an edge list. Raises `BadRequest`."""
        return edgelist.parse(lines, MAX_USER_ID, undirected=undirected)

    def _lease(self, preset: str, seed: int, *, repeatable: bool) -> str:
        token = secrets.token_hex(8)
        if not self._state.lease(token, preset, seed, repeatable=repeatable):
            raise Busy("Another process is loading a dataset.")
        return token

    def _load(
        self, token: str, make: Make, preset: str, seed: int, progress: Progress | None
    ) -> Loaded:
        try:
            return Loader(self._settings, self._engine.store, token, progress).run(make, seed)
        except BaseException as error:
            self._note_failure(token, preset, seed, error)
            raise

    def _note_failure(self, token: str, preset: str, seed: int, error: BaseException) -> None:
        """Notes why the load failed, if the store still takes notes."""
        again: dict[str, str | int] = {}
        match error:
            case LoadStopped():
                reason = "It was stopped."
                if preset in PRESETS:
                    again = {"wanted": preset, "wanted_seed": seed}
            case StoreDown() if preset != FILE_PRESET:
                return  # a worker begins it again after the lease time-out
            case StoreDown():
                reason = "The store did not answer in time."
            case FanoutError():
                reason = error.detail
            case _:
                reason = type(error).__name__
        try:
            self._state.finish(token, {"status": "failed", "error": reason, **again})
        except StoreDown:
            log.warning("the store went away while a dataset was loaded")
