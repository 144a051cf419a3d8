"""The data the rows work on, and the engine on top of it.

Readers 0 .. n-1 have a timeline of `length` .. `length` + 99 ids: as many as timelines have in the
long run, with a cap of 800 and a slack of 100. Authors of several sizes are followed by readers
drawn at random, in random order. A few readers follow 200 authors with long logs and real posts;
their timelines are the engine's own work.
"""

import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import redis

from app.bootstrap import Services
from app.engine.store.keys import tag
from app.settings import Settings

LIBRARY = (Path(__file__).parent / "bench.lua").read_text()
TEMPLATES = 100
"""Different timelines that are copied, one for each length that trimming with slack leaves: so each
post finds a hundredth of the timelines due for trimming, as in the long run."""

FIRST_AUTHOR = 1_000_000
FIRST_LOG_AUTHOR = 2_000_000
FIRST_FOLLOWER = 3_000_000
NO_BACKPRESSURE = {
    "backlog_low": 10**12,
    "backlog_high": 10**12 + 1,
    "backlog_limit": 10**12 + 2,
}
"""No backlog counts as high: what is measured is how fast posts are accepted and delivered, not how
they are deferred."""

TEXT = "A post of usual length, as people write them when they tell what they see and think."


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much data. `authors` maps a number of followers to the number of such authors."""

    readers: int
    large: int
    length: int
    authors: dict[int, int]
    log_authors: int
    posts_per_log: int
    page_readers: int
    following: int
    sorted_sets: int

    def without_largest(self) -> "Sizes":
        """The same with half the readers: what fits beside it in memory."""
        authors = {size: count for size, count in self.authors.items() if size <= self.large}
        return replace(self, readers=self.large, authors=authors)


FULL = Sizes(
    readers=200_000,
    large=100_000,
    length=800,
    authors={10: 50, 1_000: 100, 10_000: 10, 100_000: 1, 200_000: 1},
    log_authors=400,
    posts_per_log=30,
    page_readers=40,
    following=200,
    sorted_sets=4_000,
)
QUICK = Sizes(
    readers=20_000,
    large=10_000,
    length=800,
    authors={10: 50, 100: 100, 1_000: 10, 10_000: 1, 20_000: 1},
    log_authors=400,
    posts_per_log=30,
    page_readers=20,
    following=200,
    sorted_sets=1_000,
)


def settings(url: str, **changes: Any) -> Settings:
    """The product's defaults, or what FANOUT_* variables say, without backpressure."""
    values: dict[str, Any] = {
        "redis_url": url,
        "dataset": "none",
        "store_timeout": 10.0,
        **NO_BACKPRESSURE,
    }
    return Settings(**{**values, **changes})


class Fixture:
    """One store with its data, and the engine's services in this process."""

    def __init__(self, port: int, sizes: Sizes, seed: int, **changes: Any) -> None:
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"
        self.sizes = sizes
        self.random = random.Random(seed)
        self.settings = settings(self.url, **changes)
        self.services = Services(self.settings)
        self.store = self.services.engine.store
        self.client = redis.Redis(port=port)
        self.authors: dict[int, list[int]] = {}
        self.page_readers: list[int] = []
        self.store.load_library()
        self._load_bench_library()

    def _load_bench_library(self) -> None:
        if self.store.is_cluster:
            command = ("FUNCTION LOAD", "REPLACE", LIBRARY)
            self.store.redis.execute_command(*command, target_nodes="primaries")
        else:
            self.store.redis.function_load(LIBRARY, replace=True)

    @property
    def largest(self) -> int:
        """The author whom all readers follow."""
        return self.authors[max(self.authors)][0]

    @property
    def large(self) -> int:
        """The author of rows 1 to 5."""
        return self.authors[self.sizes.large][0]

    def build(self) -> None:
        """Lays out timelines, followers, logs and posts."""
        self._timelines()
        self._audiences()
        self._logs()

    def _timelines(self) -> None:
        sizes, shards = self.sizes, self.settings.shards
        ids = [self.old_id(i) for i in range(sizes.length + 99)]
        for shard in range(shards):
            template = f"template:{tag(shard)}"
            batch = self.store.batch()
            for number in range(TEMPLATES):
                length = sizes.length + number
                name = f"{template}:{number}"
                batch.add("DEL", name)
                batch.add("LPUSH", name, *ids[:length])
            batch.run()
            step = 2_000 * shards
            for first in range(shard, sizes.readers, step):
                last = min(first + step, sizes.readers) - 1
                batch.add(
                    *("FCALL", "bench_copies", 1, template, self.timelines(shard), 1),
                    *(self.settings.timeline_ttl, TEMPLATES, first, last, shards),
                )
                batch.run()

    def old_id(self, number: int) -> int:
        """Ids below those of any new post, ascending, as long as real ones."""
        return (1 << 51) + number * 4096

    def _audiences(self) -> None:
        author = FIRST_AUTHOR
        for followers, count in self.sizes.authors.items():
            self.authors[followers] = list(range(author, author + count))
            for one in self.authors[followers]:
                # The author of rows 1 to 5 and the baselines have the same readers: all.
                readers = max(self.sizes.large, followers)
                self._follow(one, self.random.sample(range(readers), followers))
            author += count

    def _follow(self, author: int, followers: list[int]) -> None:
        self.services.engine.add_users([author])
        batch = self.store.batch()
        shards = self.settings.shards
        for shard in range(shards):
            here = [follower for follower in followers if follower % shards == shard]
            for start in range(0, len(here), 2_000):
                name = self.store.keys.followers(shard, author)
                batch.add("RPUSH", name, *here[start : start + 2_000])
        batch.run()

    def _logs(self) -> None:
        sizes = self.sizes
        authors = list(range(FIRST_LOG_AUTHOR, FIRST_LOG_AUTHOR + sizes.log_authors))
        self.page_readers = list(range(FIRST_FOLLOWER, FIRST_FOLLOWER + sizes.page_readers))
        self.services.engine.add_users(authors + self.page_readers)
        for number in range(sizes.posts_per_log):
            for author in self.random.sample(authors, len(authors)):
                self.services.engine.publish(author, f"{TEXT} ({number})", "write")
        for reader in self.page_readers:
            following = self.random.sample(authors, sizes.following)
            self.store.command("SADD", self.store.keys.following(reader), *following)
            self.services.engine.feed(reader, "write")

    def deliver(self, author: int) -> int:
        """Publishes a post of the author and makes all its deliveries; the post's id."""
        post, _ = self.services.engine.publish(author, TEXT, "write")
        self.services.engine.deliverer("bench").run_until_idle()
        return post.id

    def server_seconds(self) -> float:
        """Processor time of all servers so far."""
        nodes = self.store.everywhere("INFO", "cpu")
        return float(sum(node["used_cpu_user"] + node["used_cpu_sys"] for node in nodes))

    def heads(self, author: int, post_id: int) -> int:
        """How many of the author's followers have the post on top of their timeline, once."""
        batch = self.store.batch()
        for shard in range(self.settings.shards):
            followers, stem = self.store.keys.followers(shard, author), self.timelines(shard)
            batch.add("FCALL", "bench_heads", 1, followers, stem, post_id)
        return sum(batch.run())

    def timelines(self, shard: int) -> str:
        """What the names of a shard's timelines begin with; the user's id follows."""
        return self.store.keys.timeline(shard).removesuffix(str(shard))

    def forget_jobs(self) -> None:
        """Discards all jobs that nobody will deliver."""
        batch, keys = self.store.batch(), self.store.keys
        for shard in range(self.settings.shards):
            for name in (keys.jobs, keys.backlog, keys.open, keys.heartbeats):
                batch.add("UNLINK", name(shard))
        batch.run()

    def close(self) -> None:
        """Closes the connections."""
        self.store.close()
        self.client.close()
