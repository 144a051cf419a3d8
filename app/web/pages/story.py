"""What the page tells of a post and of a reader's feeds; the templates put it into words."""

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from app.bootstrap import Services
from app.datasets.users import User
from app.engine.errors import UnknownPost
from app.engine.models import Comparison, Fanout, Feed, Post

PAGE = 8
"""Posts in each column of the comparison."""


@dataclass(frozen=True, slots=True)
class Story:
    """One post, how far its fan-out came, and one read of the reader's feed after it."""

    post: Post
    author: User
    fanout: Fanout
    reader: User | None
    read: Feed | None


def stories(services: Services, posts: Iterable[Post], reader: User | None) -> list[Story]:
    """The stories of the posts whose fan-out is still known. Each reads the reader's feed once."""
    told = []
    for post in posts:
        with suppress(UnknownPost):
            fanout, author = services.engine.fanout(post.id), services.users.get(post.author_id)
            read = services.engine.feed(reader.id, post.strategy, PAGE) if reader else None
            told.append(Story(post, author, fanout, reader, read))
    return told


def compare(services: Services, reader: User, fresh: Iterable[Post]) -> dict[str, Any]:
    """The reader's feed by every strategy, the names of its authors by id, the ids of the posts to
    mark as new, and what is known of a difference."""
    comparison = services.engine.compare(reader.id, PAGE)
    feeds = comparison.strategies
    authors = {post.author_id for feed in feeds.values() for post in feed.items}
    return {
        "feeds": feeds,
        "names": {user.id: user.name for user in services.users.get_many(sorted(authors))},
        "fresh": {post.id for post in fresh},
        "difference": difference(services, comparison),
    }


def difference(services: Services, comparison: Comparison) -> dict[str, Any] | None:
    """How many posts each page lacks (`missing`), and how many of these are in which state
    (`states`; None for a post without a job record). None for equal pages.

    The job records are looked up in one round trip. They tell how the posts stand after the reads,
    which were made one after the other: so states are told, not causes.
    """
    if comparison.identical:
        return None
    seen = {post.id for feed in comparison.strategies.values() for post in feed.items}
    missing = {}
    for strategy, feed in comparison.strategies.items():
        last = feed.items[-1].id if feed.next_cursor else 0  # what lies below it is not missing
        shown = {post.id for post in feed.items}
        missing[strategy] = {post_id for post_id in seen - shown if post_id > last}
    records = services.engine.jobs.fanouts(set().union(*missing.values()))
    states = Counter(record.status if record else None for record in records)
    states["queued"] += states.pop("running", 0)
    return {"missing": {name: len(lacks) for name, lacks in missing.items()}, "states": states}
