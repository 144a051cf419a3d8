"""How others deliver one post, each written by us from the published algorithm.

`flat` lists and sorted sets carry names of our own with the reader's number in twelve digits, since
redis-benchmark's random keys look like that. Baselines get the readers' numbers for free; ours has
to read them from the store. None of them survives a crash half-way.
"""

import json
import random
import shutil
import subprocess
import time
from collections.abc import Sequence
from typing import Any

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker

from bench.servers import Missing

CHUNK = 1_000


def flat(reader: int) -> str:
    """A baseline's list of a reader."""
    return f"feed:{reader:012d}"


def sorted_set(reader: int) -> str:
    """A baseline's sorted set of a reader."""
    return f"zfeed:{reader:012d}"


def pipelined(client: Any, readers: Sequence[int], post_id: int, cap: int) -> None:
    """The usual advice: LPUSH and LTRIM for each follower, 1,000 followers in a pipeline."""
    for start in range(0, len(readers), CHUNK):
        pipeline = client.pipeline(transaction=False)
        for reader in readers[start : start + CHUNK]:
            name = flat(reader)
            pipeline.lpush(name, post_id)
            pipeline.ltrim(name, 0, cap - 1)
        pipeline.execute()


def one_by_one(
    client: Any, readers: Sequence[int], post_id: int, cap: int, chance: random.Random
) -> None:
    """The pattern of Stream-Framework's Redis storage: a sorted set for each feed, one round trip
    for each follower (its storage leaves the batch interface it is given unused), and a trim with
    a chance of 1 %."""
    for reader in readers:
        name = sorted_set(reader)
        client.zadd(name, {post_id: post_id})
        if chance.random() < 0.01:
            client.zremrangebyrank(name, 0, -cap - 1)


def queued(client: Any, readers: Sequence[int], post_id: int, cap: int) -> None:
    """The pattern of Mastodon: a queue entry for each follower, pushed 1,000 at a time; a worker
    takes one, adds to the sorted set and trims it. (Mastodon reads three more things for each
    follower, and its queue acknowledges nothing; neither is counted here.)"""
    for start in range(0, len(readers), CHUNK):
        entries = [
            json.dumps({"class": "FeedInsert", "args": [post_id, reader], "retry": True})
            for reader in readers[start : start + CHUNK]
        ]
        client.lpush("queue:feeds", *entries)
    for _ in readers:
        _, entry = client.brpop(["queue:feeds"], timeout=1)
        post, reader = json.loads(entry)["args"]
        name = sorted_set(reader)
        client.zadd(name, {post: post})
        client.zremrangebyrank(name, 0, -cap - 1)


QUEUE = "queue:posts"
"""The baselines' queue of posts: JSON entries [post id, author, seconds when it was queued]."""


EMPTY_SECONDS = 0.2
"""The loop ends when nothing was queued for so long."""


def followers(author: int) -> str:
    """A baseline's set of an author's followers."""
    return f"followers:{author:012d}"


def enqueue(client: Any, posts: Sequence[tuple[int, int]]) -> None:
    """Queues posts, (id, author) each."""
    client.lpush(QUEUE, *(json.dumps([*post, time.time()]) for post in posts))


def deliver(client: Any, post_id: int, author: int, cap: int) -> None:
    """What articles show for one post: SMEMBERS, then LPUSH and LTRIM in a pipeline."""
    pipeline = client.pipeline(transaction=False)
    for follower in client.smembers(followers(author)):
        name = flat(int(follower))
        pipeline.lpush(name, post_id)
        pipeline.ltrim(name, 0, cap - 1)
    pipeline.execute()


def naive_loop(client: Any, cap: int) -> list[float]:
    """Takes post after post from the queue until it is empty; how long each was under way, in
    milliseconds."""
    lags = []
    while entry := client.brpop([QUEUE], timeout=EMPTY_SECONDS):
        post_id, author, queued_at = json.loads(entry[1])
        deliver(client, post_id, author, cap)
        lags.append(1e3 * (time.time() - queued_at))
    return lags


def dramatiq_loop(url: str, posts: Sequence[tuple[int, int]], cap: int) -> float:
    """The same work as an actor of Dramatiq with its usual middleware, four threads; jobs a
    second from the worker's start until its queue is empty."""
    broker = RedisBroker(url=url)
    client = redis.Redis.from_url(url)

    @dramatiq.actor(queue_name="posts", broker=broker)
    def fan_out(post_id: int, author: int) -> None:
        deliver(client, post_id, author, cap)

    for post in posts:
        fan_out.send(*post)
    worker = dramatiq.Worker(broker, worker_threads=4)
    begun = time.perf_counter()
    worker.start()
    broker.join("posts", interval=5)
    spent = time.perf_counter() - begun
    worker.stop()
    broker.close()
    client.close()
    return len(posts) / spent


def redis_benchmark(port: int, requests: int, readers: int, post_id: int) -> float:
    """The server's limit: `redis-benchmark -P 64` with LPUSH on random lists; pushes a second."""
    tool = shutil.which("redis-benchmark") or shutil.which("valkey-benchmark")
    if tool is None:
        raise Missing("redis-benchmark", "apt-get install redis-tools")
    command = [tool, "-p", str(port), "-P", "64", "-n", str(requests), "-r", str(readers)]
    run = subprocess.run(
        [*command, "--csv", "LPUSH", "feed:__rand_int__", str(post_id)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(run.stdout.splitlines()[-1].split(",")[1].strip('"'))
