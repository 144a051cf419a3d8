"""Which memory allocator a server runs on."""

from pathlib import Path
from typing import Any

LIBRARIES = {"libjemalloc": "jemalloc", "libtbbmalloc_proxy": "tbbmalloc"}
"""The libraries that ./start.sh preloads into its server, and the allocators in them."""


def allocator(info: dict[str, Any]) -> str:
    """The allocator of the server that answered INFO with `info`.

    INFO names the one that the server was built for. A library that is preloaded takes the place of
    libc's; it is found where the server's process can be seen, else INFO's word stands.
    """
    named = str(info.get("mem_allocator", "unknown"))
    if named != "libc":
        return named
    preloaded = _preloaded(info.get("process_id"), info.get("executable", ""))
    return f"{preloaded} (preloaded)" if preloaded else named


def _preloaded(process: int | None, executable: str) -> str | None:
    """The allocator that is preloaded into this process, None where none is seen.

    On another machine or in a container the number is that of another process, so the program must
    be the one that INFO names.
    """
    folder = Path(f"/proc/{process}")
    try:
        if not (folder / "exe").samefile(executable):
            return None
        maps = (folder / "maps").read_text()
    except OSError:
        return None
    return next((name for library, name in LIBRARIES.items() if f"/{library}." in maps), None)
