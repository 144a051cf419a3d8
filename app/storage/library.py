"""The server library: all of `lua/*.lua`, joined in the order of the files' names."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "lua"


@cache
def source() -> str:
    """The library as `FUNCTION LOAD` takes it."""
    parts = [path.read_text() for path in sorted(_FOLDER.glob("*.lua"))]
    return "#!lua name=fanout\n" + "\n".join(parts)
