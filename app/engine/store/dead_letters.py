"""The dead-letter queue: jobs that were put aside after failing again and again."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import Overloaded, UnknownDeadLetter
from .client import Store
from .job_records import read_fields
from .keys import tag

LIST_LIMIT = 1_000
"""Dead letters that can be listed at once."""
_ID = re.compile(r"(\d{1,3})-(\d{1,16})", re.ASCII)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A job in the dead-letter queue. `id` is its shard and its number there; `post_id` is the
    newest post that the job was to deliver."""

    id: str
    post_id: int
    author_id: int
    strategy: str
    recipients: int
    delivered: int
    tries: int
    reason: str


class DeadLetters:
    """Lists dead letters, queues their jobs again, gives them up."""

    def __init__(self, store: Store, backlog_limit: int) -> None:
        self._store = store
        self._keys = store.keys
        self._backlog_limit = backlog_limit

    def list(self, limit: int = 100) -> list[DeadLetter]:
        """The newest dead letters of all shards that answer, at most `limit`, newest first."""
        batch = self._store.batch()
        for shard in range(self._store.shards):
            batch.call("dead_letters", self._keys.dead(shard), tag(shard), limit)
        found = [
            (int(entry.split(b"-")[0]), shard, record)
            for shard, rows in enumerate(batch.run(partial=True))
            for entry, record in rows or ()
        ]
        found.sort(key=lambda row: row[0], reverse=True)
        return [
            _dead_letter(f"{shard}-{number}", read_fields(record))
            for number, shard, record in found[:limit]
        ]

    def requeue(self, name: str) -> None:
        """Queues the job again; it goes on from its cursors. Raises `UnknownDeadLetter`, or
        `Overloaded` when the backlog has no headroom for it."""
        self._resolve(name, requeue=True)

    def discard(self, name: str) -> None:
        """Gives the job up. The post stays in its author's log, so readers who have no timeline,
        or read under `read`, still get it; `repair` finds the timelines that lack it.

        Raises `UnknownDeadLetter`.
        """
        self._resolve(name, requeue=False)

    def could_be(self, name: str) -> bool:
        """Whether a dead letter may have this name; it may be gone all the same."""
        found = _ID.fullmatch(name)
        return found is not None and int(found[1]) < self._store.shards

    def _resolve(self, name: str, *, requeue: bool) -> None:
        reply = 0
        if self.could_be(name):
            shard, _, number = name.partition("-")
            args = (tag(int(shard)), f"{number}-0", int(requeue), self._backlog_limit)
            reply = self._store.call("resolve_dead_letter", self._keys.dead(int(shard)), *args)
        if reply == 0:
            raise UnknownDeadLetter(f"There is no dead letter {name}.")
        if reply < 0:
            raise Overloaded("The backlog has no headroom for this job.")


def _dead_letter(name: str, fields: Mapping[str, str]) -> DeadLetter:
    """What cannot be read is 0 or empty: it may be why the job was put aside."""

    def number(field: str) -> int:
        value = fields.get(field, "")
        return int(value) if value.isdecimal() else 0

    return DeadLetter(
        name,
        number("last") or number("job"),
        number("author"),
        fields.get("strategy", ""),
        number("recipients"),
        number("delivered"),
        number("fails"),
        fields.get("reason", ""),
    )
