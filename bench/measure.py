"""The one place that knows how to time, to alternate and to sum up.

Absolute figures depend on the machine and on what else runs on it. So each row measures its two
sides in alternating rounds, takes the ratio within each round, and reports the median of the
ratios with their spread. A disturbance that lasts longer than a round hits both sides.
"""

import gc
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Side = Callable[[], float]
"""Does its work once and returns its figure: seconds, or something per second."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a ratio ours / baseline is to come to: at least or at most `value`."""

    at_least: bool
    value: float

    def met(self, ratio: float) -> bool:
        """Whether the ratio meets it."""
        return ratio >= self.value if self.at_least else ratio <= self.value

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.value:g}×"


@dataclass(slots=True)
class Outcome:
    """What a row measured. `ours` and `baseline` are one figure for each round, in `unit`.

    `others` are further conditions of the row, by what they say; `notes` say what was checked and
    what a reader has to know.
    """

    unit: str
    ours: list[float]
    baseline: list[float]
    others: dict[str, bool] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """ours / baseline of each round."""
        return [a / b for a, b in zip(self.ours, self.baseline, strict=True)]


def alternate(rounds: int, ours: Side, baseline: Side) -> tuple[list[float], list[float]]:
    """Runs both sides `rounds` times, each round in the other order, after a round of warming up
    that is not counted. The garbage collector is off while a side runs."""
    sides = (ours, baseline)
    figures: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        order = (0, 1) if number % 2 else (1, 0)
        for which in order:
            gc.collect()
            gc.disable()
            try:
                figure = sides[which]()
            finally:
                gc.enable()
            if number:
                figures[which].append(figure)
    return figures


def seconds_of(work: Callable[[], object]) -> float:
    """How long the work took, in seconds."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def quantile(values: Sequence[float], q: float) -> float:
    """The smallest value that at least the share `q` of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return statistics.median(values)


def line(sizes: Sequence[float], times: Sequence[float]) -> tuple[float, float, float]:
    """Fits time = fixed + each * size, weighing relative errors alike.

    Returns (fixed, each, the largest relative distance of a point from the line).
    """
    weights = [1 / t**2 for t in times]
    total = sum(weights)
    x = sum(w * s for w, s in zip(weights, sizes, strict=True)) / total
    y = sum(w * t for w, t in zip(weights, times, strict=True)) / total
    each = sum(w * (s - x) * (t - y) for w, s, t in zip(weights, sizes, times, strict=True)) / sum(
        w * (s - x) ** 2 for w, s in zip(weights, sizes, strict=True)
    )
    fixed = y - each * x
    worst = max(abs(fixed + each * s - t) / t for s, t in zip(sizes, times, strict=True))
    return fixed, each, worst
