"""What the dataset commands have in common: progress bars, clear errors, the closing lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from app.bootstrap import Services
from app.engine.errors import (
    Busy,
    FanoutError,
    NoAnswer,
    Overloaded,
    StoreDown,
    StoreFull,
    UnknownDeadLetter,
    WrongShards,
)
from app.engine.store.server_info import read_server

if TYPE_CHECKING:  # numpy is loaded only by the commands that load data
    from app.datasets.loading import Loaded


ADVICE: dict[type[FanoutError], str] = {
    Busy: "Wait until it is ready, then try again.",
    NoAnswer: "Look before you try again; ./status.sh tells how Redis is.",
    Overloaded: "Try again when it has drained.",
    StoreDown: "Run ./status.sh, then try again.",
    StoreFull: "Raise its maxmemory, or make space on its disk, then try again.",
    UnknownDeadLetter: "`flask dead-letters list` shows all.",
    WrongShards: "Start with FANOUT_SHARDS as the data has it, or clear the store first.",
}
"""What to do next, at a command line."""


def bar() -> Progress:
    """A progress bar on standard error, so that the result can be piped."""
    return Progress(
        TextColumn("{task.description:24}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )


@contextmanager
def failing_clearly() -> Iterator[None]:
    """Turns what may go wrong into one line and exit code 1."""
    try:
        yield
    except FanoutError as error:
        advice = ADVICE.get(type(error), "")
        raise click.ClickException(f"{error.detail} {advice}".rstrip()) from error
    except TimeoutError as error:
        raise click.ClickException(str(error)) from error


class Memory:
    """The store's memory before and after a load, in bytes; None where it does not tell."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.before = self._now()
        self.after: int | None = None

    def _now(self) -> int | None:
        return read_server(self._services.engine.store)["memory_bytes"]

    def finish(self) -> None:
        """Looks again."""
        self.after = self._now()


@contextmanager
def measured_memory(services: Services) -> Iterator[Memory]:
    """Looks at the store's memory before and after the block."""
    memory = Memory(services)
    yield memory
    memory.finish()


def tell(loaded: Loaded, memory: Memory) -> None:
    """Prints what was loaded, how fast, and what it takes."""
    seconds = loaded.seconds
    click.echo(
        f"Loaded {loaded.users:,} users and {loaded.edges:,} edges in "
        f"{sum(seconds.values()):.1f} s: "
        + ", ".join(f"{stage} {spent:.1f} s" for stage, spent in seconds.items())
        + f". {loaded.edges / seconds['loading']:,.0f} edges a second while loading."
    )
    if memory.after and not loaded.removed_keys:
        grown = memory.after - (memory.before or 0)
        click.echo(
            f"The store grew by {grown / 1e6:,.1f} MB, {grown / max(1, loaded.edges):.1f} bytes "
            "for each edge."
        )
