"""The rows of the table: what each measures, against what, and its target."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.context import Context
from bench.measure import Outcome, Target


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `run` measures it; `target` is None where the figure is only reported."""

    number: int
    work: str
    baseline: str
    target: Target | None
    run: Callable[[Context], Outcome]
