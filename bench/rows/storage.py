"""Row 19: what the append-only file costs."""

from contextlib import ExitStack

from bench import servers
from bench.context import Context
from bench.fixture import Fixture
from bench.measure import Outcome, Target, alternate
from bench.rows import Row
from bench.rows.delivery import ours
from bench.servers import Missing


def durable(context: Context) -> Outcome:
    """Deliveries a second with an append-only file, against a server that keeps nothing."""
    if not context.durable:
        raise Missing("an append-only file", "--storage file")
    with ExitStack() as stack:
        port = stack.enter_context(servers.server("--appendonly", "no", kind=context.server))
        memory = Fixture(port, context.sizes.without_largest(), context.seed)
        stack.callback(memory.close)
        memory.build()
        figures = alternate(context.rounds, ours(context, context.fixture), ours(context, memory))
    return Outcome("deliveries/s", *figures, notes=["all timelines of both sides checked"])


ROWS = [
    Row(
        19,
        "one post into 100,000 timelines, append-only file synced every second",
        "memory only",
        Target(True, 0.75),
        durable,
    )
]
