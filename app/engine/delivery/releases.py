"""Bringing authors back from pull to push.

An author is pulled while posts are deferred: because the backlog was high, or because the author
chose it. When the shard's backlog has drained, or the author pushes again, one job delivers the
deferred posts; only then do readers stop merging the author's log.
"""

import time

from ..store.data import Data
from ..store.queue import read_queue

CHECK_SECONDS = 0.1
"""Least pause between two looks for authors who may return to push."""
PAUSE_FACTOR = 20
"""The pause is at least so many times as long as the look: with thousands of pulled authors a look
takes long, and a worker has deliveries to make."""


class Releases:
    """Looks a few times a second for authors who may return to push."""

    def __init__(self, data: Data) -> None:
        self._data = data
        self._next_check = 0.0

    def run(self, *, force: bool = False) -> int:
        """Queues a release for every author who is due. Returns how many.

        Raises `StoreDown`, on a Cluster while any node is away: a release needs all counts.
        """
        begun = time.monotonic()
        if not force and begun < self._next_check:
            return 0
        try:
            return self._run()
        finally:
            ended = time.monotonic()
            self._next_check = ended + max(CHECK_SECONDS, PAUSE_FACTOR * (ended - begun))

    def _run(self) -> int:
        data = self._data
        waiting = [
            author
            for author in data.pulled_authors.all()
            if not author.releasing and author.why in ("returning", "deferred")
        ]
        if not waiting:
            return 0
        backlogs = read_queue(data.store).backlogs
        released = 0
        # Who has waited longest comes first, or one author who is deferred again and again would
        # take all the headroom.
        for author in sorted(waiting, key=lambda author: author.since):
            if backlogs[author.author_id % data.store.shards] <= data.settings.backlog_low:
                counts = data.graph.follower_counts(author.author_id)
                released += data.pulled_authors.release(author.author_id, counts, data.settings)
        return released
