"""Reading feeds under each strategy. All return the same posts; they differ in who works when.

write   The timeline was filled when the posts were accepted; a page is one slice of it, merged
        with the logs of those followees who are read by pull. Weakness: each post costs a
        delivery per follower. Alternative: `read` for authors with very many followers.
read    Nothing was prepared: the newest part of every followee's log is fetched and merged.
        Weakness: each page costs work for every followee. Alternative: `write` for readers.
hybrid  As `write`; most authors were pushed, the costliest are pulled, and this process keeps
        the pulled authors' logs for a moment. Weakness: two mechanisms, and a pulled post may be
        late by the age of the kept logs. Alternative: `write`, while the lag of the largest
        author's posts does not matter.

Below a timeline's last element every strategy goes on from the logs, so no feed ends at the cap.
"""

from __future__ import annotations

import time
from contextlib import suppress

from ..errors import BadRequest, StoreFull, UnknownUser
from ..models import STRATEGIES, Comparison, Feed, Post, Strategy
from ..settings import EngineSettings
from ..store.client import Store
from ..store.counters import Metrics
from ..store.graph import Graph
from ..store.posts import Posts, parsed
from ..store.pulled_authors import PulledAuthors
from ..store.timelines import Timelines
from . import page_cursor as cursors
from .log_cache import LogCache
from .merge import Merged, Source, merge

MOST_IDS = 2_000
"""Ids fetched at once, above the largest FANOUT_PAGE_LIMIT: Lua can hand over fewer than 8,000
names of posts."""


class Feeds:
    """Pages of feeds, under one strategy or all of them."""

    def __init__(
        self,
        store: Store,
        settings: EngineSettings,
        posts: Posts,
        graph: Graph,
        timelines: Timelines,
        pulled_authors: PulledAuthors,
        log_cache: LogCache,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._settings = settings
        self._posts = posts
        self._graph = graph
        self._timelines = timelines
        self._pulled_authors = pulled_authors
        self._log_cache = log_cache
        self._metrics = metrics

    def page(
        self,
        user_id: int,
        strategy: Strategy = "hybrid",
        limit: int = 20,
        cursor: str | None = None,
    ) -> Feed:
        """One page of the user's feed, newest first.

        `cursor` is `next_cursor` of the page before; None there means the feed's end.
        Raises `BadRequest`, `BadCursor`, `UnknownUser`, `StoreDown`.
        """
        if strategy not in STRATEGIES:
            raise BadRequest(f"{strategy!r} is no strategy. Use one of: {', '.join(STRATEGIES)}.")
        if not 1 <= limit <= self._settings.page_limit:
            raise BadRequest(f"limit must lie between 1 and {self._settings.page_limit}.")
        before = cursors.decode(user_id, cursor) if cursor else 0
        begun = time.perf_counter()
        with self._store.meter() as cost:
            reading = _Reading(self, user_id, strategy)
            found = self._collect(reading, before, limit + 1)
        if not found and not before:
            self._require(user_id)
        spent = time.perf_counter() - begun
        self._metrics.time("feed", strategy, spent)
        self._metrics.seen(user_id)
        items = found[:limit]
        return Feed(
            items,
            cursors.encode(user_id, items[-1].id) if len(found) > limit else None,
            strategy,
            "merge" if strategy == "read" else "rebuild" if reading.rebuilt else "timeline",
            {"total": round(spent * 1000, 3)},
            cost.commands,
            cost.round_trips,
        )

    def compare(self, user_id: int, limit: int = 20) -> Comparison:
        """The newest page under every strategy, and whether all are the same."""
        # What the first page would pay for all three: a connection, the list of pull authors.
        self._require(user_id)
        self._pulled_authors.author_ids()
        feeds = {strategy: self.page(user_id, strategy, limit) for strategy in STRATEGIES}
        first, *others = ([post.id for post in feed.items] for feed in feeds.values())
        return Comparison(feeds, all(ids == first for ids in others))

    def _collect(self, reading: _Reading, before: int, wanted: int) -> list[Post]:
        """So many live posts, or all there are. Ids whose post was deleted are passed over."""
        found: list[Post] = []
        waiting: list[int] = []
        complete, count = False, wanted
        while len(found) < wanted:
            if not waiting:
                if complete:
                    break
                merged = reading.fetch(before, count)
                # Where many posts were deleted, small steps would take a round trip for each.
                count = min(2 * count, MOST_IDS)
                waiting, before, complete = merged.ids, merged.floor, merged.floor == 0
            need = wanted - len(found)
            asked, waiting = waiting[:need], waiting[need:]
            posts = self._posts.get_many(asked, reading.posts)
            found += [post for post in posts if post is not None]
        return found

    def pull(self, authors: list[int], before: int, count: int) -> Merged:
        """Merges the authors' logs."""
        parts = self._posts.latest(authors, before, count)
        return merge(Source(ids, len(ids) < count) for ids in parts)

    def authors_of(self, user_id: int) -> list[int]:
        """Everyone whose posts are in the user's feed."""
        return [*self._graph.following(user_id), user_id]

    def rebuild(self, user_id: int) -> bool:
        """Installs the user's timeline from the logs. False: somebody else is at it, or a follow
        came between."""
        marker = self._timelines.begin_rebuild(user_id)
        if marker is None:
            return False
        cap = self._settings.timeline_cap
        authors = self.authors_of(user_id)
        ids: list[int] = []
        before, count = 0, min(cap, 2 * cap // self._settings.shards + 16)
        while len(ids) < cap:
            merged = self.pull(authors, before, count)
            ids += merged.ids
            before = merged.floor
            if not before:
                break
            count = min(cap, 2 * count)
        return self._timelines.install(
            user_id, marker, ids[:cap], complete=not before and len(ids) <= cap
        )

    def _require(self, user_id: int) -> None:
        if not self._graph.exist([user_id])[0]:
            raise UnknownUser(user_id)


class _Reading:
    """One request's way through timeline and logs; remembers what it has had to look up."""

    def __init__(self, feeds: Feeds, user_id: int, strategy: Strategy) -> None:
        self._feeds = feeds
        self._user_id = user_id
        self._pull_only = strategy == "read"
        self._cached = strategy == "hybrid"
        self._authors: list[int] | None = None
        self.posts: dict[int, Post | None] = {}
        self.rebuilt = False

    def fetch(self, before: int, count: int) -> Merged:
        """At least `count` ids below `before` (0: from the newest), or all there are."""
        merged = None if self._pull_only else self._from_timeline(before, count)
        return merged or self._from_logs(before, count)

    def _from_timeline(self, before: int, count: int) -> Merged | None:
        """None where the timeline has nothing to say: it is missing, or ends above `before`."""
        feeds = self._feeds
        pulled_authors = feeds._pulled_authors.author_ids()
        page = feeds._timelines.page(self._user_id, before, count, pulled_authors)
        if page is None and not self.rebuilt:
            feeds._require(self._user_id)
            self.rebuilt = True
            with suppress(StoreFull):  # a full store still reads: from the logs
                if feeds.rebuild(self._user_id):
                    page = feeds._timelines.page(self._user_id, before, count, pulled_authors)
        if page is None or not (page.ids or page.at_end):
            return None
        if page.bodies:
            self.posts |= parsed(page.ids, page.bodies)
        if page.ttl_ms < feeds._settings.timeline_ttl * 500:
            with suppress(StoreFull):
                feeds._timelines.keep(self._user_id)
        if not page.pulled_authors:
            return Merged(page.ids, 0 if page.at_end else page.ids[-1])
        timeline = Source(page.ids, page.at_end)
        if self._cached:
            logs = feeds._log_cache.pages(page.pulled_authors, before, count)
        else:
            pages = feeds._posts.log_pages(page.pulled_authors, before, count)
            logs = [Source(ids, len(ids) < count) for ids in pages.values()]
        begun = time.perf_counter_ns()
        merged = merge([timeline, *logs])
        feeds._metrics.cost("log_merge", len(logs), time.perf_counter_ns() - begun)
        return merged

    def _from_logs(self, before: int, count: int) -> Merged:
        if self._authors is None:
            self._authors = self._feeds.authors_of(self._user_id)
        return self._feeds.pull(self._authors, before, count)
