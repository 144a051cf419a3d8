"""What the commands have in common: a progress bar, clear errors, the closing lines of a load."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from app.bootstrap import Services
from app.datasets.loads import Loaded
from app.engine import errors
from app.engine.store.inspection import read_server

ADVICE: dict[type[errors.FanoutError], str] = {
    errors.Busy: "Wait until it is ready, then try again.",
    errors.NoAnswer: "Look before you try again; ./status.sh tells how Redis is.",
    errors.Overloaded: "Try again when it has drained.",
    errors.StoreDown: "Run ./status.sh, then try again.",
    errors.StoreFull: "Raise its maxmemory, or make space on its disk, then try again.",
    errors.UnknownDeadLetter: "`flask dead-letters list` shows all.",
    errors.WrongShards: "Start with FANOUT_SHARDS as the data has it, or clear the store first.",
}
"""What to do next, after the error's own sentence."""


class Bar(Progress):
    """A progress bar on standard error, so that the result can be piped.

    `total` is None while nobody knows how far it is.
    """

    def __init__(self, stage: str, total: float | None = 1.0) -> None:
        columns = BarColumn(), TaskProgressColumn(), TimeElapsedColumn()
        super().__init__(
            TextColumn("{task.description:24}"), *columns, console=Console(stderr=True)
        )
        self._task = self.add_task(stage, total=total)

    def show(self, stage: str, share: float) -> None:
        """Shows what is being done and the share that is done, 0..1."""
        self.update(self._task, description=stage, completed=share, total=1.0)

    def count(self, done: float, total: float) -> None:
        """Shows how many are done."""
        self.update(self._task, completed=done, total=total)


@contextmanager
def failing_clearly() -> Iterator[None]:
    """Turns what may go wrong into one line and exit code 1."""
    try:
        yield
    except errors.FanoutError as error:
        advice = ADVICE.get(type(error), "")
        raise click.ClickException(f"{error.detail} {advice}".rstrip()) from error
    except TimeoutError as error:
        raise click.ClickException(str(error)) from error


def memory_bytes(services: Services) -> int | None:
    """The store's memory; None where it does not tell. Raises `StoreDown`."""
    return read_server(services.engine.store)["memory_bytes"]


def tell(loaded: Loaded, before: int | None, after: int | None) -> None:
    """Prints what was loaded, how fast, and what it takes; the store's memory is in bytes."""
    seconds = loaded.seconds
    stages = ", ".join(f"{stage} {spent:.1f} s" for stage, spent in seconds.items())
    click.echo(
        f"Loaded {loaded.users:,} users and {loaded.edges:,} edges in "
        f"{sum(seconds.values()):.1f} s: {stages}. "
        f"{loaded.edges / seconds['loading']:,.0f} edges a second while loading."
    )
    if after and not loaded.removed_keys:
        grown = after - (before or 0)
        click.echo(
            f"The store grew by {grown / 1e6:,.1f} MB, {grown / max(1, loaded.edges):.1f} bytes "
            "for each edge."
        )
