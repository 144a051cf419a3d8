"""Publishes the first posts of a fresh dataset through the engine, like any other post."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from app.datasets.first_post_texts import CELEBRITY_TEXTS, POPULAR_TEXTS, REGULAR_TEXTS
from app.engine.errors import Overloaded
from app.engine.models import Kind
from app.engine.publishing.publishing import Publishing

TEXTS: dict[Kind, Sequence[str]] = {
    "regular": REGULAR_TEXTS,
    "popular": POPULAR_TEXTS,
    "celebrity": CELEBRITY_TEXTS,
}

MAX_DELIVERIES = 200_000
"""Deliveries that the celebrities' first posts may need, the largest one's aside: more than all
of `medium` need. Where it is not enough for all, the smaller ones post."""

PATIENCE_SECONDS = 30.0


def plan(
    directories: Mapping[Kind, Sequence[int]], followers: Mapping[int, int]
) -> list[tuple[int, str]]:
    """Who posts what, as (author, text): the kinds take turns, and the largest author is last,
    so that the first feed anybody looks at has that post on top.

    Each text is used at most once; where a kind has fewer authors than texts they take turns.
    The largest celebrity always posts, the others as far as MAX_DELIVERIES goes.
    """
    chosen: list[list[tuple[int, str]]] = []
    for kind, texts in TEXTS.items():
        authors = list(directories.get(kind, ()))[: len(texts)]
        rounds = -(-len(texts) // len(authors)) if authors else 0
        if kind == "celebrity":
            authors = _affordable(authors, rounds, followers)
        chosen.append(list(zip(authors * rounds, texts, strict=False)))
    longest = max(map(len, chosen))
    return [posts[i] for i in reversed(range(longest)) for posts in chosen if i < len(posts)]


def _affordable(authors: list[int], rounds: int, followers: Mapping[int, int]) -> list[int]:
    """The first (largest) author, and of the others as many as possible, in their order, when
    each posts `turns` times."""
    remaining = MAX_DELIVERIES
    kept = set(authors[:1])
    for author in sorted(authors[1:], key=lambda one: followers.get(one, 0)):
        remaining -= rounds * followers.get(author, 0)
        if remaining >= 0:
            kept.add(author)
    return [author for author in authors if author in kept]


def publish_all(
    publishing: Publishing,
    posts: Sequence[tuple[int, str]],
    deliver: Callable[[], None],
    headroom: int,
    report: Callable[[int, int], None],
) -> int:
    """Publishes with the write strategy; how many. `deliver` makes the deliveries that wait, and
    is called before more than `room` of them do."""
    waiting = 0
    for done, (author, text) in enumerate(posts):
        waiting += _publish(publishing, author, text, deliver)
        if waiting > headroom:
            deliver()
            waiting = 0
        report(done + 1, len(posts))
    deliver()
    return len(posts)


def _publish(publishing: Publishing, author: int, text: str, deliver: Callable[[], None]) -> int:
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return publishing.publish(author, text, "write")[1].recipients
        except Overloaded:
            if time.monotonic() > end:
                raise
            deliver()
            time.sleep(0.05)  # other workers may have the jobs
