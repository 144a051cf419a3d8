"""The server library of one prefix: all of `lua/*.lua`, joined in the order of the files' names.

Functions belong to a whole server. So that installations with other prefixes, and other versions of
this code, live side by side on one, the names of library and functions carry digests: nothing is
ever replaced, and a function that is missing is the only reason to load.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

_FOLDER = Path(__file__).parent / "lua"


def lua_source() -> str:
    """The functions as they stand in the files."""
    return "\n".join(path.read_text() for path in sorted(_FOLDER.glob("*.lua")))


class Library:
    """What `FUNCTION LOAD` takes, and what the functions are called."""

    def __init__(self, prefix: str) -> None:
        source = lua_source()
        self._version = _digest(prefix + source)
        self.versions = f"fanout_{_digest(prefix)}_*"
        """The pattern of the names of all versions' libraries for this prefix."""
        self.name = self.versions.replace("*", self._version)
        self.source = (
            f"#!lua name={self.name}\n"
            f"local PREFIX, VERSION = '{prefix}', '{self._version}'\n{source}"
        )

    def function(self, name: str) -> str:
        """What a function of ours is called on the server."""
        return f"fanout_{name}_{self._version}"


@cache
def library(prefix: str) -> Library:
    """The library for a prefix."""
    return Library(prefix)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12]
