"""Rows 11 and 20: a Cluster against one server, by the clock and by what a delivery costs."""

import time
from contextlib import ExitStack

from bench import servers
from bench.context import Context, worker
from bench.fixture import Fixture
from bench.measure import Outcome, Target, alternate, median
from bench.processes import wait_until
from bench.rows import Row
from bench.rows.delivery import check_heads

POSTS = 4
PRIMARIES = 2
NODE_TIMEOUT = ("--cluster-node-timeout", "15000")
"""Nobody is killed here, and a node that has much to do is not to be taken for dead."""


def cluster(context: Context) -> Outcome:
    """Deliveries a second by real worker processes, from accepting to the last acknowledgement."""
    with ExitStack() as stack:
        one = context.fixture
        two = _fixture(context, stack, PRIMARIES)
        stack.enter_context(worker(one.url, "bench-single"))
        for number in range(PRIMARIES):
            stack.enter_context(worker(two.url, f"bench-cluster-{number}"))
        figures = alternate(context.rounds, lambda: _rate(two), lambda: _rate(one))
    note = (
        f"{POSTS} posts to {context.sizes.large:,} followers each; "
        "four processes share the cores with the two sides' idle ones"
    )
    return Outcome("deliveries/s", *figures, notes=[note, "all timelines checked"])


def _fixture(context: Context, stack: ExitStack, primaries: int) -> Fixture:
    """The data on a Cluster of so many primaries."""
    options = (*NODE_TIMEOUT, *context.options)
    ports = stack.enter_context(
        servers.cluster(*options, kind=context.server, primaries=primaries, replicas=0)
    )
    fixture = Fixture(ports[0], context.sizes.without_largest(), context.seed)
    stack.callback(fixture.close)
    fixture.build()
    return fixture


def processor_time(context: Context) -> Outcome:
    """Microseconds of all servers and the worker for a delivery: what more nodes cost where they
    cannot be told by the clock, since all share two cores."""
    with ExitStack() as stack:
        one, two, three = (_fixture(context, stack, primaries) for primaries in (1, 2, 3))
        between: list[float] = []

        def of_three() -> float:
            between.append(_micros(two))
            return _micros(three)

        figures = alternate(context.rounds, of_three, lambda: _micros(one))
    ratios = [micros / single for micros, single in zip(between[1:], figures[1], strict=True)]
    note = f"a Cluster of two: {median(ratios):.2f} times one; all timelines checked"
    return Outcome("µs of processors a delivery", *figures, notes=[note])


def _micros(fixture: Fixture) -> float:
    def spent() -> float:
        return fixture.server_seconds() + time.process_time()

    before = spent()
    posts = [fixture.deliver(fixture.large) for _ in range(POSTS)]
    micros = 1e6 * (spent() - before) / (POSTS * fixture.sizes.large)
    check_heads(fixture, fixture.large, posts[-1])
    return micros


def _rate(fixture: Fixture) -> float:
    author = fixture.large
    posts = [fixture.services.engine.publish(author, "two", "write")[0].id for _ in range(POSTS)]
    wait_until_done(fixture, posts)
    if fixture.heads(author, posts[-1]) != fixture.sizes.large:
        raise AssertionError("a follower did not get the last post")
    return POSTS * fixture.sizes.large / _span(fixture, posts)


def wait_until_done(fixture: Fixture, posts: list[int]) -> None:
    """Returns when all these posts are delivered."""
    fanout = fixture.services.engine.fanout
    wait_until(
        lambda: all(fanout(post).status == "done" for post in posts), 120, "the posts are delivered"
    )


def _span(fixture: Fixture, posts: list[int]) -> float:
    """Seconds from the first acceptance to the last acknowledgement, by the server's clock."""
    batch = fixture.store.batch()
    for post in posts:
        batch.add("HMGET", fixture.store.keys.job(post), "accepted", "lag_ms")
    times = [(float(accepted), float(lag)) for accepted, lag in batch.run()]
    last = max(accepted + lag for accepted, lag in times)
    return (last - min(accepted for accepted, _ in times)) / 1e3


ROWS = [
    Row(
        11,
        "a Cluster of two servers, a worker each",
        "one server, one worker",
        None,
        cluster,
    ),
    Row(
        20,
        "processor time of a delivery on a Cluster of three",
        "on a Cluster of one",
        Target(False, 1.1),
        processor_time,
    ),
]
