"""Accepting posts: check, decide push or pull, hand over to the store's function."""

import re
import time

from .. import text as texts
from ..errors import BadRequest, NoAnswer
from ..feeds.log_cache import LogCache
from ..ids import created_at
from ..models import Fanout, FanoutStatus, Post, PullReason, Strategy, checked_strategy
from ..store.data import Data
from .hybrid import Hybrid

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class Publishing:
    """Accepts posts, and chooses push or pull for each."""

    def __init__(self, data: Data, log_cache: LogCache) -> None:
        self._data = data
        self._hybrid = Hybrid(data)
        self._log_cache = log_cache

    def publish(
        self, author_id: int, text: str, strategy: Strategy, key: str | None = None
    ) -> tuple[Post, Fanout]:
        """Accepts a post; see `Engine.publish`."""
        strategy = checked_strategy(strategy)
        text = texts.clean(text, self._data.settings.text_limit)
        if key is not None and not _KEY.fullmatch(key):
            raise BadRequest("An Idempotency-Key has 1 to 255 visible ASCII characters.")
        begun = time.perf_counter()
        # Followers on a node that is away are counted, and served, when it is back.
        counts = self._data.graph.follower_counts(author_id, partial=True)
        reason: PullReason | None = "read" if strategy == "read" else None
        try:
            if strategy == "hybrid":
                reason = self._hybrid.pull_reason(author_id, sum(counts))
            accepted = self._data.posts.accept(
                author_id, text, strategy, pull_reason=reason, counts=counts, repeat_key=key
            )
        except NoAnswer:  # it may have been accepted
            self._forget(author_id)
            raise
        if accepted.pull_reason:
            self._forget(author_id)
        counters = self._data.counters
        counters.time("accept", strategy, time.perf_counter() - begun)
        if not accepted.repeated:
            counters.add(f"posts:{strategy}")
            if accepted.pull_reason == "deferred":
                counters.add("deferred")
        counters.seen(author_id)
        post = Post(accepted.id, author_id, text, created_at(accepted.id), strategy)
        reason = accepted.pull_reason
        status: FanoutStatus = "pull" if reason else "queued"
        return post, Fanout(post.id, status, accepted.recipients, pull_reason=reason)

    def _forget(self, author_id: int) -> None:
        """Drops this process's copies of what a pulled post changes."""
        self._data.pulled_authors.forget()
        self._log_cache.forget(author_id)
