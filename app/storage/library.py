"""The server library: all of `lua/*.lua`, joined in the order of the files' names."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

_FOLDER = Path(__file__).parent / "lua"


@cache
def _functions() -> str:
    return "\n".join(path.read_text() for path in sorted(_FOLDER.glob("*.lua")))


@cache
def version() -> str:
    """Tells one version of the functions from another."""
    return sha256(_functions().encode()).hexdigest()[:16]


@cache
def source() -> str:
    """The library as `FUNCTION LOAD` takes it; `fanout_version` returns its version."""
    return (
        f"#!lua name=fanout\n{_functions()}\n"
        f"register('version', function() return '{version()}' end, {{'no-writes'}})\n"
    )
