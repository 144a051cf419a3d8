"""The dead-letter queue: jobs that were put aside after failing again and again."""

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from ..errors import Overloaded, UnknownDeadLetter
from .client import Store
from .job_records import read_fields
from .keys import tag

LIST_LIMIT = 1_000
"""Dead letters that can be listed at once."""
_ID = re.compile(r"(\d{1,3})-(\d{1,16})", re.ASCII)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter. `id` is its shard and its number there; `post_id` the newest post that the job
    was to deliver."""

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
        self._store, self._keys, self._backlog_limit = store, store.keys, backlog_limit

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
        latest = found[:limit]
        return [_dead_letter(f"{shard}-{number}", record) for number, shard, record in latest]

    def requeue(self, name: str) -> None:
        """Queues the job again; it goes on from its cursors. Raises `UnknownDeadLetter`, or
        `Overloaded` when the backlog has no headroom for it."""
        self._resolve(name, requeue=True)

    def discard(self, name: str) -> None:
        """Gives the job up. The post stays in its author's log, so whoever reads the logs still
        gets it; `repair` finds the timelines that lack it. Raises `UnknownDeadLetter`."""
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


def _dead_letter(name: str, record: Any) -> DeadLetter:
    """What cannot be read is 0 or empty: it may be why the job was put aside."""
    fields = defaultdict(str, read_fields(record))
    job, last, author, recipients, delivered, tries = (
        int(fields[name]) if fields[name].isdecimal() else 0
        for name in ("job", "last", "author", "recipients", "delivered", "fails")
    )
    progress = recipients, delivered, tries
    return DeadLetter(name, last or job, author, fields["strategy"], *progress, fields["reason"])
