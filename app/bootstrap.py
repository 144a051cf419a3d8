"""Where the objects of one process are built and meet: the engine, and the datasets on it."""

from __future__ import annotations

import time
from collections.abc import Callable

from app.datasets.datasets import Datasets
from app.datasets.state import DatasetState, Summary
from app.datasets.users import Users
from app.engine.engine import Engine
from app.engine.metrics.reporting import Figures
from app.engine.store.client import Store
from app.engine.store.graph import Graph
from app.settings import Settings


class Snapshot(Figures):
    """What the page polls: the engine's figures, and which dataset they are of."""

    dataset: Summary


class Services(Engine):
    """What web, worker and commands may ask for: the engine, with users that have names and kinds,
    and datasets to load."""

    def __init__(
        self, settings: Settings, store: Store, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(settings, store, clock)
        self._dataset = DatasetState(store)
        self.users = Users(Graph(store, settings), self._dataset)
        self.datasets = Datasets(store, settings)

    def snapshot(self) -> Snapshot:
        """The JSON of GET /api/metrics. Raises `StoreDown`."""
        return {**self.metrics.figures(), "dataset": self._dataset.summary()}
