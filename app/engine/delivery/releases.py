"""Bringing authors back from pull to push.

An author is pulled while posts are deferred: because the backlog was high, or because the author
chose it. When the shard's backlog has drained, or the author pushes again, one job delivers the
deferred posts; only then do readers stop merging the author's log.
"""

import time
from dataclasses import dataclass

from ..store.data import Data
from ..store.queue import read_queue

CHECK_SECONDS = 0.1
"""Least pause between two looks for authors who may return to push."""
PAUSE_FACTOR = 20
"""The pause is so many times as long as the look, which takes long for thousands of authors."""


@dataclass(slots=True)
class Releases:
    """Looks a few times a second for authors who may return to push."""

    data: Data
    _next_check: float = 0.0

    def run(self, *, force: bool = False) -> int:
        """Queues a release for every author who is due; returns how many. Raises `StoreDown`, on a
        Cluster while any node is away: a release needs all counts."""
        begun = time.monotonic()
        if not force and begun < self._next_check:
            return 0
        try:
            return self._run()
        finally:
            ended = time.monotonic()
            self._next_check = ended + max(CHECK_SECONDS, PAUSE_FACTOR * (ended - begun))

    def _run(self) -> int:
        data, released = self.data, 0
        waiting = [
            author
            for author in data.pulled_authors.all()
            if not author.releasing and author.why in ("returning", "deferred")
        ]
        backlogs = read_queue(data.store).backlogs if waiting else []
        # Who has waited longest comes first, or one author who is deferred again and again would
        # take all the headroom.
        for author in sorted(waiting, key=lambda author: author.since):
            if backlogs[author.author_id % data.store.shards] <= data.settings.backlog_low:
                counts = data.graph.follower_counts(author.author_id)
                released += data.pulled_authors.release(author.author_id, counts, data.settings)
        return released
