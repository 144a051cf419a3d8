"""What the rows share: the options of the run, and the data, built when first asked for."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property

from bench import processes, servers
from bench.fixture import FULL, NO_BACKPRESSURE, QUICK, Fixture, Sizes

WORKER_START_SECONDS = 2.0
"""Until a worker process surely delivers."""


@dataclass
class Context:
    """One run of the bench. Close `stack` at its end."""

    rounds: int = 5
    quick: bool = False
    server: str = "valkey"
    durable: bool = False
    seed: int = 1
    stack: ExitStack = field(default_factory=ExitStack)

    @property
    def sizes(self) -> Sizes:
        """How much data."""
        return QUICK if self.quick else FULL

    @property
    def options(self) -> tuple[str, ...]:
        """Options of every server."""
        return servers.DURABLE if self.durable else ("--appendonly", "no")

    @cached_property
    def fixture(self) -> Fixture:
        """One server with all data."""
        port = self.stack.enter_context(servers.server(*self.options, kind=self.server))
        fixture = Fixture(port, self.sizes, self.seed)
        self.stack.callback(fixture.close)
        fixture.build()
        return fixture

    @cached_property
    def flat_readers(self) -> list[int]:
        """The baselines' readers, in random order. Their lists are exactly `length` long."""
        fixture, sizes = self.fixture, self.sizes
        ids = [fixture.old_id(i) for i in range(sizes.length + 100)]
        for number in range(16):
            name = f"template:flat:{number}"
            fixture.client.lpush(name, *ids[: sizes.length + number * 6])
            fixture.client.ltrim(name, 0, sizes.length - 1)
        for first in range(0, sizes.large, 2_000):
            last = min(first + 2_000, sizes.large) - 1
            fixture.client.fcall(
                "bench_copies", 1, "template:flat", "feed:", "12", "0", "16", first, last, 1
            )
        readers = list(range(sizes.large))
        fixture.random.shuffle(readers)
        return readers

    @cached_property
    def sorted_set_readers(self) -> list[int]:
        """The readers of the baselines with sorted sets, fewer since each takes 100 KB."""
        fixture, sizes = self.fixture, self.sizes
        ids = {str(fixture.old_id(i)): fixture.old_id(i) for i in range(sizes.length)}
        fixture.client.zadd("template:sorted:0", ids)
        for first in range(0, sizes.sorted_sets, 500):
            last = min(first + 500, sizes.sorted_sets) - 1
            fixture.client.fcall(
                "bench_copies", 1, "template:sorted", "zfeed:", "12", "0", "1", first, last, 1
            )
        readers = list(range(sizes.sorted_sets))
        fixture.random.shuffle(readers)
        return readers


def environment(url: str) -> dict[str, str]:
    """Settings of the processes that the bench starts: that store, and no backpressure."""
    return {
        "REDIS_URL": url,
        "FANOUT_DATASET": "none",
        **{f"FANOUT_{name.upper()}": str(value) for name, value in NO_BACKPRESSURE.items()},
    }


@contextmanager
def worker(url: str, name: str) -> Iterator[None]:
    """A real worker process on that store, ready to deliver, for as long as the block lasts."""
    with processes.python(*processes.WORKER, "--name", name, **environment(url)):
        time.sleep(WORKER_START_SECONDS)
        yield
