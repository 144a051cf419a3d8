"""Publishes the first posts of a fresh dataset through the engine, like any other post."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from app.domain.errors import Overloaded
from app.domain.first_posts import CELEBRITY_TEXTS, POPULAR_TEXTS, REGULAR_TEXTS
from app.domain.models import Kind
from app.services.publishing import Publishing

TEXTS: dict[Kind, Sequence[str]] = {
    "regular": REGULAR_TEXTS,
    "popular": POPULAR_TEXTS,
    "celebrity": CELEBRITY_TEXTS,
}

MAX_DELIVERIES = 500_000
"""Deliveries that all first posts may need: about a second. The largest celebrities of a large
dataset post once, then the turn comes to smaller accounts."""

PATIENCE_SECONDS = 30.0


def plan(
    directories: Mapping[Kind, Sequence[int]], followers: Mapping[int, int]
) -> list[tuple[int, str]]:
    """Who posts what, as (author, text): the kinds take turns and the largest author is last.

    Each text is used once. An author posts once if there are enough of the kind, and a
    celebrity only while the deliveries of all posts together stay under MAX_DELIVERIES; the
    largest celebrity always posts.
    """
    posts: list[list[tuple[int, str]]] = []
    left = MAX_DELIVERIES
    for kind, texts in TEXTS.items():
        authors = directories.get(kind, ())
        chosen: list[tuple[int, str]] = []
        for i, text in enumerate(texts if authors else ()):
            author = authors[i % len(authors)]
            cost = followers.get(author, 0)
            if cost <= left or not chosen:
                chosen.append((author, text))
                left -= cost
        posts.append(chosen)
    longest = max(map(len, posts))
    return [chosen[i] for i in reversed(range(longest)) for chosen in posts if i < len(chosen)]


def publish_all(
    publishing: Publishing,
    posts: Sequence[tuple[int, str]],
    deliver: Callable[[], None],
    room: int,
    report: Callable[[int, int], None],
) -> int:
    """Publishes with the write strategy; how many. `deliver` makes the deliveries that wait, and
    is called before more than `room` of them do."""
    waiting = 0
    for done, (author, text) in enumerate(posts):
        waiting += _publish(publishing, author, text, deliver)
        if waiting > room:
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
