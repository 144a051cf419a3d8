"""The engine: its parts, wired to one store, and the verbs that an application calls."""

import time
from collections.abc import Callable, Iterable
from typing import Any, Self

import orjson

from .delivery.deliverer import Deliverer
from .delivery.maintenance import Maintenance
from .delivery.releases import Releases
from .delivery.worker import Worker
from .errors import SelfFollow
from .feeds.feeds import Feeds
from .feeds.log_cache import LogCache
from .metrics import Figures, figures
from .models import Comparison, Fanout, Feed, Post, Strategy
from .publishing.publishing import Publishing
from .settings import EngineSettings
from .store.client import Store
from .store.connecting import connect
from .store.data import Data
from .store.dead_letters import DeadLetters
from .store.posts import spliced
from .store.queue import Queue, read_queue


class Engine:
    """Publishing, feeds and deliveries of one process; safe to share between its threads.

        engine = Engine.connect("redis://localhost:6379/0", key_prefix="myapp:")
        engine.add_users([1, 2])
        engine.follow(2, 1)
        post, fanout = engine.publish(1, "Hello")
        engine.run_worker()  # in a process of its own: makes the deliveries until SIGTERM
        page = engine.feed(2)

    Nothing is asked of the store before the first call. Every call raises `StoreDown` while the
    store does not answer. User ids are whole numbers from 0 to 2**27 - 1, post ids have 53 bits and
    order by time.
    """

    def __init__(
        self, settings: EngineSettings, store: Store, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` tells the seconds by which kept copies and lease time-outs are judged."""
        self.settings, self.store = settings, store
        self.data = data = Data(store, settings, clock)
        self.graph, self.posts, self.jobs = data.graph, data.posts, data.jobs
        self.pulled_authors, self.counters = data.pulled_authors, data.counters
        self.control, self.workers = data.control, data.workers
        log_cache = LogCache(data)
        self.publishing = Publishing(data, log_cache)
        self.feeds = Feeds(data, log_cache)
        self.releases = Releases(data)
        self.maintenance = Maintenance(data)
        self.dead_letters = DeadLetters(store, settings.backlog_limit)

    @classmethod
    def connect(cls, url: str, **settings: Any) -> Self:
        """An engine on the Redis or Valkey server at `url`, or on the Cluster of which it is any
        node; `settings` are fields of `EngineSettings`. Raises `pydantic.ValidationError`."""
        chosen = EngineSettings(**settings)
        return cls(chosen, connect(url, chosen))

    def close(self) -> None:
        """Sends the last counts and closes the connections."""
        self.counters.flush(force=True)
        self.store.close()

    def add_users(self, user_ids: Iterable[int]) -> None:
        """Makes the users exist: only they may post, follow and be followed. Harmless to repeat.
        The first call fixes `shards`: with another number every later engine raises `WrongShards`.
        Raises `BadRequest` for an id outside 0 to 2**27 - 1; nobody was added then."""
        self.graph.add(user_ids)

    def follow(self, user_id: int, author_id: int) -> None:
        """Makes the user follow the author. Harmless to repeat. Raises `SelfFollow`,
        `UnknownUser`, or `BadRequest` when the user follows `following_limit` people already."""
        self._check_edge(user_id, author_id)
        self.graph.follow(user_id, author_id)

    def unfollow(self, user_id: int, author_id: int) -> None:
        """Ends it. Harmless to repeat. Raises `SelfFollow`, `UnknownUser`."""
        self._check_edge(user_id, author_id)
        self.graph.unfollow(user_id, author_id)

    def _check_edge(self, user_id: int, author_id: int) -> None:
        if user_id == author_id:
            raise SelfFollow("Own posts are in one's own feed already.")
        self.graph.require(user_id, author_id)

    def publish(
        self,
        author_id: int,
        text: str,
        strategy: Strategy = "hybrid",
        idempotency_key: str | None = None,
    ) -> tuple[Post, Fanout]:
        """Accepts a post; its deliveries are made by the workers.

        `write` pushes, `read` leaves the post to the readers' pull, `hybrid` chooses for each
        author. While the backlog is high a large author's push is deferred: readers pull it.
        The same post with the same `idempotency_key` (1-255 visible ASCII characters) is accepted
        once in a day and answered alike each time.

        Raises `BadText`, `BadRequest`, `UnknownUser`, `KeyReused`, `Overloaded`; after `NoAnswer`
        it may have been accepted, and repeating it with the same key finds out.
        """
        return self.publishing.publish(author_id, text, strategy, idempotency_key)

    def post(self, post_id: int) -> Post:
        """The post. Raises `UnknownPost`."""
        return self.posts.get(post_id)

    def delete(self, post_id: int) -> None:
        """Removes the post from every feed. Raises `UnknownPost`."""
        self.posts.delete(self.posts.get(post_id))

    def fanout(self, post_id: int) -> Fanout:
        """How far the post's deliveries are. Raises `UnknownPost`, also an hour after the last
        delivery, or after a pulled post was accepted."""
        return self.jobs.fanout(post_id)

    def queue(self) -> Queue:
        """The figures of the job queue and its backlog."""
        return read_queue(self.store)

    def figures(self) -> Figures:
        """All that the engine counts and measures, as it is now. Raises `StoreDown`."""
        return figures(self.data)

    def feed(
        self,
        user_id: int,
        strategy: Strategy = "hybrid",
        limit: int = 20,
        cursor: str | None = None,
    ) -> Feed:
        """One page of the user's feed, newest first: at most `limit` posts. `cursor` is the
        `next_cursor` of the page before, which is None at the feed's end. Raises `BadRequest`,
        `BadCursor`, `UnknownUser`."""
        return self.feeds.page(user_id, strategy, limit, cursor)

    def feed_json(
        self,
        user_id: int,
        strategy: Strategy = "hybrid",
        limit: int = 20,
        cursor: str | None = None,
    ) -> bytes:
        """The same page as a JSON text for an HTTP answer, in less than half the time: the posts'
        stored texts go into it as they are. Raises as `feed`."""
        return orjson.dumps(self.feeds.page(user_id, strategy, limit, cursor, spliced))

    def compare(self, user_id: int, limit: int = 20) -> Comparison:
        """The newest page under every strategy, and whether all are the same. Raises as `feed`."""
        return self.feeds.compare(user_id, limit)

    def deliverer(self, name: str, clock: Callable[[], float] | None = None) -> Deliverer:
        """Makes deliveries in the caller's own loop, as the worker of that name."""
        return Deliverer(self.data, name, clock or self.data.clock)

    def worker(
        self,
        name: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        first: Callable[[Worker], object] = lambda _: False,
    ) -> Worker:
        """A worker for this process; `name` is by default its host and process id. `first` is
        called in every iteration before the deliveries; when it returns that it had something to
        do, they wait for the next iteration."""
        chores = (self.releases.run, self.maintenance.run)
        return Worker(self.data, self.deliverer, chores, name, clock, first)

    def run_worker(self, name: str | None = None) -> None:
        """Makes the deliveries until SIGTERM or SIGINT, in the process's main thread. While the
        store does not answer it waits and tries again."""
        worker = self.worker(name)
        worker.handle_signals()
        worker.run()
