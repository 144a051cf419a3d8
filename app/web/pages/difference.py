"""What is known of posts that one strategy's page lacks and another one's has."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from app.bootstrap import Services
from app.engine.models import Comparison, FanoutStatus, Feed
from app.settings import Settings
from app.web.pages.formatting import STRATEGY_NAMES, count_of, duration


@dataclass(frozen=True, slots=True)
class Difference:
    """In words; `dead`: the dead-letter queue says why."""

    text: str
    dead: bool


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
    told = [
        f"{STRATEGY_NAMES[strategy]} lacks {count_of(len(posts), 'post')}."
        for strategy, posts in missing.items()
        if posts
    ]
    told += [
        count_of(states[state], f"of them {one}.", f"of them {many}.")
        for state, (one, many) in _known(services.settings).items()
        if states[state]
    ]
    if not told or states[None]:
        told.append("The reads were made one after the other; the cause is not known.")
    return Difference(" ".join(told), states["dead"] > 0)


def _missing(seen: set[int], feed: Feed) -> set[int]:
    """The posts that others have; what lies below the last of a page is not missing there."""
    last = feed.items[-1].id if feed.next_cursor else 0
    return {post_id for post_id in seen if post_id > last} - {post.id for post in feed.items}


def _known(settings: Settings) -> dict[FanoutStatus | None, tuple[str, str]]:
    """What each state says of one post, and of many."""
    kept = duration(max(settings.log_cache_ms, settings.pulled_authors_cache_ms))
    pulled = f"read by pull, from copies that a process keeps for up to {kept}"
    done = "been delivered by now; the reads were made one after the other"
    return {
        "queued": ("is still to be delivered", "are still to be delivered"),
        "dead": ("is in the dead-letter queue", "are in the dead-letter queue"),
        "pull": (f"is {pulled}", f"are {pulled}"),
        "done": (f"has {done}", f"have {done}"),
        None: ("has no job record any more", "have no job record any more"),
    }
