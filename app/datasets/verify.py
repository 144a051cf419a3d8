"""Compares what every strategy returns with the truth, computed by brute force from the raw keys.

The truth of a user is the live posts of everyone the user follows and the user's own, newest
first by id. It is read here from `following`, `log` and `post` alone, by code that shares nothing
with the reading of feeds.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from app.bootstrap import Services
from app.engine.errors import Overloaded
from app.engine.models import STRATEGIES, Strategy
from app.engine.store.client import Store

AT_ONCE = 500
"""Keys read in one round trip."""

Report = Callable[[int, int], None]
"""Called with (done, total)."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A feed that is not the truth."""

    user_id: int
    strategy: Strategy
    missing: int
    extra: int


@dataclass(slots=True)
class Verdict:
    """What was compared: users, feeds (a user under a strategy), pages and posts in them."""

    users: int = 0
    feeds: int = 0
    pages: int = 0
    posts: int = 0
    differences: list[Difference] = field(default_factory=list)


class Truth:
    """The feeds that must be, from the raw keys as they are now. Logs are read once and kept."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys = store.keys
        self._live: dict[int, list[int]] = {}

    def users(self) -> list[int]:
        """All users, ascending, from the bitmaps of who exists."""
        shards = self._store.shards
        found: list[int] = []
        for shard in range(shards):
            bitmap = self._store.command("GET", self._keys.users(shard)) or b""
            for at, byte in enumerate(bitmap):
                found += [
                    (8 * at + bit) * shards + shard for bit in range(8) if byte & (128 >> bit)
                ]
        return sorted(found)

    def feed(self, user_id: int) -> list[int]:
        """Ids of all posts in the user's feed, newest first."""
        followees = self._store.command("SMEMBERS", self._keys.following(user_id))
        authors = {user_id, *map(int, followees)}
        self._read_logs(authors - self._live.keys())
        return sorted((post for author in authors for post in self._live[author]), reverse=True)

    def _read_logs(self, authors: Iterable[int]) -> None:
        for part in _parts(sorted(authors)):
            batch = self._store.batch()
            for author in part:
                batch.add("LRANGE", self._keys.log(author), 0, -1)
            logs = [[int(post) for post in log] for log in batch.run()]
            for author, log in zip(part, logs, strict=True):
                self._live[author] = self._with_body(log)

    def _with_body(self, posts: Sequence[int]) -> list[int]:
        live: list[int] = []
        for part in _parts(posts):
            batch = self._store.batch()
            for post in part:
                batch.add("EXISTS", self._keys.post(post))
            live += [post for post, alive in zip(part, batch.run(), strict=True) if alive]
        return live


def publish_random(services: Services, count: int, seed: int, report: Report) -> None:
    """Publishes `count` posts by random users under random strategies.

    While the backlog is full it waits, or makes the deliveries itself if no worker is alive.
    """
    draw = random.Random(seed)
    helper = _Helper(services)
    users = Truth(services.store).users()
    for number in range(1, count + 1):
        author, strategy = draw.choice(users), draw.choice(STRATEGIES)
        text = f"Post {number} of {count}, by {author}, {strategy}."
        while True:
            try:
                services.publishing.publish(author, text, strategy)
                break
            except Overloaded:
                helper.help_or_wait()
        report(number, count)


def drain(services: Services, patience: float = 120.0) -> None:
    """Returns when there is no backlog. Raises `TimeoutError` after `patience` seconds."""
    end = time.monotonic() + patience
    helper = _Helper(services)
    while True:
        queue = services.control_store.queue()
        if not (queue.jobs or queue.backlog or queue.shards_away):
            return
        if time.monotonic() > end:
            raise TimeoutError(
                f"After {patience:.0f} s there are still {queue.jobs} jobs and "
                f"{queue.backlog} deliveries waiting."
            )
        helper.help_or_wait()


class _Helper:
    """Waits for the workers; where none is alive it makes the deliveries itself, those that a
    dead worker has begun included."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._deliverer = services.deliverer("verify")

    def help_or_wait(self) -> None:
        if not self._services.control_store.workers():
            self._deliverer.reclaim()
            self._deliverer.run_until_idle()
            self._services.releases.run()
        time.sleep(0.05)


def compare(services: Services, user_ids: Sequence[int], report: Report) -> Verdict:
    """Compares every page of these users' feeds under every strategy with the truth."""
    verdict = Verdict()
    truth = Truth(services.store)
    for user_id in user_ids:
        expected = truth.feed(user_id)
        for strategy in STRATEGIES:
            found, pages = _whole_feed(services, user_id, strategy)
            verdict.feeds += 1
            verdict.pages += pages
            verdict.posts += len(found)
            if found != expected:
                missing = len(set(expected) - set(found))
                extra = len(found) - len(expected) + missing
                verdict.differences.append(Difference(user_id, strategy, missing, extra))
        verdict.users += 1
        report(verdict.users, len(user_ids))
    return verdict


def _whole_feed(services: Services, user_id: int, strategy: Strategy) -> tuple[list[int], int]:
    """All ids of a feed as its pages give them, and the number of pages."""
    ids: list[int] = []
    cursor: str | None = None
    pages = 0
    while pages == 0 or cursor:
        feed = services.feeds.page(user_id, strategy, services.settings.page_limit, cursor)
        ids += [post.id for post in feed.items]
        cursor = feed.next_cursor
        pages += 1
    return ids, pages


def _parts(items: Sequence[int]) -> list[Sequence[int]]:
    return [items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE)]
