"""Loading datasets, exactly one at a time: which process may load, and what a failure leaves.

It needs numpy and holds whole graphs in memory: only `Services.loading` imports it.
"""

import logging
import secrets
import time
from contextlib import suppress

from app.datasets import edgelist
from app.datasets.loader import Loader
from app.datasets.loads import Busy, Loaded, LoadStopped, Progress, unreported
from app.datasets.population import Population
from app.datasets.presets import checked_seed, preset_of
from app.datasets.state import DatasetState
from app.engine.engine import Engine
from app.engine.errors import StoreDown
from app.settings import Settings

LOOK_SECONDS = 0.25
"""How often a worker looks for a request."""
FILE_PRESET = "file"
"""The name of a dataset that was read from an edge list."""

log = logging.getLogger("fanout.datasets")


class Loading:
    """Loads what a page asked for, or what a command names."""

    parse = staticmethod(edgelist.parse)

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._settings = settings
        self._engine = engine
        self._state = DatasetState(engine.store)
        self._next_look = 0.0

    def run_pending(self, progress: Progress = unreported) -> bool:
        """For a worker's loop: loads what was asked for, what a dead loader left, or the first
        dataset of an empty store. Returns whether it loaded; looks every LOOK_SECONDS only.

        A load that fails is logged and shown as the dataset's state. Raises `StoreDown`.
        """
        if time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + LOOK_SECONDS
        self._request_first()
        token = secrets.token_hex(8)
        work = self._state.lease_work(token)
        if work is None:
            return False
        preset, seed = work
        log.info("loading dataset %s, seed %d", preset, seed)
        try:
            loaded = Loader(self._engine, token, preset, seed, progress).run()
            log.info("loaded %d users and %d edges", loaded.users, loaded.edges)
        except (LoadStopped, Busy):
            log.info("loading dataset %s ends here; another worker loads it", preset)
        except StoreDown:
            raise
        except Exception:
            log.exception("loading dataset %s failed", preset)
        return True

    def _request_first(self) -> None:
        """Asks for the dataset of the settings if the store is empty. On a server that others may
        use only a command does."""
        wanted = self._settings.dataset
        if not self._settings.owns_store or wanted == "none":
            return
        if self._state.current()["status"] == "empty" and not self._engine.graph.count():
            with suppress(Busy):  # another worker was first
                self._state.request(wanted, self._settings.seed, only_new=True)

    def load_preset(self, preset: str, seed: int, progress: Progress = unreported) -> Loaded:
        """Replaces everything by a generated dataset, here and now.

        Raises `BadRequest` for an unknown preset, `Busy` while another load is under way.
        """
        preset_of(preset)
        return self._load(preset, checked_seed(seed), progress)

    def load_graph(self, graph: Population, progress: Progress = unreported) -> Loaded:
        """Replaces everything by this graph. Raises `Busy` while another load is under way."""
        return self._load(FILE_PRESET, self._settings.seed, progress, graph)

    def _load(
        self, preset: str, seed: int, progress: Progress, graph: Population | None = None
    ) -> Loaded:
        token = secrets.token_hex(8)
        if not self._state.lease(token, preset, seed):
            raise Busy("Another process is loading a dataset.")
        return Loader(self._engine, token, preset, seed, progress).run(graph)
