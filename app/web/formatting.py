"""What every template writes with: numbers, times and strategies in words, drawings, settings."""

from datetime import datetime
from pathlib import Path

from flask import Flask
from markupsafe import Markup

from app.settings import Settings

NOTHING = "\N{EN DASH}"
"""Shown where nothing was measured. A zero would look like a measurement."""
THIN = "\N{NARROW NO-BREAK SPACE}"
STRATEGY_NAMES = {"write": "Write fan-out", "read": "Read fan-out", "hybrid": "Hybrid"}


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
    if ms < 10:
        return f"{ms:.{2 if ms < 1 else 1}f}{THIN}ms"
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


def install(app: Flask, settings: Settings) -> None:
    """Gives the templates the filters above, `STRATEGY`, `settings`, and `svg`: a drawing of ours
    from static/ that stands inside a page and takes its colours."""
    for each in (number, duration, size, clock, count_of):
        app.jinja_env.filters[each.__name__] = each
    folder = Path(str(app.static_folder))
    app.jinja_env.globals |= {
        "STRATEGY": STRATEGY_NAMES,
        "settings": settings,
        "svg": lambda name: Markup((folder / name).read_text("utf-8")),
    }
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
