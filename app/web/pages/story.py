"""What the page tells of a post and of a reader's feeds, as plain values for the templates."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from app.bootstrap import Services
from app.datasets.users import User
from app.engine.errors import UnknownPost
from app.engine.models import Comparison, Fanout, Feed, Post, Strategy
from app.settings import Settings
from app.web.pages.difference import Difference, explain
from app.web.pages.formatting import count_of, duration, number

PAGE = 8
"""Posts in each column of the comparison."""

SOURCES = {
    "timeline": "From the timeline, merged with the logs of the pulled authors followed.",
    "merge": "Merged just now from the logs of the people followed.",
    "rebuild": "There was no finished timeline; the logs were merged, to build one.",
}


@dataclass(frozen=True, slots=True)
class Story:
    """One post, how far its fan-out came, and one read of a follower's feed after it."""

    post: Post
    author: User
    fanout: Fanout
    numerals: list[tuple[str, str]]
    tale: str
    aside: str


@dataclass(frozen=True, slots=True)
class Line:
    """One post in a feed."""

    id: int
    author: str
    text: str
    created_at: str
    fresh: bool


@dataclass(frozen=True, slots=True)
class Column:
    """One strategy's page of the feed and what it cost."""

    strategy: Strategy
    total_ms: float
    commands: int
    round_trips: int
    source_text: str
    posts: list[Line]


@dataclass(frozen=True, slots=True)
class Side:
    """The same feed by all strategies, and what is known of their difference."""

    columns: list[Column]
    length: int
    difference: Difference | None


def story(services: Services, post_id: int, reader: User | None) -> Story | None:
    """The story of a post; None when the post is gone. Reads the reader's feed once for it."""
    try:
        post = services.engine.post(post_id)
        fanout = services.engine.fanout(post_id)
    except UnknownPost:
        return None
    author = services.users.get(post.author_id)
    read = services.engine.feed(reader.id, post.strategy, PAGE) if reader else None
    return Story(
        post,
        author,
        fanout,
        _numerals(fanout, read, reader),
        _tale(fanout, read, reader),
        _aside(fanout, services.settings),
    )


def compare(services: Services, reader: User, fresh: Collection[int]) -> Side:
    """The reader's feed by every strategy; posts in `fresh` are marked as new."""
    return _side(services, services.engine.compare(reader.id, PAGE), fresh)


def _side(services: Services, comparison: Comparison, fresh: Collection[int]) -> Side:
    feeds = comparison.strategies
    authors = {post.author_id for feed in feeds.values() for post in feed.items}
    names = {user.id: user.name for user in services.users.get_many(sorted(authors))}
    columns = [
        Column(
            strategy,
            feed.timing_ms["total"],
            feed.commands,
            feed.round_trips,
            SOURCES[feed.source],
            [
                Line(post.id, names[post.author_id], post.text, post.created_at, post.id in fresh)
                for post in feed.items
            ],
        )
        for strategy, feed in feeds.items()
    ]
    longest = max((len(column.posts) for column in columns), default=0)
    return Side(columns, longest, explain(services, comparison))


def _numerals(fanout: Fanout, read: Feed | None, reader: User | None) -> list[tuple[str, str]]:
    """The three figures that tell most: what the post cost, and what a read costs after it."""
    found = [("delivery" if fanout.delivered == 1 else "deliveries", number(fanout.delivered))]
    if fanout.lag_ms is not None:
        found.append(("until the last one", duration(fanout.lag_ms)))
    if read and reader:
        if read.source == "merge":
            found.append(("logs merged by one read", number(reader.following + 1)))
        found.append(("for one read", duration(read.timing_ms["total"])))
    return found


def _tale(fanout: Fanout, read: Feed | None, reader: User | None) -> str:
    """The post in one or two sentences, every number measured."""
    if fanout.status == "pull":
        first = "1 post → 0 deliveries: it was written once, into the author's log."
    elif fanout.lag_ms is not None:
        first = f"1 post → {count_of(fanout.delivered, 'delivery', 'deliveries')}"
        first += f" in {duration(fanout.lag_ms)}."
    elif fanout.status == "dead":
        first = f"1 post → {count_of(fanout.delivered, 'delivery', 'deliveries')}, and then its "
        first += "job failed: the dead-letter queue says why."
    else:
        first = f"1 post → {count_of(fanout.recipients, 'delivery', 'deliveries')} to make, "
        first += f"{number(fanout.delivered)} made so far."
    if read is None or reader is None:
        return first
    commands, trips = count_of(read.commands, "command"), count_of(read.round_trips, "round trip")
    took = f"{duration(read.timing_ms['total'])} for {reader.name}"
    if read.source == "timeline":
        return f"{first} A read just now took {commands} in {trips}: {took}."
    logs = count_of(reader.following + 1, "log")
    return f"{first} A read just now merged {logs} with {commands} in {trips}: {took}."


def _aside(fanout: Fanout, settings: Settings) -> str:
    """What decided for pull, or who was skipped."""
    deliveries = count_of(fanout.recipients, "delivery", "deliveries")
    if fanout.status == "pull":
        return {
            "deferred": "Deferred by backpressure: the backlog had reached its high mark and was "
            f"not back at the low one, or had no headroom for {deliveries}. Until the post is "
            "delivered, readers fetch it from the log.",
            "costs": f"Hybrid chose pull by measured costs: {deliveries} were not clearly cheaper.",
            "threshold": "Hybrid chose pull by its threshold: from "
            f"{number(settings.celebrity_followers)} followers on it pulls.",
        }.get(fanout.pull_reason or "", "")
    if not fanout.skipped:
        return ""
    return (
        f"{count_of(fanout.skipped, 'follower')} skipped: they had no timeline, "
        "and their next read builds one."
    )
