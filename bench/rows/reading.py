"""Rows 7 and 8: feed pages, against the bare commands that any reader of the data needs."""

import heapq
from collections.abc import Callable
from typing import Any

import orjson

from app.engine.models import Strategy
from bench.context import Context
from bench.fixture import Fixture
from bench.measure import Outcome, Target, alternate, seconds_of
from bench.rows import Row

LIMIT = 20
Bare = Callable[[int], list[Any]]
"""Fetches a reader's page; the bodies as they are stored."""


def timeline(context: Context) -> Outcome:
    """Row 7: a page from a full timeline."""
    fixture = context.fixture

    def bare(reader: int) -> list[Any]:
        name = fixture.store.keys.timeline(reader)
        return _bodies(fixture, list(map(int, fixture.client.lrange(name, 0, LIMIT - 1))))

    return _pages(context, "write", bare, repeats=25)


def pull(context: Context) -> Outcome:
    """Row 8: a page from the logs of 200 followed authors."""
    fixture = context.fixture
    authors_of = {reader: _authors(fixture, reader) for reader in fixture.page_readers}

    def bare(reader: int) -> list[Any]:
        pipeline = fixture.client.pipeline(transaction=False)
        for author in authors_of[reader]:
            pipeline.lrange(fixture.store.keys.log(author), 0, LIMIT - 1)
        return pipeline.execute()

    for reader in fixture.page_readers:
        logs = (map(int, log) for log in bare(reader))
        latest = heapq.nlargest(LIMIT, (post_id for log in logs for post_id in log))
        _same(fixture, reader, "read", _bodies(fixture, latest))
    outcome = _pages(context, "read", bare, repeats=3, check=False)
    outcome.notes.append(
        "the baseline is handed the authors followed and only fetches the logs: no merge, no bodies"
    )
    return outcome


def _pages(
    context: Context, strategy: Strategy, bare: Bare, repeats: int, *, check: bool = True
) -> Outcome:
    fixture = context.fixture
    readers = fixture.page_readers * repeats
    if check:
        for reader in fixture.page_readers:
            _same(fixture, reader, strategy, bare(reader))

    def ours() -> float:
        def work() -> None:
            for reader in readers:
                fixture.services.engine.feed(reader, strategy, LIMIT)

        return 1e3 * seconds_of(work) / len(readers)

    def baseline() -> float:
        def work() -> None:
            for reader in readers:
                bare(reader)

        return 1e3 * seconds_of(work) / len(readers)

    figures = alternate(context.rounds, ours, baseline)
    return Outcome(
        "ms a page", *figures, notes=["every reader's page compared with the baseline's"]
    )


def _bodies(fixture: Fixture, post_ids: list[int]) -> list[Any]:
    names = [fixture.store.keys.post(post_id) for post_id in post_ids]
    bodies: list[Any] = fixture.client.mget(names)
    return bodies


def _same(fixture: Fixture, reader: int, strategy: Strategy, bodies: list[Any]) -> None:
    """Ours returns the same posts."""
    items = fixture.services.engine.feed(reader, strategy, LIMIT).items
    wanted = [(fields["author_id"], fields["text"]) for fields in map(orjson.loads, bodies)]
    if [(post.author_id, post.text) for post in items] != wanted or len(items) != LIMIT:
        raise AssertionError(f"the page of reader {reader} is not the same")


def _authors(fixture: Fixture, reader: int) -> list[int]:
    name = fixture.store.keys.following(reader)
    return list(map(int, fixture.client.smembers(name)))


ROWS = [
    Row(
        7,
        "feed page of 20 from a full timeline, engine level",
        "bare LRANGE + MGET by redis-py",
        Target(False, 1.4),
        timeline,
    ),
    Row(
        8,
        "feed page of 20 by pull over 200 followed authors, engine level",
        "bare pipelined LRANGE of the same 200 logs",
        Target(False, 1.3),
        pull,
    ),
]
