"""Many commands, one round trip for each node."""

from collections.abc import Callable
from typing import Any

from .pipelining import Command


class Batch:
    """Commands to be sent together, without a transaction."""

    def __init__(self, fcall: Callable[..., Command], run: Callable[..., list[Any]]) -> None:
        self._fcall, self._run = fcall, run
        self._commands: list[Command] = []
        self._weights: list[int] = []

    def __len__(self) -> int:
        return len(self._commands)

    def call(self, function: str, key: str, *args: Any) -> None:
        """Adds a function of our library."""
        self._commands.append(self._fcall(function, key, *args))
        self._weights.append(0)

    def add(self, *command: Any) -> None:
        """Adds a plain command."""
        self._commands.append(command)
        self._weights.append(0)

    def weigh(self, weight: int) -> None:
        """Says how much work the command added last is, for the `limit` of `run`."""
        self._weights[-1] = weight

    def run(self, *, raise_errors: bool = True, partial: bool = False, limit: int = 0) -> list[Any]:
        """Sends all; the answers in order. Without `raise_errors` refusals stand there as
        exceptions; with it the first one is raised.

        With `partial` None stands for what a Cluster's node did not answer. Otherwise `StoreDown`
        is raised, `NoAnswer` when something may have happened. No more than `limit` of the weighed
        work is under way on a server at once: other clients get their turn in between.
        """
        commands, self._commands = self._commands, []
        weights, self._weights = self._weights, []
        return self._run(commands, weights, limit, raise_errors=raise_errors, partial=partial)
