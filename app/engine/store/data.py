"""What one engine keeps in its store."""

from collections.abc import Callable

from ..settings import EngineSettings
from .client import Store
from .control import Control
from .counters import Metrics
from .graph import Graph
from .jobs import Jobs
from .posts import Posts
from .pulled_authors import PulledAuthors
from .timelines import Timelines
from .workers import WorkerRegistry


class Data:
    """One object for each kind of data, all on the same store and with the same settings."""

    def __init__(self, store: Store, settings: EngineSettings, clock: Callable[[], float]) -> None:
        self.store = store
        self.settings = settings
        self.clock = clock
        self.graph = Graph(store, settings)
        self.posts = Posts(store, settings)
        self.timelines = Timelines(store, settings)
        self.jobs = Jobs(store)
        self.pulled_authors = PulledAuthors(store, settings.pulled_authors_cache_ms / 1000, clock)
        self.counters = Metrics(store)
        self.control = Control(store)
        self.workers = WorkerRegistry(store)
