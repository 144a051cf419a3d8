"""Pulled authors' logs, kept for a moment by each process: one fetch serves all its readers.

A page may lack a pulled post of another process that is younger than `log_cache_ms`: late, never
wrong. This process's own posts are seen at once.
"""

import threading
import time
from collections.abc import Sequence

from ..store.data import Data
from .merge import Source

KEPT = 100
"""Ids kept of each log: the largest page. Deeper pages are fetched."""


class LogCache:
    """Logs by author. Threads may fetch one twice; that is harmless. A fetch may be under way while
    this process changes a log; so `forget` raises the generation, and a fetch is kept only if the
    generation it began with is still the current one."""

    def __init__(self, data: Data) -> None:
        self._data = data
        self._max_age = data.settings.log_cache_ms / 1000
        self._logs: dict[int, tuple[float, list[int]]] = {}  # author -> (read at, ids)
        self._generation = 0
        self._lock = threading.Lock()

    def forget(self, author_id: int) -> None:
        """This process has just changed the author's log."""
        with self._lock:
            self._generation += 1
            self._logs.pop(author_id, None)

    def pages(self, authors: Sequence[int], before: int, count: int) -> list[Source]:
        """Each author's ids below `before` (0: from the newest): `count` of them, or fewer if
        that is all."""
        oldest = self._data.clock() - self._max_age
        get = self._logs.get  # one look: `forget` may take the log away at any moment
        found = {a: kept[1] for a in authors if (kept := get(a)) and kept[0] >= oldest}
        missing = [author for author in authors if author not in found]
        if missing:
            found |= self._fetch(missing)
        self._data.counters.add("log_cache:misses", len(missing))
        self._data.counters.add("log_cache:hits", len(authors) - len(missing))
        sources, deeper = [], []
        for author, log in found.items():
            ids = [post for post in log if post < before] if before else log
            if len(ids) >= count or len(log) < KEPT:
                sources.append(Source.asked(ids[:count], count))
            else:
                deeper.append(author)
        if deeper:
            pages = self._data.posts.log_pages(deeper, before, count)
            sources += [Source.asked(ids, count) for ids in pages.values()]
        return sources

    def _fetch(self, authors: list[int]) -> dict[int, list[int]]:
        begun = time.perf_counter_ns()
        now, generation = self._data.clock(), self._generation
        pages = self._data.posts.log_pages(authors, 0, KEPT)
        with self._lock:
            if generation == self._generation:
                oldest = now - self._max_age
                fresh = {author: kept for author, kept in self._logs.items() if kept[0] >= oldest}
                self._logs = fresh | {author: (now, ids) for author, ids in pages.items()}
        self._data.counters.cost("log_fetch", len(authors), time.perf_counter_ns() - begun)
        return pages
