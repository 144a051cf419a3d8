"""Datasets: asked for by a page, loaded by a worker or a command, exactly one at a time."""

from __future__ import annotations

import logging
import secrets
import time
from typing import TYPE_CHECKING

from typing_extensions import TypedDict

from app.datasets.presets import PRESETS, checked_seed, preset_of
from app.datasets.state import DatasetState, Status
from app.engine.errors import Busy, FanoutError, StoreDown
from app.engine.store.client import Store
from app.settings import Settings

if TYPE_CHECKING:  # numpy is loaded only by the processes that load data
    from app.datasets.loading import Loaded, Make, Progress
    from app.datasets.population import Population

LOOK_SECONDS = 0.25
"""How often a worker looks for a request."""

FILE_PRESET = "file"
"""The name of a dataset that was read from an edge list."""

log = logging.getLogger("fanout.datasets")


class LoadStopped(Exception):
    """Raise it in a progress callback to stop a load; another worker will begin it again."""


class Dataset(TypedDict):
    """Which dataset is loaded, or how far the loading is.

    `waiting`: no worker has begun yet. The thresholds (followers) are None while there is no
    dataset, `seconds` (what the loading took) until one was loaded.
    """

    preset: str | None
    seed: int
    status: Status
    percent: int
    waiting: bool
    users: int
    edges: int
    celebrity_from: int | None
    popular_from: int | None
    seconds: float | None
    error: str | None


class Datasets:
    """What is loaded, and loading something else."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._state = DatasetState(store)
        self._next_look = 0.0

    def request(self, preset: str, seed: int) -> None:
        """Asks the workers for a generated dataset. Everything now in the store will go.

        Raises `BadRequest` for an unknown preset, `Busy` while another load is under way.
        """
        preset_of(preset)
        if not self._state.request(preset, checked_seed(seed)):
            raise Busy("A dataset is being loaded.")

    def current(self) -> Dataset:
        """What is loaded or being loaded."""
        state = self._state.read()
        known = state.status == "ready"
        return {
            "preset": state.preset or None,
            "seed": state.seed,
            "status": state.status,
            "percent": state.percent,
            "waiting": state.waiting,
            "users": state.users,
            "edges": state.edges,
            "celebrity_from": state.thresholds.celebrity_from if known else None,
            "popular_from": state.thresholds.popular_from if known else None,
            "seconds": state.seconds,
            "error": state.error or None,
        }

    def ensure(self) -> bool:
        """Asks for the dataset of the settings if the store is empty; whether it did. On a server
        that others may use only a command does."""
        preset = self._settings.dataset
        if not self._settings.owns_store or preset == "none" or not self._state.is_empty():
            return False
        preset_of(preset)
        return self._state.request(preset, checked_seed(self._settings.seed), only_new=True)

    def run_pending(self, progress: Progress | None = None) -> bool:
        """For a worker's loop: loads what was asked for, what a dead loader left, or the first
        dataset of an empty store. Returns whether it loaded; looks every LOOK_SECONDS only.

        A load that fails is logged and shown by `current`. Raises `StoreDown`.
        """
        if time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + LOOK_SECONDS
        self.ensure()
        token = _new_token()
        work = self._state.lease_work(token)
        if work is None:
            return False
        preset, seed = work
        log.info("loading dataset %s, seed %d", preset, seed)
        try:
            loaded = self._generate(token, preset, seed, progress)
        except LoadStopped:
            log.info("loading was stopped; the next worker begins it again")
        except Busy:
            log.warning("another worker took over loading dataset %s", preset)
        except StoreDown:
            raise
        except Exception:
            log.exception("loading dataset %s failed", preset)
        else:
            log.info("loaded %d users and %d edges", loaded.users, loaded.edges)
        return True

    def load_preset(self, preset: str, seed: int, progress: Progress | None = None) -> Loaded:
        """Replaces everything by a generated dataset, here and now.

        Raises `BadRequest` for an unknown preset, `Busy` while another load is under way.
        """
        preset_of(preset)
        token = self._leased(preset, checked_seed(seed), repeatable=True)
        return self._generate(token, preset, seed, progress)

    def load_graph(self, population: Population, progress: Progress | None = None) -> Loaded:
        """Replaces everything by this graph. Raises `Busy` while another load is under way."""
        seed = self._settings.seed
        token = self._leased(FILE_PRESET, seed, repeatable=False)
        return self._load(token, lambda _: population, FILE_PRESET, seed, progress)

    def _leased(self, preset: str, seed: int, *, repeatable: bool) -> str:
        token = _new_token()
        if not self._state.lease(token, preset, seed, repeatable=repeatable):
            raise Busy("Another process is loading a dataset.")
        return token

    def _generate(self, token: str, preset: str, seed: int, progress: Progress | None) -> Loaded:
        from app.datasets.population import generate

        return self._load(
            token, lambda report: generate(preset, seed, report), preset, seed, progress
        )

    def _load(
        self, token: str, make: Make, preset: str, seed: int, progress: Progress | None
    ) -> Loaded:
        from app.datasets.loading import Loader

        loader = Loader(self._store, self._settings, token, progress)
        try:
            return loader.run(make, seed)
        except LoadStopped:
            again: dict[str, str | int] = {}
            if preset in PRESETS:
                again = {"wanted": preset, "wanted_seed": seed}
            self._failed(token, "It was stopped.", again)
            raise
        except StoreDown:
            # Nothing to note it in. The silence tells, and a worker begins a preset again.
            if preset == FILE_PRESET:
                self._failed(token, "The store did not answer in time.", {})
            raise
        except BaseException as error:
            detail = error.detail if isinstance(error, FanoutError) else type(error).__name__
            self._failed(token, detail, {})
            raise

    def _failed(self, token: str, reason: str, fields: dict[str, str | int]) -> None:
        """Notes the failure, if the store still takes notes. If not, the silence tells."""
        try:
            self._state.finish(token, {"status": "failed", "error": reason, **fields})
        except StoreDown:
            log.warning("the store went away while a dataset was loaded")


def _new_token() -> str:
    return secrets.token_hex(8)
