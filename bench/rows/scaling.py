"""Row 11: two server processes with a worker each, against one server with one worker."""

from contextlib import ExitStack

from bench import servers
from bench.context import Context, worker
from bench.fixture import Fixture
from bench.measure import Outcome, alternate
from bench.processes import wait_until
from bench.rows import Row

POSTS = 4
PRIMARIES = 2
NODE_TIMEOUT = ("--cluster-node-timeout", "15000")
"""Nobody is killed here, and a node that has much to do is not to be taken for dead."""


def cluster(context: Context) -> Outcome:
    """Deliveries a second by real worker processes, from accepting to the last acknowledgement."""
    with ExitStack() as stack:
        one = context.fixture
        ports = stack.enter_context(
            servers.cluster(
                *NODE_TIMEOUT,
                *context.options,
                kind=context.server,
                primaries=PRIMARIES,
                replicas=0,
            )
        )
        two = Fixture(ports[0], context.sizes.without_largest(), context.seed)
        stack.callback(two.close)
        two.build()
        stack.enter_context(worker(one.url, "bench-single"))
        for number in range(PRIMARIES):
            stack.enter_context(worker(two.url, f"bench-cluster-{number}"))
        figures = alternate(context.rounds, lambda: _rate(two), lambda: _rate(one))
    note = (
        f"{POSTS} posts to {context.sizes.large:,} followers each; "
        "four processes share the cores with the two sides' idle ones"
    )
    return Outcome("deliveries/s", *figures, notes=[note, "all timelines checked"])


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
    )
]
