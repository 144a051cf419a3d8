"""How others deliver one post, each written by us from the published algorithm.

`flat` lists and sorted sets carry names of our own with the reader's number in twelve digits, since
redis-benchmark's random keys look like that. Baselines get the readers' numbers for free; ours has
to read them from the store. None of them survives a crash half-way.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

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


def redis_benchmark(port: int, requests: int, readers: int, post_id: int) -> float:
    """The server's limit: `redis-benchmark -P 64` with LPUSH on random lists; pushes a second."""
    tool = shutil.which("redis-benchmark") or shutil.which("valkey-benchmark")
    if tool is None:
        raise Missing("no redis-benchmark on this machine: apt-get install redis-tools")
    command = [tool, "-p", str(port), "-P", "64", "-n", str(requests), "-r", str(readers)]
    run = subprocess.run(
        [*command, "--csv", "LPUSH", "feed:__rand_int__", str(post_id)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(run.stdout.splitlines()[-1].split(",")[1].strip('"'))
