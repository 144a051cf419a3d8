"""Publishes the first posts of a fresh dataset through the engine, like any other post."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest

from app.datasets.data import lines
from app.datasets.kinds import KINDS, Kind
from app.datasets.loads import Report
from app.engine.engine import Engine
from app.engine.errors import Overloaded

MAX_DELIVERIES = 200_000
"""Deliveries that the celebrities' first posts may need, the largest one's aside: more than all
of `medium` need. Where it is not enough for all, the smaller ones post."""

PATIENCE_SECONDS = 30.0
"""How long a post that is refused for overload is tried again."""


def texts_of(kind: Kind) -> list[str]:
    """The texts that authors of a kind post."""
    posts = (line.split(" ", 1) for line in lines("first-posts.txt"))
    return [text for name, text in posts if name == kind]


def plan(
    directories: Mapping[Kind, Sequence[int]], followers: Mapping[int, int]
) -> list[tuple[int, str]]:
    """Who posts what, as (author, text): one author of each kind after the other, and the largest
    author last, so that the first feed anybody looks at has that post on top.

    Each text is used at most once; where a kind has fewer authors than texts each posts several.
    The largest celebrity always posts, the others as far as MAX_DELIVERIES goes.
    """
    chosen: list[list[tuple[int, str]]] = []
    for kind in reversed(KINDS):
        texts = texts_of(kind)
        authors = list(directories.get(kind, ()))[: len(texts)]
        times = -(-len(texts) // len(authors)) if authors else 0
        if kind == "celebrity":
            authors = _affordable(authors, times, followers)
        chosen.append(list(zip(authors * times, texts, strict=False)))
    rounds = [*zip_longest(*chosen)]
    return [post for one_of_each_kind in reversed(rounds) for post in one_of_each_kind if post]


def _affordable(authors: list[int], times: int, followers: Mapping[int, int]) -> list[int]:
    """The first (largest) author, and of the others as many as possible, in their order, when
    each posts so many times."""
    remaining = MAX_DELIVERIES
    kept = set(authors[:1])
    for author in sorted(authors[1:], key=lambda one: followers.get(one, 0)):
        remaining -= times * followers.get(author, 0)
        if remaining >= 0:
            kept.add(author)
    return [author for author in authors if author in kept]


def publish_all(engine: Engine, posts: Sequence[tuple[int, str]], report: Report) -> None:
    """Publishes with the write strategy, and makes the deliveries: whenever more than
    FANOUT_BACKLOG_LOW of them wait, and at the end."""
    deliver = engine.deliverer(f"loader-{os.getpid()}").run_until_idle
    waiting = 0
    for done, (author, text) in enumerate(posts, 1):
        waiting += _publish(engine, author, text, deliver)
        if waiting > engine.settings.backlog_low:
            deliver()
            waiting = 0
        report(done, len(posts))
    deliver()


def _publish(engine: Engine, author: int, text: str, deliver: Callable[[], object]) -> int:
    """Publishes a post; its recipients."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return engine.publish(author, text, "write")[1].recipients
        except Overloaded:
            if time.monotonic() > end:
                raise
            deliver()
            time.sleep(0.05)  # other workers may have the jobs
