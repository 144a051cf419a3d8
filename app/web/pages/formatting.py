"""Numbers, times and the three strategies in words, as every page writes them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import Flask

from app.datasets.kinds import Kind
from app.engine.models import Strategy

NOTHING = "\N{EN DASH}"
"""Shown where nothing was measured. A zero would look like a measurement."""

THIN = "\N{NARROW NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class StrategyText:
    """What the pages call a strategy: its name, its sign and one line on what it does."""

    key: Strategy
    name: str
    sign: str
    line: str


STRATEGY_TEXTS: tuple[StrategyText, ...] = (
    StrategyText(
        "write",
        "Write fan-out",
        "\N{BLACK CIRCLE}",
        "Push the post into every follower's timeline now. Posting is work, reading is cheap.",
    ),
    StrategyText(
        "read",
        "Read fan-out",
        "\N{WHITE CIRCLE}",
        "Store the post once. Every reader gathers the logs of all the people they follow.",
    ),
    StrategyText(
        "hybrid",
        "Hybrid",
        "\N{CIRCLE WITH LEFT HALF BLACK}",
        "Push for most authors; pull for some large ones, by measured costs or by a threshold.",
    ),
)

KIND_TEXTS: dict[Kind, str] = {
    "regular": "Regular user",
    "popular": "Popular user",
    "celebrity": "Celebrity",
}


def number(value: float | None) -> str:
    """`19998` as `19 998` with thin spaces; one decimal below ten where there is one."""
    if value is None:
        return NOTHING
    if value != round(value) and abs(value) < 10:
        return f"{value:.1f}"
    return f"{round(value):,}".replace(",", THIN)


def duration(ms: float | None) -> str:
    """Milliseconds with a fitting unit and about two significant figures: `0.42 ms`, `31 ms`."""
    if ms is None:
        return NOTHING
    if ms < 0.1:
        return f"{ms * 1000:.{1 if ms < 0.01 else 0}f}{THIN}µs"
    if ms < 1:
        return f"{ms:.2f}{THIN}ms"
    if ms < 10:
        return f"{ms:.1f}{THIN}ms"
    if ms < 10_000:
        return f"{number(round(ms))}{THIN}ms"
    return f"{number(round(ms / 1000))}{THIN}s"


def size(count: float | None) -> str:
    """Bytes in MB (a million bytes)."""
    return NOTHING if count is None else f"{count / 1e6:,.1f}".replace(",", THIN) + f"{THIN}MB"


def clock(iso: str) -> str:
    """The time of day of an ISO-8601 time, in UTC to the second."""
    return datetime.fromisoformat(iso).strftime("%H:%M:%S")


def count_of(value: int, one: str, many: str | None = None) -> str:
    """`1 command`, `2 commands`."""
    return f"{number(value)} {one if value == 1 else many or one + 's'}"


def install(app: Flask) -> None:
    """Give the templates the filters above and the words for the strategies."""
    app.jinja_env.filters.update(
        number=number, duration=duration, size=size, clock=clock, count_of=count_of
    )
    app.jinja_env.globals.update(
        STRATEGIES=STRATEGY_TEXTS,
        STRATEGY={text.key: text for text in STRATEGY_TEXTS},
        KINDS=KIND_TEXTS,
        NOTHING=NOTHING,
    )
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
