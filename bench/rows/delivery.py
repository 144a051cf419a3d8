"""Rows 1 to 5: one post into 100,000 timelines, against the patterns of others and the server."""

import itertools
import random
from collections import deque
from collections.abc import Callable, Iterator

from app.engine.store.transactions import SHARDS_IN_FLIGHT, pushes
from app.engine.store.wire import READ_BYTES, Wire, pack
from bench import baselines
from bench.context import Context
from bench.fixture import Fixture
from bench.measure import Outcome, Target, alternate, seconds_of
from bench.rows import Row

POSTS = 2
"""Posts in one round of ours: a round must be long against the machine's jitter."""


def ours(context: Context, fixture: Fixture | None = None) -> Callable[[], float]:
    """Deliveries a second from accepting the post to acknowledging its job."""
    fixture = fixture or context.fixture

    def measured() -> float:
        ids: list[int] = []

        def work() -> None:
            ids.extend(fixture.deliver(fixture.large) for _ in range(POSTS))

        spent = seconds_of(work)
        check_heads(fixture, fixture.large, ids[-1])
        return POSTS * context.sizes.large / spent

    return measured


def check_heads(fixture: Fixture, author: int, post_id: int) -> None:
    """The post is on top of every follower's timeline, once."""
    wanted = _followers(fixture, author)
    found = fixture.heads(author, post_id)
    if found != wanted:
        raise AssertionError(f"{found} of {wanted} timelines have post {post_id} on top")


def _followers(fixture: Fixture, author: int) -> int:
    batch = fixture.store.batch()
    for shard in range(fixture.settings.shards):
        batch.add("LLEN", fixture.store.keys.followers(shard, author))
    return sum(batch.run())


def pipelined(context: Context) -> Outcome:
    """Row 1."""
    fixture, cap = context.fixture, context.sizes.length
    readers = context.flat_readers
    post_id = iter(range(2**52, 2**53))

    def baseline() -> float:
        latest = next(post_id)
        spent = seconds_of(lambda: baselines.pipelined(fixture.client, readers, latest, cap))
        check_lists(fixture, readers, latest, cap)
        return len(readers) / spent

    figures = alternate(context.rounds, ours(context), baseline)
    return Outcome("deliveries/s", *figures, notes=["all timelines of both sides checked"])


def check_lists(fixture: Fixture, readers: list[int], post_id: int, cap: int) -> None:
    """The post is on top of each baseline's list, and none is longer than the cap."""
    pipeline = fixture.client.pipeline(transaction=False)
    for reader in readers:
        pipeline.lindex(baselines.flat(reader), 0)
        pipeline.llen(baselines.flat(reader))
    replies = pipeline.execute()
    if set(replies[::2]) != {b"%d" % post_id} or max(replies[1::2]) > cap:
        raise AssertionError("a baseline did not deliver the same")


def check_sets(fixture: Fixture, readers: list[int], post_id: int) -> None:
    """The post is on top of each baseline's sorted set."""
    pipeline = fixture.client.pipeline(transaction=False)
    for reader in readers:
        pipeline.zrevrange(baselines.sorted_set(reader), 0, 0)
    if {bytes(*reply) for reply in pipeline.execute()} != {b"%d" % post_id}:
        raise AssertionError("a baseline did not deliver the same")


def _against_sets(context: Context, deliver: Callable[[list[int], int], None]) -> Outcome:
    fixture, readers = context.fixture, context.sorted_set_readers
    clock = [int(fixture.client.get("bench:post") or 2**52)]

    def baseline() -> float:
        clock[0] += 1
        spent = seconds_of(lambda: deliver(readers, clock[0]))
        check_sets(fixture, readers, clock[0])
        return len(readers) / spent

    figures = alternate(context.rounds, ours(context), baseline)
    fixture.client.set("bench:post", clock[0])
    note = (
        f"the baseline delivers to {len(readers):,} readers of its own, which is easier on caches"
    )
    return Outcome("deliveries/s", *figures, notes=[note, "all timelines of both sides checked"])


def one_by_one(context: Context) -> Outcome:
    """Row 2."""
    fixture, cap, chance = context.fixture, context.sizes.length, random.Random(context.seed)
    return _against_sets(
        context,
        lambda readers, post: baselines.one_by_one(fixture.client, readers, post, cap, chance),
    )


def queued(context: Context) -> Outcome:
    """Row 3."""
    fixture, cap = context.fixture, context.sizes.length
    return _against_sets(
        context, lambda readers, post: baselines.queued(fixture.client, readers, post, cap)
    )


def server_limit(context: Context) -> Outcome:
    """Row 4."""
    fixture, readers = context.fixture, context.flat_readers

    def baseline() -> float:
        return baselines.redis_benchmark(fixture.port, 4 * len(readers), len(readers), 2**52)

    figures = alternate(context.rounds, ours(context), baseline)
    note = (
        "redis-benchmark draws lists at random with repetition, does not trim, and guards nothing; "
        "its lists are as many and as long as ours"
    )
    return Outcome("deliveries/s", *figures, notes=[note])


def safety(context: Context) -> Outcome:
    """Row 5."""
    fixture = context.fixture
    settings, author = fixture.settings, fixture.large
    deliverer = fixture.services.engine.deliverer("bench")

    def safe() -> float:
        spent = 0.0
        for _ in range(POSTS):
            post, _ = fixture.services.engine.publish(author, "safe", "write")
            spent += seconds_of(deliverer.run_until_idle)
            check_heads(fixture, author, post.id)
        return POSTS * context.sizes.large / spent

    def bare() -> float:
        spent = 0.0
        for _ in range(POSTS):
            post, _ = fixture.services.engine.publish(author, "bare", "read")
            spent += seconds_of(lambda post_id=post.id: _bare(fixture, author, post_id))  # type: ignore[misc]
            check_heads(fixture, author, post.id)
            fixture.client.delete(*map(fixture.store.keys.pulled, range(settings.shards)))
        return POSTS * context.sizes.large / spent

    figures = alternate(context.rounds, safe, bare)
    note = "same followers, chunks and shards at once; the baseline has no fence and no cursor"
    return Outcome("deliveries/s", *figures, notes=[note, "all timelines checked"])


def _bare(fixture: Fixture, author: int, post_id: int) -> None:
    """The same pushes from the same followers, SHARDS_IN_FLIGHT shards at once."""
    waiting = [
        _bare_shard(fixture, author, shard, post_id) for shard in range(fixture.settings.shards)
    ]
    busy: deque[Iterator[None]] = deque()
    while waiting or busy:
        while waiting and len(busy) < SHARDS_IN_FLIGHT:
            busy.appendleft(waiting.pop())
        shard = busy.popleft()
        if next(shard, shard) is not shard:
            busy.append(shard)


def _bare_shard(fixture: Fixture, author: int, shard: int, post_id: int) -> Iterator[None]:
    settings, keys = fixture.settings, fixture.store.keys
    pool = fixture.store.redis.connection_pool
    connection = pool.get_connection()
    wire = Wire(connection, bytearray(READ_BYTES))
    name, stem, post = keys.followers(shard, author), keys.timelines(shard), b"%d" % post_id
    batch, data = fixture.store.batch(), b""
    sent: list[bytes] = []
    for start in itertools.count(0, settings.chunk):
        wire.send(data + pack(("LRANGE", name, start, start + settings.chunk - 1)))
        yield
        *lengths, followers = wire.answers(len(sent) + 1)
        longest = settings.timeline_cap + settings.timeline_slack
        for follower, length in zip(sent, lengths, strict=True):
            if length > longest:
                batch.add("LTRIM", stem.encode() + follower, 0, settings.timeline_cap - 1)
        if not followers:
            break
        sent = sorted(followers, key=len)
        data = b"".join(pushes(stem.encode(), sent, post))
    pool.release(connection)
    batch.run()


ROWS = [
    Row(
        1,
        "one post into 100,000 timelines of 800 ids",
        "pipelined redis-py LPUSH + LTRIM, 1,000 followers a pipeline",
        Target(True, 8),
        pipelined,
    ),
    Row(
        2,
        "the same",
        "one round trip for each follower (the pattern of Stream-Framework on Redis)",
        Target(True, 40),
        one_by_one,
    ),
    Row(
        3,
        "the same",
        "a queue job and ZADD + trim for each follower (the pattern of Mastodon)",
        Target(True, 40),
        queued,
    ),
    Row(
        4,
        "the same",
        "the server's limit: redis-benchmark -P 64, LPUSH",
        Target(True, 1.2),
        server_limit,
    ),
    Row(
        5,
        "crash-safe delivery",
        "the same without fence, cursor, heartbeat and acknowledgement",
        Target(True, 0.75),
        safety,
    ),
]
