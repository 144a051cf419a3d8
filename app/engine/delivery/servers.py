"""What a worker knows of the servers by their answers to its iterations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..store.data import Data
from ..store.failures import does_not_answer
from ..store.job_records import Answer

READ_SECONDS = 10.0
"""So long after a page was read others are expected, and the chunks stay small."""


@dataclass(slots=True)
class Servers:
    """Which servers are away, which have restarted, and whether anybody reads pages from them."""

    data: Data
    clock: Callable[[], float]
    away: set[int] = field(default_factory=set)
    """The shards whose server did not answer in the last iteration."""
    _incarnations: list[str] = field(default_factory=list)
    _pages_read: list[int] = field(default_factory=list)
    _read_until: float = 0.0

    def restarted(self, answers: Sequence[Answer | None]) -> bool:
        """Notes what each server answered, None for one that is away; whether one has restarted
        since the last time. Raises `StoreDown` when all are away."""
        groups = zip(self.data.store.groups, answers, strict=True)
        self.away = {shard for shards, answer in groups if not answer for shard in shards}
        if len(self.away) == self.data.store.shards:
            raise does_not_answer()
        pages_read = [answer.pages_read for answer in answers if answer]
        if self._pages_read and pages_read != self._pages_read:
            self._read_until = self.clock() + READ_SECONDS
        before = self._incarnations or [""] * len(answers)
        now = [a.incarnation if a else b for a, b in zip(answers, before, strict=True)]
        restarted = bool(self._incarnations) and now != before
        self._pages_read, self._incarnations = pages_read, now
        return restarted

    def incarnation(self, shard: int) -> str:
        """The incarnation of the shard's server, as last heard."""
        return self._incarnations[shard % len(self._incarnations)]

    def chunk_size(self) -> int:
        """Followers of one chunk. A reader waits until the server is through with what it was sent,
        and a call has a price of its own: small while anybody reads, large otherwise."""
        small, large = self.data.settings.chunk_while_read, self.data.settings.chunk
        return min(small, large) if self.clock() < self._read_until else large
