"""Dead letters: jobs that were put aside after failing again and again."""

from __future__ import annotations

import re

from ..errors import UnknownDeadLetter
from ..store.job_records import DeadLetter
from ..store.jobs import Jobs

LIST_LIMIT = 1_000
_ID = re.compile(r"(\d{1,3})-(\d{1,16})", re.ASCII)


class DeadLetters:
    """Look at them, queue their jobs anew, drop them."""

    def __init__(self, jobs: Jobs, shards: int) -> None:
        self._jobs = jobs
        self._shards = shards

    def list(self, limit: int = 100) -> list[DeadLetter]:
        """The newest letters over all shards, at most `limit`."""
        dead_letters = self._jobs.dead(limit)
        dead_letters.sort(key=lambda dead_letter: int(dead_letter.id.split("-")[1]), reverse=True)
        return dead_letters[:limit]

    def requeue(self, name: str) -> None:
        """Queues the job anew; it goes on where it stopped. Raises `UnknownLetter`, or
        `Overloaded` when the backlog has no room for it."""
        self._resolve(name, requeue=True)

    def discard(self, name: str) -> None:
        """Gives the job up. The post stays in its author's log, so readers who have no timeline,
        or read under `read`, still get it; `flask repair` finds the timelines that lack it.

        Raises `UnknownLetter`.
        """
        self._resolve(name, requeue=False)

    def could_be(self, name: str) -> bool:
        """Whether a letter may have this name; it may be gone all the same."""
        return self._position(name) is not None

    def _position(self, name: str) -> tuple[int, str] | None:
        """The letter's shard and its entry there."""
        found = _ID.fullmatch(name)
        if found is None or int(found[1]) >= self._shards:
            return None
        return int(found[1]), f"{found[2]}-0"

    def _resolve(self, name: str, *, requeue: bool) -> None:
        position = self._position(name)
        if position is None or not self._jobs.resolve(*position, requeue=requeue):
            raise UnknownDeadLetter(f"There is no dead letter {name}.")
