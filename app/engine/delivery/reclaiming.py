"""Reclaiming jobs whose worker has died.

The lease time-out is measured by this process's monotonic clock, while a job's heartbeats stay the
same: no wall clock, here or on the server, takes part. Weakness: a worker that only just started
needs a whole time-out to see what others saw before. The alternative, comparing the times of two
machines, reclaims living jobs when a clock jumps.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

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
"""With reclaimed jobs a worker may have so many times `open_jobs` open. New jobs alone fill it up
to `open_jobs`; without headroom beyond, the jobs of dead workers would wait for those."""
WATCH_COUNT = 1000
"""Taken jobs looked at on each shard, the oldest first; those beyond wait until these are done."""


@dataclass(slots=True)
class Reclaiming:
    """Takes over the jobs of workers that died. One worker's; not shared between threads."""

    data: Data
    worker: str
    open_jobs: OpenJobs
    servers: Servers
    clock: Callable[[], float]
    _next_watch: float = 0.0
    _unchanged_since: dict[Pending, float] = field(default_factory=dict)
    _waiting_for: dict[tuple[int, str], set[int]] = field(default_factory=dict)
    """The shards that the jobs which were put aside wait for."""

    def run(self) -> int:
        """Reclaims the jobs without a heartbeat; returns how many. Raises `StoreDown`."""
        now = self.clock()
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
        self._unchanged_since = {}

    def put_aside(self) -> None:
        """Closes the open jobs that can only wait for nodes that are away: other jobs need their
        places. They are reclaimed when the nodes are back."""
        away = self.servers.away
        if not away:
            return
        batch = self.data.store.batch()
        for opened in self.open_jobs:
            job = opened.job
            waits_for = set(opened.shards) or {job.shard}
            if waits_for <= away:
                self.open_jobs.close(job)
                self._waiting_for[job.position] = waits_for
                if job.shard not in away:
                    self.data.jobs.put_aside(batch, job, opened.progress())
        batch.run(raise_errors=False, partial=True)

    def _has_headroom(self) -> bool:
        return len(self.open_jobs) < MAX_OPEN_JOBS_FACTOR * self.data.settings.open_jobs

    def _overdue(self, now: float) -> list[Pending]:
        """The taken jobs without a heartbeat for LEASE_TIMEOUT_SECONDS, but for those that wait for
        nodes that are away."""
        away = self.servers.away
        self._waiting_for = {
            position: shards for position, shards in self._waiting_for.items() if shards <= away
        }
        self._unchanged_since = {
            seen: self._unchanged_since.get(seen, now)
            for seen in self.data.jobs.pending(WATCH_COUNT)
            if seen.position not in self.open_jobs and seen.position not in self._waiting_for
        }
        times = self._unchanged_since.items()
        return [seen for seen, since in times if now - since >= LEASE_TIMEOUT_SECONDS]

    def _reclaim(self, seen: Pending) -> int:
        job = self.data.jobs.reclaim(seen, self.worker)
        if job is None:
            return 0
        self.data.counters.add("reclaims")
        if isinstance(job, Unreadable):
            self.open_jobs.fail(job, job.reason)
            return 1
        with self.open_jobs.blaming(job):
            cursors = self.data.jobs.cursors(job)
            processed = sum(cursor.delivered + cursor.skipped for cursor in cursors.values())
            self.data.jobs.note_progress(job, processed)
            # First: a job whose worker died must not wait for its chunk again.
            self.open_jobs.open(job, cursors, first=True)
        return 1
