"""What the page tells of a post and of a reader's feeds; the templates put it into words."""

from collections.abc import Collection
from dataclasses import dataclass

from app.bootstrap import Services
from app.datasets.users import User
from app.engine.errors import UnknownPost
from app.engine.models import Fanout, Feed, Post, Strategy
from app.web.pages.difference import Difference, explain

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


@dataclass(frozen=True, slots=True)
class Compared:
    """The reader's feed by every strategy, the names of its authors by id, the ids of the posts to
    mark as new, and what is known of a difference."""

    feeds: dict[Strategy, Feed]
    names: dict[int, str]
    fresh: Collection[int]
    difference: Difference | None


def story(services: Services, post: Post, reader: User | None) -> Story | None:
    """The story of a post; None when its fan-out is not known any more. Reads the reader's feed
    once for it."""
    try:
        fanout = services.engine.fanout(post.id)
    except UnknownPost:
        return None
    author = services.users.get(post.author_id)
    read = services.engine.feed(reader.id, post.strategy, PAGE) if reader else None
    return Story(post, author, fanout, reader, read)


def compare(services: Services, reader: User, fresh: Collection[int]) -> Compared:
    """The reader's feed by every strategy; posts in `fresh` are marked as new."""
    comparison = services.engine.compare(reader.id, PAGE)
    feeds = comparison.strategies
    authors = {post.author_id for feed in feeds.values() for post in feed.items}
    names = {user.id: user.name for user in services.users.get_many(sorted(authors))}
    return Compared(feeds, names, fresh, explain(services, comparison))
