"""What the commands have in common: a progress bar and clear errors."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from app.datasets.loads import Busy
from app.engine import errors

ADVICE: dict[type[Exception], str] = {
    Busy: "Wait until it is ready, then try again.",
    errors.NoAnswer: "Look before you try again; ./status.sh tells how Redis is.",
    errors.Overloaded: "Try again when it has drained.",
    errors.StoreDown: "Run ./status.sh, then try again.",
    errors.StoreFull: "Raise its maxmemory, or make space on its disk, then try again.",
    errors.UnknownDeadLetter: "`flask dead-letters list` shows all.",
    errors.WrongShards: "Start with FANOUT_SHARDS as the data has it, or clear the store first.",
}
"""What to do next, after the error's own sentence."""


class Bar(Progress):
    """A progress bar on standard error, so that the result can be piped. `total` is None while
    nobody knows how far it is."""

    def __init__(self, stage: str, total: float | None = 1.0) -> None:
        stages = TextColumn("{task.description:24}")
        columns = (stages, BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        super().__init__(*columns, console=Console(stderr=True))
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
    except (errors.FanoutError, TimeoutError) as error:
        advice = ADVICE.get(type(error), "")
        raise click.ClickException(f"{error} {advice}".rstrip()) from error
