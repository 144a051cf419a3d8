"""Bringing authors back from pull to push.

An author is read by pull while posts are held back: because the backlog was high, or because the
author chose it. When the shard's backlog has drained, or the author pushes again, one job delivers
the held posts; only then do readers stop merging the author's log.
"""

from __future__ import annotations

import time

from ..settings import EngineSettings
from ..store.client import Store
from ..store.graph import Graph
from ..store.pulled_authors import PulledAuthors
from ..store.queue import read_queue

CHECK_SECONDS = 0.1
LEAST_PAUSE = 20
"""The pause is at least so many times as long as the look: with thousands of pull authors a look
takes long, and a worker has deliveries to make."""


class Releases:
    """Looks a few times a second for authors who may return to push."""

    def __init__(
        self,
        store: Store,
        settings: EngineSettings,
        pulled_authors: PulledAuthors,
        graph: Graph,
    ) -> None:
        self._store = store
        self._settings = settings
        self._pulled_authors = pulled_authors
        self._graph = graph
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
            self._next_check = ended + max(CHECK_SECONDS, LEAST_PAUSE * (ended - begun))

    def _run(self) -> int:
        waiting = [
            pulled_author
            for pulled_author in self._pulled_authors.all()
            if not pulled_author.releasing and pulled_author.why in ("returning", "deferred")
        ]
        if not waiting:
            return 0
        backlogs = read_queue(self._store).backlogs
        released = 0
        # Who has waited longest comes first, or one author who is held again and again would take
        # all the room.
        for pulled_author in sorted(waiting, key=lambda pulled_author: pulled_author.since):
            shard = pulled_author.author_id % self._settings.shards
            if backlogs[shard] <= self._settings.backlog_low:
                counts = self._graph.follower_counts(pulled_author.author_id)
                released += self._pulled_authors.release(
                    pulled_author.author_id, counts, self._settings
                )
        return released
