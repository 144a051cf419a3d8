"""One request's way through a timeline and the logs."""

import time
from contextlib import suppress

from ..errors import StoreFull
from ..models import Strategy
from ..store.data import Data
from .log_cache import LogCache
from .merge import Source, merge
from .rebuild import merged_logs, rebuild

MAX_IDS = 2_000
"""Ids fetched at once, above the largest FANOUT_PAGE_LIMIT: Lua can hand over fewer than 8,000
names of posts."""


class Reader:
    """Reads one user's feed under one strategy; remembers what it has had to look up."""

    def __init__(self, data: Data, log_cache: LogCache, user_id: int, strategy: Strategy) -> None:
        self._data = data
        self._log_cache = log_cache
        self._user_id = user_id
        self._strategy = strategy
        self._authors: list[int] | None = None
        self._known: dict[int, bytes] = {}
        self.rebuilt = False

    def bodies(self, before: int, wanted: int) -> dict[int, bytes]:
        """Ids and bodies of the newest `wanted` live posts below `before` (0: from the newest), or
        all there are, newest first. Ids whose post was deleted are passed over."""
        found: dict[int, bytes] = {}
        waiting: list[int] = []
        complete, count = False, wanted
        while len(found) < wanted and (waiting or not complete):
            if not waiting:
                merged = self._fetch(before, count)
                # Where many posts were deleted, small steps would take a round trip for each.
                count = min(2 * count, MAX_IDS)
                waiting, before, complete = merged.ids, merged.floor, merged.complete
            need = wanted - len(found)
            asked, waiting = waiting[:need], waiting[need:]
            missing = [post for post in asked if post not in self._known]
            self._known |= zip(missing, self._data.posts.bodies(missing), strict=True)
            found |= {post: body for post in asked if (body := self._known[post])}
        return found

    def _fetch(self, before: int, count: int) -> Source:
        """At least `count` ids below `before`, or all there are."""
        merged = None if self._strategy == "read" else self._from_timeline(before, count)
        return merged or self._from_logs(before, count)

    def _from_timeline(self, before: int, count: int) -> Source | None:
        """None where the timeline has nothing to say: it is missing, or ends above `before`."""
        data, timelines, user_id = self._data, self._data.timelines, self._user_id
        pulled_authors = data.pulled_authors.author_ids()
        page = timelines.page(user_id, before, count, pulled_authors)
        if page is None and not self.rebuilt:
            data.graph.require(user_id)
            self.rebuilt = True
            with suppress(StoreFull):  # a full store still reads: from the logs
                if rebuild(data, user_id):
                    page = timelines.page(user_id, before, count, pulled_authors)
        if page is None or not (page.ids or page.at_end):
            return None
        if page.ids and 0 < before <= page.ids[-1]:  # out of order: it would say the same for ever
            return None
        if page.bodies:
            self._known |= zip(page.ids, page.bodies, strict=True)
        if page.ttl_ms < data.settings.timeline_ttl * 500:  # half of it is over
            with suppress(StoreFull):
                timelines.keep(user_id)
        if not page.pulled_authors:
            return Source(page.ids, page.at_end)
        if self._strategy == "hybrid":
            logs = self._log_cache.pages(page.pulled_authors, before, count)
        else:
            pages = data.posts.log_pages(page.pulled_authors, before, count)
            logs = [Source.asked(ids, count) for ids in pages.values()]
        begun = time.perf_counter_ns()
        merged = merge([Source(page.ids, page.at_end), *logs])
        data.counters.cost("log_merge", len(logs), time.perf_counter_ns() - begun)
        return merged

    def _from_logs(self, before: int, count: int) -> Source:
        if self._authors is None:
            self._authors = [*self._data.graph.following(self._user_id), self._user_id]
        return merged_logs(self._data, self._authors, before, count)
