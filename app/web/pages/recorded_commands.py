"""Records the commands that one operation sends to the store, to show them on the page."""

from __future__ import annotations

from typing import Any

from app.engine.store.client import Batch, Store

LONGEST = 110
"""Characters of a command that are shown; a merge names hundreds of authors in one call."""


class RecordingStore(Store):
    """A store that shares another one's connections and keeps what goes through it."""

    def __init__(self, inner: Store) -> None:
        super().__init__(lambda: inner.redis, inner.keys, lua=inner.lua)
        self.recorded: list[str] = []

    def call(self, function: str, key: str, *args: Any) -> Any:
        """Runs and keeps a function call."""
        self._keep(*self.fcall(function, key, *args))
        return super().call(function, key, *args)

    def command(self, *args: Any) -> Any:
        """Runs and keeps a plain command."""
        self._keep(*args)
        return super().command(*args)

    def batch(self) -> Batch:
        """A batch whose commands are kept when it runs."""
        return _RecordingBatch(self)

    def _keep(self, *command: Any) -> None:
        if self.metered:  # what is sent for all requests belongs to none of them
            self.recorded.append(shown(command))


class _RecordingBatch(Batch):
    def call(self, function: str, key: str, *args: Any) -> None:
        self._recorded(self._store.fcall(function, key, *args))
        super().call(function, key, *args)

    def add(self, *command: Any) -> None:
        self._recorded(command)
        super().add(*command)

    def _recorded(self, command: tuple[Any, ...]) -> None:
        store = self._store
        assert isinstance(store, RecordingStore)
        store._keep(*command)


def shown(command: tuple[Any, ...]) -> str:
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
