"""What is known of posts that one strategy's page lacks and another one's has."""

from collections import Counter
from dataclasses import dataclass

from app.bootstrap import Services
from app.engine.models import Comparison, FanoutStatus, Feed, Strategy


@dataclass(frozen=True, slots=True)
class Difference:
    """How many posts each page lacks, and how many of these posts are in which state; None is the
    state of a post without a job record."""

    missing: dict[Strategy, int]
    states: Counter[FanoutStatus | None]


def explain(services: Services, comparison: Comparison) -> Difference | None:
    """What some strategies lack; None for equal pages.

    The missing posts' job records are looked up, in one round trip. They tell how the posts stand
    after the reads, and the reads were made one after the other: so they are told as states, and
    only a post without a record leaves nothing to tell.
    """
    if comparison.identical:
        return None
    seen = {post.id for feed in comparison.strategies.values() for post in feed.items}
    missing = {key: _missing(seen, feed) for key, feed in comparison.strategies.items()}
    records = services.engine.jobs.fanouts(set().union(*missing.values()))
    states = Counter(record.status if record else None for record in records)
    states["queued"] += states.pop("running", 0)
    return Difference({key: len(posts) for key, posts in missing.items()}, states)


def _missing(seen: set[int], feed: Feed) -> set[int]:
    """The posts that others have; what lies below the last of a page is not missing there."""
    last = feed.items[-1].id if feed.next_cursor else 0
    return {post_id for post_id in seen if post_id > last} - {post.id for post in feed.items}
