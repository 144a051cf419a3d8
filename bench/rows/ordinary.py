"""Rows 14 to 16: posts by ordinary authors, where the price of a job counts and not that of a push.

The authors are drawn at random from the generated network `medium`: 13 followers in the mean, a few
with thousands. All sides deliver posts of the same authors to lists of the same people.
"""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, closing
from multiprocessing import get_context

import redis

from app.engine.store.queue import read_queue
from bench import baselines, servers
from bench.context import Context, worker
from bench.fixture import TEXT, Fixture
from bench.measure import Outcome, Target, alternate, quantile
from bench.rows import Row

Posts = list[tuple[int, int]]
"""(id, author) of each."""

POSTS = 3_000


class Network:
    """The network on a server of its own, for the engine and, under names of their own, for the
    baselines."""

    def __init__(self, context: Context, stack: ExitStack) -> None:
        port = stack.enter_context(servers.server(*context.options, kind=context.server))
        self.fixture = Fixture(port, context.sizes, context.seed)
        stack.callback(self.fixture.close)
        self.posts = POSTS // 10 if context.quick else POSTS
        loaded = self.fixture.services.loading.load_preset("medium", context.seed)
        self._users = range(loaded.users)
        self._random = random.Random(context.seed)
        self._ids = iter(range(2**52, 2**53))
        self.followers = {author: self._followers(author) for author in self._users}
        pipeline = self.fixture.client.pipeline(transaction=False)
        for author, followers in self.followers.items():
            if followers:
                pipeline.sadd(baselines.followers(author), *followers)
        pipeline.execute()

    def _followers(self, author: int) -> list[int]:
        keys, batch = self.fixture.store.keys, self.fixture.store.batch()
        for shard in range(self.fixture.settings.shards):
            batch.add("LRANGE", keys.followers(shard, author), 0, -1)
        return [int(follower) for reply in batch.run() for follower in reply]

    def draw(self) -> Posts:
        """Posts of authors at random, with ids for the baselines."""
        authors = self._random.choices(self._users, k=self.posts)
        return list(zip(self._ids, authors, strict=False))

    def mean_followers(self) -> float:
        """Followers of an author."""
        return sum(map(len, self.followers.values())) / len(self.followers)

    def check(self, latest: dict[int, int]) -> None:
        """Each author's latest post is in the timeline of every follower, once."""
        keys, batch = self.fixture.store.keys, self.fixture.store.batch()
        for author, post_id in latest.items():
            for follower in self.followers[author]:
                batch.add("LPOS", keys.timeline(follower), post_id, "COUNT", 0)
        if any(len(positions) != 1 for positions in batch.run()):
            raise AssertionError("a follower did not get a post, or twice")


def rate(context: Context, baseline: Callable[[Network, Posts], float]) -> Outcome:
    """Rows 14 and 16: jobs a second until everything queued is delivered."""
    with ExitStack() as stack:
        network = Network(context, stack)
        stack.enter_context(worker(network.fixture.url, "bench-ordinary"))
        figures = alternate(
            context.rounds,
            lambda: _engine_rate(network, network.draw()),
            lambda: baseline(network, network.draw()),
        )
    note = (
        f"{network.posts:,} posts queued while the worker was paused, "
        f"{network.mean_followers():.1f} followers in the mean"
    )
    return Outcome("jobs/s", *figures, notes=[note, "the latest posts of all authors checked"])


def _engine_rate(network: Network, posts: Posts) -> float:
    """By a real worker process, from its resumption on."""
    engine = network.fixture.services.engine
    engine.control.set(paused=True)
    time.sleep(0.5)
    latest = {author: engine.publish(author, TEXT, "write")[0].id for _, author in posts}
    begun = time.perf_counter()
    engine.control.set(paused=False)
    while read_queue(engine.store).jobs:
        time.sleep(0.02)
    spent = time.perf_counter() - begun
    network.check(latest)
    return len(posts) / spent


def _naive_rate(network: Network, posts: Posts) -> float:
    client, cap = network.fixture.client, network.fixture.sizes.length
    baselines.enqueue(client, posts)
    begun = time.perf_counter()
    lags = baselines.naive_loop(client, cap)
    return len(lags) / (time.perf_counter() - begun - baselines.EMPTY_SECONDS)


def _dramatiq_rate(network: Network, posts: Posts) -> float:
    return baselines.dramatiq_loop(network.fixture.url, posts, network.fixture.sizes.length)


def lag(context: Context) -> Outcome:
    """Row 15: p99 of the time from accepting a post to its last delivery, at half the rate that
    the naive loop can keep up with."""
    with ExitStack() as stack:
        network = Network(context, stack)
        half = _naive_rate(network, network.draw()) / 2
        stack.enter_context(worker(network.fixture.url, "bench-ordinary"))
        figures = alternate(
            context.rounds,
            lambda: _engine_lag(network, half),
            lambda: _naive_lag(network, half),
        )
    note = f"{half:,.0f} posts a second, evenly; each side delivers in a process of its own"
    return Outcome("ms p99", *figures, {"never over 5 ms": max(figures[0]) <= 5}, [note])


def _engine_lag(network: Network, posts_per_second: float) -> float:
    engine = network.fixture.services.engine
    published = [
        engine.publish(author, TEXT, "write")[0].id
        for _, author in evenly(network.draw(), posts_per_second)
    ]
    while read_queue(engine.store).jobs:
        time.sleep(0.01)
    batch = engine.store.batch()
    for post_id in published:
        batch.add("HGET", engine.store.keys.job(post_id), "lag_ms")
    return quantile([float(lag_ms) for lag_ms in batch.run()], 0.99)


def _naive_lag(network: Network, posts_per_second: float) -> float:
    arguments = (network.fixture.url, network.fixture.sizes.length)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        pool.submit(time.time).result()  # the process runs
        lags = pool.submit(_naive_process, *arguments)
        for post in evenly(network.draw(), posts_per_second):
            baselines.enqueue(network.fixture.client, [post])
        return quantile(lags.result(), 0.99)


def _naive_process(url: str, cap: int) -> list[float]:
    with closing(redis.Redis.from_url(url)) as client:
        return baselines.naive_loop(client, cap)


def evenly(posts: Posts, posts_per_second: float) -> Iterator[tuple[int, int]]:
    """The posts, each at its time."""
    begun = time.perf_counter()
    for number, post in enumerate(posts):
        time.sleep(max(0.0, begun + number / posts_per_second - time.perf_counter()))
        yield post


ROWS = [
    Row(
        14,
        "posts by ordinary authors, a worker process",
        "the loop of the articles: pop, SMEMBERS, pipelined LPUSH + LTRIM",
        Target(True, 4),
        lambda context: rate(context, _naive_rate),
    ),
    Row(
        15,
        "lag p99 of ordinary posts at half the loop's rate",
        "the loop's own lag",
        None,
        lag,
    ),
    Row(
        16,
        "posts by ordinary authors, a worker process",
        "the loop's work as an actor of Dramatiq, four threads",
        Target(True, 4),
        lambda context: rate(context, _dramatiq_rate),
    ),
]
