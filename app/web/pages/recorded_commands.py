"""Records the commands that one operation sends to the store, to show them on the page."""

from collections.abc import Sequence
from typing import Any

from app.engine.store.client import Store
from app.engine.store.pipelining import Command

LONGEST = 110
"""Characters of a command that are shown; a merge names hundreds of authors in one call."""


class RecordingStore(Store):
    """A store that shares another one's connections and keeps what goes through it."""

    def __init__(self, inner: Store) -> None:
        super().__init__(lambda: inner.redis, inner.keys, lua=inner.lua)
        self.recorded: list[str] = []

    def run(self, commands: Sequence[Command], *args: Any, **options: Any) -> list[Any]:
        """Keeps the commands and sends them."""
        if self.meter.cost is not None:  # what is sent for all requests belongs to none of them
            self.recorded += map(shown, commands)
        return super().run(commands, *args, **options)


def shown(command: Command) -> str:
    """A command as redis-cli would take it, cut where it is long."""
    words = []
    for word in command:
        text = word.decode(errors="replace") if isinstance(word, bytes) else str(word)
        words.append(f"'{text}'" if not text or any(c in text for c in " {}\"'*") else text)
    line = " ".join(words)
    if len(line) <= LONGEST:
        return line
    cut = line[:LONGEST].rsplit(" ", 1)[0]
    return f"{cut} ... ({len(line.split()) - len(cut.split())} more)"
