"""Row 10: memory of a timeline entry, list against sorted set."""

from collections.abc import Callable

from bench import servers
from bench.context import Context
from bench.fixture import FIRST_AUTHOR, Fixture
from bench.measure import Outcome
from bench.rows import Row

COPIES = 500


def entry(context: Context) -> Outcome:
    """Bytes for each entry of a timeline with 800, as the server's memory grows by it."""
    ours: list[float] = []
    baseline: list[float] = []
    sizes = context.sizes
    with servers.server(*context.options, kind=context.server) as port:
        fixture = Fixture(port, sizes, context.seed)
        ids = _ids(fixture, sizes.length)
        scored = {str(number): number for number in ids}
        for _ in range(context.rounds):
            ours.append(_grown(fixture, lambda name: fixture.client.lpush(name, *ids)) / len(ids))
            baseline.append(
                _grown(fixture, lambda name: fixture.client.zadd(name, scored)) / len(ids)
            )
        fixture.close()
    return Outcome(
        "bytes an entry",
        ours,
        baseline,
        others={"at most 11 bytes": max(ours) <= 11},
        notes=[f"growth of the server's used_memory by {COPIES} keys of {len(ids)} real post ids"],
    )


def _ids(fixture: Fixture, count: int) -> list[int]:
    """Ids of real posts, ascending."""
    author = FIRST_AUTHOR
    fixture.services.engine.add_users([author])
    publish = fixture.services.engine.publish
    return [publish(author, "memory", "write")[0].id for _ in range(count)]


def _grown(fixture: Fixture, write: Callable[[str], object]) -> float:
    """Bytes that a key takes, written so many times into an empty server."""
    fixture.client.execute_command("FLUSHALL", "SYNC")  # others free the memory some time later
    before = fixture.client.info("memory")["used_memory"]
    for number in range(COPIES):
        write(f"probe:{number}")
    after = fixture.client.info("memory")["used_memory"]
    return float(after - before) / COPIES


ROWS = [
    Row(
        10,
        "memory of a timeline entry, 800 in a timeline",
        "a sorted set of 800",
        None,  # the entry's bytes count, not what a sorted set of this server takes
        entry,
    )
]
