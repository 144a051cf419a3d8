"""Row 12: what readers notice of a large fan-out."""

import time

from app.engine.delivery.servers import READ_SECONDS
from bench.context import Context, worker
from bench.fixture import Fixture
from bench.measure import Outcome, Target, quantile
from bench.rows import Row
from bench.rows.scaling import wait_until_done

PAUSE = 0.001
"""Seconds between two reads: one reader who does not keep a core busy."""

READS = 800
POSTS = 4
"""Posts queued ahead, so that the worker never runs dry while readers are measured."""


def during(context: Context) -> Outcome:
    """p99 of feed pages while a worker process delivers to 200,000 followers, and at rest."""
    fixture = context.fixture
    rest: list[float] = []
    busy: list[float] = []
    first: list[float] = []
    with worker(fixture.url, "bench-reader"):
        for number in range(context.rounds + 1):
            time.sleep(READ_SECONDS)
            alone = _first(fixture, fixture.largest)
            quiet = _reads(fixture, None)
            loaded = _reads(fixture, fixture.largest)
            if number:
                first.append(1e3 * alone)
                rest.append(1e3 * quantile(quiet, 0.99))
                busy.append(1e3 * quantile(loaded, 0.99))
    return Outcome(
        "ms p99",
        busy,
        rest,
        others={"never over 10 ms": max(busy) <= 10},
        notes=[
            f"{READS:,} pages of 20 from full timelines, engine level, "
            f"{1e3 * PAUSE:g} ms between two; a worker process delivers all the while",
            f"a page that meets large chunks, the first after {READ_SECONDS:g} s without any, took "
            + ", ".join(f"{ms:.1f}" for ms in sorted(first))
            + " ms",
        ],
    )


def _first(fixture: Fixture, author: int) -> float:
    """Seconds of a page in the middle of a fan-out, when nobody has read for a while."""
    waiting = _top_up(fixture, author, [])
    time.sleep(0.1)  # under way: the posts take several times as long
    begun = time.perf_counter()
    fixture.services.engine.feed(fixture.page_readers[0], "write")
    spent = time.perf_counter() - begun
    wait_until_done(fixture, waiting)
    return spent


def _reads(fixture: Fixture, author: int | None) -> list[float]:
    """Seconds of each read; with an author, while posts of the author are being delivered."""
    feeds, readers = fixture.services.engine.feeds, fixture.page_readers
    waiting: list[int] = []
    times: list[float] = []
    for number in range(READS):
        if author is not None and number % 50 == 0:
            waiting = _top_up(fixture, author, waiting)
        begun = time.perf_counter()
        feeds.page(readers[number % len(readers)], "write")
        times.append(time.perf_counter() - begun)
        time.sleep(PAUSE)
    wait_until_done(fixture, waiting)
    return times


def _top_up(fixture: Fixture, author: int, waiting: list[int]) -> list[int]:
    """Keeps POSTS posts under way."""
    engine = fixture.services.engine
    remaining = [post for post in waiting if engine.fanout(post).status != "done"]
    while len(remaining) < POSTS:
        remaining.append(engine.publish(author, "busy", "write")[0].id)
    return remaining


ROWS = [
    Row(
        12,
        "readers' p99 during a fan-out to 200,000 followers",
        "readers' p99 at rest",
        Target(False, 2.5),
        during,
    )
]
