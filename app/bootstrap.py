"""Where the objects of one process are built and meet: the engine, and the datasets on it."""

import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from app.datasets import LUA
from app.datasets.state import DatasetState, Summary
from app.datasets.users import Users
from app.engine import Engine
from app.engine.metrics import Figures
from app.engine.store.client import Store
from app.engine.store.connecting import connect
from app.settings import Settings

if TYPE_CHECKING:
    from app.datasets.loading import Loading


class Snapshot(Figures):
    """What the page polls: the engine's figures, and which dataset they are of."""

    dataset: Summary


class Services:
    """What web, worker and commands may ask for: the engine, users that have names and kinds, and
    datasets. Tests hand in a store of their own."""

    def __init__(
        self,
        settings: Settings,
        store: Store | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.engine = Engine(settings, store or connect(settings.store_url, settings, LUA), clock)
        self.datasets = DatasetState(self.engine.store)
        self.users = Users(self.engine.graph, self.datasets)

    @cached_property
    def loading(self) -> "Loading":
        """Loads datasets. Imported when first used, and here only: web processes never load any,
        and numpy would take each of them 20 MB."""
        from app.datasets.loading import Loading

        return Loading(self.settings, self.engine)

    def snapshot(self) -> Snapshot:
        """The JSON of GET /api/metrics. Raises `StoreDown`."""
        return {**self.engine.figures(), "dataset": self.datasets.summary()}
