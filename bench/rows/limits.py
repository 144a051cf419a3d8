"""Rows 17 and 18: what a delivery costs in processor time, and what the server could do at most."""

import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import hiredis

from app.engine.store.wire import pack
from bench import baselines
from bench.context import Context
from bench.fixture import Fixture
from bench.measure import Outcome, alternate, median, seconds_of
from bench.rows import Row
from bench.rows.delivery import check_heads, ours

SIZE = 500
"""Pushes in a transaction of row 18."""
CONNECTIONS = 3


def processor(context: Context) -> Outcome:
    """Row 17. Server and client share the machine's cores, which wall clock time hides."""
    fixture, readers, cap = context.fixture, context.flat_readers, context.sizes.length
    post_ids = iter(range(2**52, 2**53))
    costs: dict[str, list[tuple[float, float]]] = {"ours": [], "theirs": []}

    def side(name: str, deliver: Callable[[], object]) -> Callable[[], float]:
        def measured() -> float:
            begun = _cpu_seconds(fixture)
            deliver()
            spent = [b - a for a, b in zip(begun, _cpu_seconds(fixture), strict=True)]
            server, client = (1e6 * seconds / len(readers) for seconds in spent)
            costs[name].append((server, client))
            return len(readers) / sum(spent)

        return measured

    figures = alternate(
        context.rounds,
        side("ours", lambda: fixture.deliver(fixture.large)),
        side(
            "theirs",
            lambda: baselines.pipelined(fixture.client, readers, next(post_ids), cap),
        ),
    )
    check_heads(fixture, fixture.large, fixture.deliver(fixture.large))
    server, worker = (median(values) for values in zip(*costs["ours"], strict=True))
    server_too, client = (median(values) for values in zip(*costs["theirs"], strict=True))
    note = (
        f"µs of a delivery: ours {server:.2f} in the server and {worker:.2f} in the worker, "
        f"the baseline {server_too:.2f} in the server and {client:.2f} in the client"
    )
    return Outcome("deliveries/CPU-s", *figures, notes=[note])


def _cpu_seconds(fixture: Fixture) -> tuple[float, float]:
    """Processor time of the server and of this process so far."""
    return fixture.server_seconds(), time.process_time()


def transactions_alone(context: Context) -> Outcome:
    """Row 18."""
    fixture, readers = context.fixture, context.flat_readers
    post_ids = iter(range(2**52, 2**53))
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_connection(("127.0.0.1", fixture.port)))
            for _ in range(CONNECTIONS)
        ]

        def baseline() -> float:
            post_id = next(post_ids)
            parts = [
                _transaction(readers[start : start + SIZE], post_id)
                for start in range(0, len(readers), SIZE)
            ]
            return len(readers) / seconds_of(lambda: _send(sockets, parts))

        figures = alternate(context.rounds, ours(context), baseline)
    note = (
        f"{SIZE} LPUSHX in a transaction, {CONNECTIONS} connections; their bytes are made before, "
        "nothing is read, trimmed or guarded"
    )
    return Outcome("deliveries/s", *figures, notes=[note])


def _transaction(readers: Sequence[int], post_id: int) -> bytes:
    pushes = (("LPUSHX", baselines.flat(one), post_id) for one in readers)
    return pack(("MULTI",), *pushes, ("EXEC",))


def _send(sockets: Sequence[socket.socket], parts: Sequence[bytes]) -> None:
    """Sends each part when the one before it on its connection is answered."""
    readers = [hiredis.Reader() for _ in sockets]
    for number, part in enumerate(parts):
        which = number % len(sockets)
        if number >= len(sockets):
            _await_exec(sockets[which], readers[which])
        sockets[which].sendall(part)
    for each in zip(sockets, readers, strict=True):
        _await_exec(*each)


def _await_exec(connection: socket.socket, reader: hiredis.Reader) -> None:
    while not isinstance(answer := reader.gets(), list):
        if answer is False:
            reader.feed(connection.recv(1 << 16))
        elif isinstance(answer, Exception):
            raise answer


ROWS = [
    Row(
        17,
        "one post into 100,000 timelines, in processor time of server and worker",
        "pipelined redis-py LPUSH + LTRIM, server and client",
        None,
        processor,
    ),
    Row(
        18,
        "one post into 100,000 timelines of 800 ids",
        "the server's limit: LPUSHX by MULTI/EXEC alone",
        None,
        transactions_alone,
    ),
]
