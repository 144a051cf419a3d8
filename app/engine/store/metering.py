"""Counting what an operation sends to the store."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class Cost:
    """What an operation sent to the store."""

    commands: int = 0
    round_trips: int = 0


class Meter(threading.local):
    """Counts what each thread sends while it wants that counted."""

    cost: Cost | None = None  # while nothing is counted

    @contextmanager
    def on(self) -> Iterator[Cost]:
        """What this thread sends inside the block is counted. Such blocks do not nest."""
        self.cost = cost = Cost()
        try:
            yield cost
        finally:
            self.cost = None

    @contextmanager
    def off(self) -> Iterator[None]:
        """What this thread sends inside the block serves all requests and is counted for none."""
        outer, self.cost = self.cost, None
        try:
            yield
        finally:
            self.cost = outer
