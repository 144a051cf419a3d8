"""`python -m bench.allocators`: the embedded server with each allocator, in alternating rounds.

All servers hold the same data and write an append-only file. In a round each of them in turn is
given posts, then rewrites its file while more posts are delivered.
"""

import argparse
from contextlib import ExitStack, suppress
from statistics import median

from bench import servers
from bench.fixture import FULL, QUICK, TEMPLATES, Fixture, Sizes
from bench.measure import seconds_of
from bench.rows.delivery import check_heads
from bench.servers import Missing

POSTS = 3
"""Posts in one round of one server: a round must be long against the machine's jitter."""

HEAD = """\
| server | deliveries/s | each CPU-second | in a rewrite | bytes an entry | resident | later | MB |
|---|---|---|---|---|---|---|---|"""


class Candidate:
    """One server with its data, and what was measured on it."""

    def __init__(self, kind: str, sizes: Sizes, stack: ExitStack) -> None:
        self.kind = kind
        port = stack.enter_context(servers.server(*servers.DURABLE, kind=kind))
        self._fixture = Fixture(port, sizes, 1)
        stack.callback(self._fixture.close)
        self._empty = self._memory()
        self._fixture.build()
        self._full = self._memory()
        self._entries = sizes.readers * (sizes.length + (TEMPLATES - 1) / 2)
        self.rates: list[float] = []
        self.cpu_rates: list[float] = []
        self.rewriting_rates: list[float] = []
        self.peaks: list[float] = []

    def _memory(self) -> tuple[int, int]:
        info = self._fixture.client.info("memory")
        return info["used_memory"], info["used_memory_rss"]

    def measure(self) -> None:
        """One round."""
        rate, cpu_rate = self.deliver(POSTS)
        self.rates.append(rate)
        self.cpu_rates.append(cpu_rate)
        client = self._fixture.client
        client.bgrewriteaof()
        rates = [self.deliver(1)[0]]
        while client.info("persistence")["aof_rewrite_in_progress"]:
            rates.append(self.deliver(1)[0])
        self.rewriting_rates.append(median(rates))
        _, resident = self._memory()
        copied = client.info("persistence")["aof_last_cow_size"]
        self.peaks.append((resident + copied) / 1e6)

    def deliver(self, posts: int) -> tuple[float, float]:
        """Deliveries a second, and for each second that the server computed; all checked."""
        fixture = self._fixture
        ids: list[int] = []
        before = fixture.server_seconds()
        spent = seconds_of(lambda: ids.extend(fixture.deliver(fixture.large) for _ in range(posts)))
        computed = fixture.server_seconds() - before
        check_heads(fixture, fixture.large, ids[-1])
        made = posts * fixture.sizes.large
        return made / spent, made / computed

    def row(self, first: "Candidate") -> str:
        """The line of the table: medians, and the ratios to `first` within each round.

        The CPU-seconds are the server's: they tell more where the machine has other work as well.
        Bytes an entry are those that the server counts, then those that its process holds
        (resident) before the first post and later, after the last. The MB are the most that the
        process held during a rewrite with what was copied on write.
        """
        used, rss = ((b - a) / self._entries for a, b in zip(self._empty, self._full, strict=True))
        later = (self._memory()[1] - self._empty[1]) / self._entries
        return (
            f"| {self.kind} | {_figure(self.rates, first.rates)} "
            f"| {_figure(self.cpu_rates, first.cpu_rates)} "
            f"| {_figure(self.rewriting_rates, first.rewriting_rates)} "
            f"| {used:.2f} | {rss:.2f} | {later:.2f} | {median(self.peaks):,.0f} |"
        )


def _figure(figures: list[float], first: list[float]) -> str:
    ratio = median(a / b for a, b in zip(figures, first, strict=True))
    return f"{median(figures):,.0f} ({ratio:.2f})"


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.allocators", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the data")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each server (5)")
    options = parser.parse_args()
    sizes = QUICK.without_largest() if options.quick else FULL.without_largest()
    with ExitStack() as stack:
        candidates: list[Candidate] = []
        for kind in servers.ALLOCATORS:
            with suppress(Missing):
                candidates.append(Candidate(kind, sizes, stack))
        for number in range(options.rounds + 1):  # the first warms up
            for candidate in candidates[:: 1 if number % 2 else -1]:
                if number:
                    candidate.measure()
                else:
                    candidate.deliver(POSTS)
        print(HEAD)
        for candidate in candidates:
            print(candidate.row(candidates[0]))


if __name__ == "__main__":
    main()
