"""Reading feeds under each strategy. All return the same posts; they differ in who works when.

write   The timeline was filled when the posts were accepted; a page is one slice of it, merged
        with the logs of those authors who are read by pull. Weakness: each post costs a
        delivery per follower. Alternative: `read` for authors with very many followers.
read    Nothing was prepared: the newest part of every followed author's log is fetched and
        merged. Weakness: each page costs work for every author. Alternative: `write` for readers.
hybrid  As `write`; most authors were pushed, the costliest are pulled, and this process keeps
        the pulled authors' logs for a moment. Weakness: two mechanisms, and a pulled post may be
        late by the age of the kept logs. Alternative: `write`, while the lag of the largest
        author's posts does not matter.

Below a timeline's last element every strategy goes on from the logs, so no feed ends at the cap.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import BadRequest
from ..models import STRATEGIES, Comparison, Feed, Strategy, checked_strategy
from ..store.data import Data
from ..store.posts import parsed
from . import page_cursor as cursors
from .log_cache import LogCache
from .reader import Reader


class Feeds:
    """Pages of feeds, under one strategy or all of them."""

    def __init__(self, data: Data, log_cache: LogCache) -> None:
        self._data = data
        self._log_cache = log_cache

    def page(
        self,
        user_id: int,
        strategy: Strategy,
        limit: int = 20,
        cursor: str | None = None,
        items_of: Callable[[Mapping[int, bytes]], Any] = parsed,
    ) -> Feed:
        """One page; see `Engine.feed`. `items_of` makes its items of the posts' bodies."""
        strategy = checked_strategy(strategy)
        most = self._data.settings.page_limit
        if not 1 <= limit <= most:
            raise BadRequest(f"limit must lie between 1 and {most}.")
        before = cursors.decode(user_id, cursor) if cursor else 0
        begun = time.perf_counter()
        with self._data.store.meter.on() as cost:
            reader = Reader(self._data, self._log_cache, user_id, strategy)
            bodies = reader.bodies(before, limit + 1)
        if not bodies and not before:
            self._data.graph.require(user_id)
        last = None
        if len(bodies) > limit:
            bodies.popitem()
            last = next(reversed(bodies))
        items = items_of(bodies)
        spent = time.perf_counter() - begun
        self._data.counters.time("feed", strategy, spent)
        self._data.counters.seen(user_id)
        return Feed(
            items,
            cursors.encode(user_id, last) if last else None,
            strategy,
            "merge" if strategy == "read" else "rebuild" if reader.rebuilt else "timeline",
            {"total": round(spent * 1000, 3)},
            cost.commands,
            cost.round_trips,
        )

    def compare(self, user_id: int, limit: int = 20) -> Comparison:
        """The newest page under every strategy, and whether all are the same."""
        # What the first page would pay for all three: a connection, the list of pulled authors.
        self._data.graph.require(user_id)
        self._data.pulled_authors.author_ids()
        feeds = {strategy: self.page(user_id, strategy, limit) for strategy in STRATEGIES}
        first, *others = ([post.id for post in feed.items] for feed in feeds.values())
        return Comparison(feeds, all(ids == first for ids in others))
