"""Row 10: memory of a timeline entry, list against sorted set."""

from __future__ import annotations

from collections.abc import Callable

from bench import servers
from bench.context import Context
from bench.measure import Outcome, Reach
from bench.rows import Row
from bench.world import FIRST_AUTHOR, World

COPIES = 500


def entry(context: Context) -> Outcome:
    """Bytes for each entry of a timeline with 800, as the server's memory grows by it."""
    ours: list[float] = []
    rival: list[float] = []
    sizes = context.sizes
    with servers.server(context.server, *context.options) as port:
        world = World(port, sizes, context.seed)
        ids = _ids(world, sizes.length)
        scored = {str(number): number for number in ids}
        for _ in range(context.rounds):
            ours.append(_grown(world, lambda name: world.client.lpush(name, *ids)) / len(ids))
            rival.append(_grown(world, lambda name: world.client.zadd(name, scored)) / len(ids))
        world.close()
    return Outcome(
        "bytes an entry",
        ours,
        rival,
        others={"at most 11 bytes": max(ours) <= 11},
        notes=[f"growth of the server's used_memory by {COPIES} keys of {len(ids)} real post ids"],
    )


def _ids(world: World, count: int) -> list[int]:
    """Ids of real posts, ascending."""
    author = FIRST_AUTHOR
    world.exist([author])
    publish = world.services.publishing.publish
    return [publish(author, "memory", "write")[0].id for _ in range(count)]


def _grown(world: World, write: Callable[[str], object]) -> float:
    """Bytes that a key takes, written so many times into an empty server."""
    world.client.execute_command("FLUSHALL", "SYNC")  # others free the memory some time later
    before = world.client.info("memory")["used_memory"]
    for number in range(COPIES):
        write(f"probe:{number}")
    after = world.client.info("memory")["used_memory"]
    return float(after - before) / COPIES


ROWS = [
    Row(
        10,
        "memory of a timeline entry, 800 in a timeline",
        "a sorted set of 800",
        Reach(False, 0.09),
        entry,
    )
]
