"""Rows 6 and 13: accepting posts, and how the costs grow with the author's audience."""

import time

from bench.context import Context
from bench.measure import Outcome, Target, line, median, quantile, seconds_of
from bench.rows import Row
from bench.rows.delivery import check_heads

ACCEPTED = 1_000
"""Posts on each side of a round: enough for a 99th percentile."""


def _accept(context: Context, author: int) -> float:
    """Seconds to accept a post; nobody delivers it."""
    fixture = context.fixture
    begun = time.perf_counter()
    fixture.services.engine.publish(author, "accepted", "write")
    return time.perf_counter() - begun


def celebrity(context: Context) -> Outcome:
    """Row 6. The two authors alternate post by post, so that a disturbance hits both."""
    fixture = context.fixture
    small = fixture.authors[min(fixture.authors)][0]
    ours: list[float] = []
    baseline: list[float] = []
    for number in range(context.rounds + 1):
        large_times, small_times = [], []
        for post in range(ACCEPTED):
            if post % 2:
                large_times.append(_accept(context, fixture.largest))
                small_times.append(_accept(context, small))
            else:
                small_times.append(_accept(context, small))
                large_times.append(_accept(context, fixture.largest))
        fixture.forget_jobs()
        if number:
            ours.append(1e3 * quantile(large_times, 0.99))
            baseline.append(1e3 * quantile(small_times, 0.99))
    note = f"p99 of {ACCEPTED:,} posts of each, in alternation; nobody delivers them meanwhile"
    return Outcome("ms p99", ours, baseline, notes=[note])


def growth(context: Context) -> Outcome:
    """Row 13. The ratio compares the two largest audiences; all of them must lie on one line
    time = fixed + each * followers, since a job has a price of its own."""
    fixture = context.fixture
    sizes = [size for size in fixture.authors if size >= 100]
    deliverer = fixture.services.engine.deliverer("bench")
    times: dict[int, list[float]] = {size: [] for size in sizes}
    for number in range(context.rounds + 1):
        for size in sizes:
            # As many authors as there are, so that small audiences are not found in a cache.
            total = 0.0
            for author in fixture.authors[size]:
                post, _ = fixture.services.engine.publish(author, "growth", "write")
                total += seconds_of(deliverer.run_until_idle)
                if author == fixture.authors[size][0]:
                    check_heads(fixture, author, post.id)
            if number:
                times[size].append(total / len(fixture.authors[size]))
    accepts: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in range(ACCEPTED // 2):  # in alternation, and nobody delivers them
        for size in sizes:
            accepts[size].append(_accept(context, fixture.authors[size][0]))
    fixture.forget_jobs()
    middles = [median(times[size]) for size in sizes]
    fixed, each, worst = line(sizes, middles)
    accepted = {size: 1e3 * median(accepts[size]) for size in sizes}
    spread = max(accepted.values()) / min(accepted.values())
    notes = [
        f"time = {1e3 * fixed:.2f} ms + {1e6 * each:.3f} µs for each follower; "
        f"the farthest size is {100 * worst:.0f} % off that line",
        "ms to deliver: "
        + ", ".join(f"{size:,}: {1e3 * t:.2f}" for size, t in zip(sizes, middles, strict=True)),
        "ms to accept: " + ", ".join(f"{size:,}: {t:.3f}" for size, t in accepted.items()),
    ]
    return Outcome(
        "µs a delivery",
        [1e6 * t / sizes[-1] for t in times[sizes[-1]]],
        [1e6 * t / sizes[-2] for t in times[sizes[-2]]],
        others={
            "linear within 15 %": worst <= 0.15,
            "acceptance time flat within 15 %": spread <= 1.15,
        },
        notes=notes,
    )


ROWS = [
    Row(
        6,
        "accepting a post: an author with 200,000 followers",
        "an author with 10 followers",
        Target(False, 1.2),
        celebrity,
    ),
    Row(
        13,
        "cost of a delivery with 200,000 followers",
        "with 100,000; 1,000 and 10,000 lie on the same line",
        Target(False, 1.15),
        growth,
    ),
]
