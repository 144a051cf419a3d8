"""Reclaiming jobs whose worker has died.

The lease time-out is measured by this process's monotonic clock, between two looks at a job's count
of heartbeats: no wall clock, here or on the server, takes part. Weakness: a worker that only just
started needs a whole time-out to see what others saw before. The alternative, comparing the times
of two machines, reclaims living jobs when a clock jumps.
"""

from collections.abc import Callable

from ..store.data import Data
from ..store.job_records import Pending, Unreadable
from .open_jobs import OpenJobs
from .servers import Servers

LEASE_TIMEOUT_SECONDS = 1.0
"""A job without a heartbeat for so long is reclaimed."""
WATCH_SECONDS = 0.1
"""Between two looks at the heartbeats."""
SUSPECT_RECLAIMS = 2
"""A job that was reclaimed so often without progress may be what ends its workers. After a single
reclaim it is more likely that its worker was killed before it came to the job."""
MAX_OPEN_JOBS_FACTOR = 2
"""With reclaimed jobs a worker may have so many times `open_jobs` open. New jobs fill it up to
`open_jobs` in every iteration; without headroom beyond that, the jobs of dead workers would wait
while any are new."""
WATCH_COUNT = 1000
"""Taken jobs looked at on each shard, the oldest first; those beyond wait until these are done."""


class Reclaiming:
    """Takes over the jobs of workers that died. One worker's; not shared between threads."""

    def __init__(
        self,
        data: Data,
        worker: str,
        open_jobs: OpenJobs,
        servers: Servers,
        clock: Callable[[], float],
    ) -> None:
        self._data = data
        self._worker = worker
        self._open_jobs = open_jobs
        self._servers = servers
        self._clock = clock
        self._next_watch = 0.0
        self._watched: dict[tuple[int, str], tuple[int, float]] = {}
        """Of each taken job the count of its heartbeats, and since when it has not changed."""
        self._waiting_for: dict[tuple[int, str], set[int]] = {}
        """The shards that the jobs which were put aside wait for."""

    def run(self) -> int:
        """Reclaims the jobs without a heartbeat for LEASE_TIMEOUT_SECONDS; how many.

        Raises `StoreDown`.
        """
        now = self._clock()
        if now < self._next_watch:
            return 0
        self._next_watch = now + WATCH_SECONDS
        overdue, reclaimed = self._overdue(now), 0
        for seen in overdue:
            if seen.reclaims < SUSPECT_RECLAIMS and self._has_headroom():
                reclaimed += self._reclaim(seen)
        suspects = [seen for seen in overdue if seen.reclaims >= SUSPECT_RECLAIMS]
        if suspects and not reclaimed and self._has_headroom():
            # One of them may end its workers. Taken singly, with an iteration between, it cannot
            # make the others look guilty.
            reclaimed = self._reclaim(min(suspects, key=lambda seen: seen.reclaims))
            self._next_watch = now
        return reclaimed

    def forget_heartbeats(self) -> None:
        """Begins all time-outs again: while the store was away no heartbeat could arrive."""
        self._watched = {}

    def put_aside(self) -> None:
        """Closes the open jobs that can only wait for nodes that are away: other jobs need their
        places. They are reclaimed when the nodes are back."""
        away = self._servers.away
        if not away:
            return
        batch = self._data.store.batch()
        for opened in self._open_jobs:
            job = opened.job
            waits_for = set(opened.shards) or {job.shard}
            if waits_for <= away:
                self._open_jobs.close(job)
                self._waiting_for[job.position] = waits_for
                if job.shard not in away:
                    self._data.jobs.put_aside(batch, job, opened.progress())
        batch.run(raise_errors=False, partial=True)

    def _has_headroom(self) -> bool:
        return len(self._open_jobs) < MAX_OPEN_JOBS_FACTOR * self._data.settings.open_jobs

    def _overdue(self, now: float) -> list[Pending]:
        """The taken jobs without a heartbeat for LEASE_TIMEOUT_SECONDS, but for those that wait for
        nodes that are away."""
        away = self._servers.away
        self._waiting_for = {
            position: shards for position, shards in self._waiting_for.items() if shards <= away
        }
        watched: dict[tuple[int, str], tuple[int, float]] = {}
        overdue = []
        for seen in self._data.jobs.pending(WATCH_COUNT):
            position = seen.position
            if position in self._open_jobs or position in self._waiting_for:
                continue
            heartbeats, since = self._watched.get(position, (-1, now))
            if heartbeats != seen.heartbeats:
                since = now
            watched[position] = (seen.heartbeats, since)
            if now - since >= LEASE_TIMEOUT_SECONDS:
                overdue.append(seen)
        self._watched = watched
        return overdue

    def _reclaim(self, seen: Pending) -> int:
        job = self._data.jobs.reclaim(seen, self._worker)
        if job is None:
            return 0
        self._data.counters.add("reclaims")
        if isinstance(job, Unreadable):
            self._open_jobs.fail(job, job.reason)
            return 1
        with self._open_jobs.blaming(job):
            cursors = self._data.jobs.cursors(job)
            processed = sum(cursor.delivered + cursor.skipped for cursor in cursors.values())
            self._data.jobs.note_progress(job, processed)
            # First: a job whose worker died must not wait for its chunk again.
            self._open_jobs.open(job, cursors, first=True)
        return 1
