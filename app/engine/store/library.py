"""The server library of one prefix: all Lua files, joined in the order of their names.

So that other prefixes and versions of this code live side by side on a server, the names of library
and functions carry digests: nothing is replaced, and only a missing function is a reason to load.
"""

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

ENGINE_LUA = Path(__file__).parent / "lua"


def lua_source(folders: Sequence[Path]) -> str:
    """The functions as they stand in the files: the engine's, then those of `folders`."""
    files = (path for folder in (ENGINE_LUA, *folders) for path in sorted(folder.glob("*.lua")))
    return "\n".join(path.read_text() for path in files)


class Library:
    """What `FUNCTION LOAD` takes, and what the functions are called."""

    def __init__(self, prefix: str, folders: Sequence[Path]) -> None:
        source = lua_source(folders)
        self._version = _digest(prefix + source)
        self.versions = f"fanout_{_digest(prefix)}_*"
        """The pattern of the names of all versions' libraries for this prefix."""
        self.name = self.versions.replace("*", self._version)
        constants = f"local PREFIX, VERSION = '{prefix}', '{self._version}'"
        self.source = f"#!lua name={self.name}\n{constants}\n{source}"

    def function(self, name: str) -> str:
        """What a function of ours is called on the server."""
        return f"fanout_{name}_{self._version}"


@cache
def library(prefix: str, folders: tuple[Path, ...]) -> Library:
    """The library for a prefix, with the functions of further folders."""
    return Library(prefix, folders)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12]
