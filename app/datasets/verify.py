"""Compares what every strategy returns with the truth."""

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from app.datasets.loads import Report
from app.engine.delivery.deliverer import Deliverer
from app.engine.engine import Engine
from app.engine.errors import Overloaded
from app.engine.models import STRATEGIES, Strategy
from app.engine.store.truth import Truth


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


def publish_random(engine: Engine, count: int, seed: int, report: Report) -> None:
    """Publishes `count` posts by random users under random strategies.

    While the backlog is full it waits, or makes the deliveries itself if no worker is alive.
    """
    draw = random.Random(seed)
    deliverer = engine.deliverer("verify")
    users = Truth(engine.store).users()
    for number in range(1, count + 1):
        author, strategy = draw.choice(users), draw.choice(STRATEGIES)
        text = f"Post {number} of {count}, by {author}, {strategy}."
        while True:
            try:
                engine.publish(author, text, strategy)
                break
            except Overloaded:
                _help_or_wait(engine, deliverer)
        report(number, count)


def drain(engine: Engine, patience: float = 120.0) -> None:
    """Returns when there is no backlog. Raises `TimeoutError` after `patience` seconds."""
    end = time.monotonic() + patience
    deliverer = engine.deliverer("verify")
    while True:
        queue = engine.queue()
        if not (queue.jobs or queue.backlog or queue.shards_away):
            return
        if time.monotonic() > end:
            waiting = f"{queue.jobs} jobs and {queue.backlog} deliveries waiting"
            raise TimeoutError(f"After {patience:.0f} s there are still {waiting}.")
        _help_or_wait(engine, deliverer)


def _help_or_wait(engine: Engine, deliverer: Deliverer) -> None:
    """Waits for the workers; where none is alive it makes their deliveries itself."""
    if not engine.workers.live():
        deliverer.reclaiming.run()
        deliverer.run_until_idle()
        engine.releases.run()
    time.sleep(0.05)


def compare(engine: Engine, user_ids: Sequence[int], report: Report) -> Verdict:
    """Compares every page of these users' feeds under every strategy with the truth."""
    verdict = Verdict()
    truth = Truth(engine.store)
    for user_id in user_ids:
        expected = truth.feed(user_id)
        for strategy in STRATEGIES:
            pages = list(_pages(engine, user_id, strategy))
            found = [post_id for page in pages for post_id in page]
            verdict.feeds += 1
            verdict.pages += len(pages)
            verdict.posts += len(found)
            if found != expected:
                missing = len(set(expected) - set(found))
                extra = len(found) - len(expected) + missing
                verdict.differences.append(Difference(user_id, strategy, missing, extra))
        verdict.users += 1
        report(verdict.users, len(user_ids))
    return verdict


def _pages(engine: Engine, user_id: int, strategy: Strategy) -> Iterator[list[int]]:
    """The ids of each page of a feed."""
    cursor = None
    while True:
        feed = engine.feed(user_id, strategy, engine.settings.page_limit, cursor)
        yield [post.id for post in feed.items]
        cursor = feed.next_cursor
        if cursor is None:
            return
