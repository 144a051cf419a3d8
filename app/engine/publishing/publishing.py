"""Accepting posts: validate, decide push or pull, hand over to the store's script."""

from __future__ import annotations

import re
import time

from .. import text as texts
from ..errors import BadRequest, NoAnswer, UnknownPost
from ..feeds.log_cache import LogCache
from ..ids import MAX_ID, created_at, shard_of_post
from ..models import STRATEGIES, Fanout, FanoutStatus, Post, PullReason, Strategy
from ..settings import EngineSettings
from ..store.counters import Metrics
from ..store.graph import Graph
from ..store.jobs import Jobs
from ..store.posts import Posts
from ..store.pulled_authors import PulledAuthors
from .hybrid import Hybrid

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class Publishing:
    """Posts: publish, look up, delete, and how far their fan-out is."""

    def __init__(
        self,
        settings: EngineSettings,
        posts: Posts,
        graph: Graph,
        pulled_authors: PulledAuthors,
        hybrid: Hybrid,
        log_cache: LogCache,
        jobs: Jobs,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._posts = posts
        self._graph = graph
        self._pulled_authors = pulled_authors
        self._hybrid = hybrid
        self._log_cache = log_cache
        self._jobs = jobs
        self._metrics = metrics

    def publish(
        self,
        author_id: int,
        text: str,
        strategy: Strategy = "hybrid",
        idempotency_key: str | None = None,
    ) -> tuple[Post, Fanout]:
        """Accepts a post; its deliveries are made by the workers.

        `write` pushes, `read` leaves the post to the readers' pull, `hybrid` chooses for
        each author. When the backlog is high a large author's push is held back as pull.
        The same post with the same `idempotency_key` (1-255 visible ASCII characters) is accepted
        once in a day and answered alike each time.
        Raises `BadText`, `BadRequest`, `UnknownUser`, `KeyReused`, `Overloaded`, `StoreDown`.
        """
        if strategy not in STRATEGIES:
            raise BadRequest(f"{strategy!r} is no strategy. Use one of: {', '.join(STRATEGIES)}.")
        text = texts.clean(text, self._settings.text_limit)
        if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
            raise BadRequest("An Idempotency-Key has 1 to 255 visible ASCII characters.")
        begun = time.perf_counter()
        # Followers on a node that is away are counted, and served, when it is back.
        counts = self._graph.follower_counts(author_id, partial=True)
        try:
            accepted = self._posts.accept(
                author_id,
                text,
                strategy,
                pull_reason=self._pull_reason(author_id, strategy, sum(counts)),
                counts=counts,
                repeat_key=idempotency_key,
            )
        except NoAnswer:  # it may have been accepted
            self._forget(author_id)
            raise
        if accepted.pull_reason:
            self._forget(author_id)
        self._metrics.time("accept", strategy, time.perf_counter() - begun)
        if not accepted.repeated:
            self._metrics.add(f"posts:{strategy}")
            if accepted.pull_reason == "deferred":
                self._metrics.add("deferred")
        self._metrics.seen(author_id)
        post = Post(accepted.id, author_id, text, created_at(accepted.id), strategy)
        status: FanoutStatus = "pull" if accepted.pull_reason else "queued"
        return post, Fanout(post.id, status, accepted.recipients, pull_reason=accepted.pull_reason)

    def _forget(self, author_id: int) -> None:
        """Drops this process's copies of what a pulled post changes."""
        self._pulled_authors.forget()
        self._log_cache.forget(author_id)

    def _pull_reason(self, author_id: int, strategy: Strategy, followers: int) -> PullReason | None:
        if strategy == "hybrid":
            return self._hybrid.pull_reason(author_id, followers)
        return "read" if strategy == "read" else None

    def post(self, post_id: int) -> Post:
        """The post. Raises `UnknownPost`."""
        found = self._posts.get_many([post_id])[0] if self._could_be(post_id) else None
        if found is None:
            raise UnknownPost(f"There is no post {post_id}; it may have been deleted.")
        return found

    def delete(self, post_id: int) -> None:
        """Removes the post from every feed. Raises `UnknownPost`."""
        self._posts.delete(self.post(post_id))

    def fanout(self, post_id: int) -> Fanout:
        """How far the post's deliveries are.

        Raises `UnknownPost`, also an hour after the last delivery, or after a pulled post was
        accepted.
        """
        found = self._jobs.fanouts([post_id])[0] if self._could_be(post_id) else None
        if found is None:
            raise UnknownPost(
                f"Nothing is known of a fan-out of post {post_id}: job records are kept for an hour"
                " after the last delivery."
            )
        return found

    def is_on_its_way(self, post_id: int) -> bool:
        """Whether deliveries of the post are still to be made."""
        (found,) = self._jobs.fanouts([post_id])
        return found is not None and found.status in ("queued", "running")

    def _could_be(self, post_id: int) -> bool:
        return 0 < post_id <= MAX_ID and shard_of_post(post_id) < self._settings.shards
