"""The jobs that a worker has open."""

import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..errors import StoreDown
from ..store.batch import Batch
from ..store.chunks import Chunk
from ..store.data import Data
from ..store.failures import Refused
from ..store.job_records import Cursor, Job, Unreadable
from .open_job import OpenJob

HEARTBEAT_SECONDS = 0.25
"""Between two heartbeats of a job. Three may be lost before anybody reclaims it."""

log = logging.getLogger("fanout.deliveries")


@dataclass(slots=True)
class OpenJobs:
    """One worker's open jobs, in the order in which they get their next chunks. What goes wrong
    with one is that job's failure: it is closed, to be reclaimed and tried again."""

    data: Data
    clock: Callable[[], float]
    _open: OrderedDict[tuple[int, str], OpenJob] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[OpenJob]:
        return iter(list(self._open.values()))

    def __contains__(self, position: tuple[int, str]) -> bool:
        return position in self._open

    def get(self, job: Job) -> OpenJob | None:
        """The job, unless it was closed."""
        return self._open.get(job.position)

    def open(self, job: Job, cursors: dict[int, Cursor], *, first: bool = False) -> None:
        """Opens a job that goes on from its cursors. With `first` it gets the next chunk, also
        before older posts of its author."""
        posts = self._deferred_posts(job) if job.is_release else [job.last]
        shards = deque(shard for shard, cursor in cursors.items() if cursor.remaining)
        if not posts and job.strategy != "drop":
            shards.clear()  # all deferred posts were deleted meanwhile: nothing to deliver
        next_heartbeat = self.clock() + HEARTBEAT_SECONDS
        self._open[job.position] = OpenJob(job, posts, cursors, shards, next_heartbeat, first)
        self._open.move_to_end(job.position, last=not first)

    def close(self, job: Job) -> None:
        """Ends the work on a job."""
        self._open.pop(job.position, None)

    def close_all(self) -> None:
        """Ends the work on all jobs."""
        self._open.clear()

    def fail(self, job: Job | Unreadable, reason: str) -> None:
        """Closes a job and notes its failure. As it is not acknowledged, it is reclaimed later."""
        self._open.pop(job.position, None)
        self.data.counters.add("failures")
        try:
            self.data.jobs.fail(job, reason)
        except Refused:  # its record takes no notes any more; its reclaims are counted elsewhere
            log.exception("job %d failed, and that could not be noted: %s", job.id, reason)

    @contextmanager
    def blaming(self, job: Job) -> Iterator[None]:
        """What is raised inside is the job's failure, unless the store is away."""
        try:
            yield
        except StoreDown:
            raise
        except Exception as error:
            log.exception("job %d cannot be opened", job.id)
            self.fail(job, f"It cannot be opened: {error}")

    def add_heartbeats(self, batch: Batch) -> None:
        """Adds the heartbeats that are due."""
        now = self.clock()
        for opened in self._open.values():
            if now >= opened.next_heartbeat:
                opened.next_heartbeat = now + HEARTBEAT_SECONDS
                self.data.jobs.heartbeat(batch, opened.job, opened.progress())

    def plan(self, deliveries: int, size: int, away: Set[int]) -> list[Chunk]:
        """The chunks of an iteration: one of at most `size` deliveries for every author, then
        further rounds until there are so many `deliveries` or nothing remains.

        An author's posts go one after the other, oldest first: an older one that a newer one has
        overtaken must look for its position in every timeline.
        """
        authors: dict[int, list[OpenJob]] = {}
        for opened in self._open.values():
            opened.planned.clear()
            authors.setdefault(opened.job.author_id, []).append(opened)
        plan: list[Chunk] = []
        waiting = deque(sorted(jobs, key=OpenJob.order) for jobs in authors.values())
        while waiting and deliveries > 0:
            opened, *later = jobs = waiting.popleft()
            chunks = opened.next_chunks(min(size, deliveries), away=away)
            if chunks:
                plan += chunks
                deliveries -= sum(chunk.deliveries for chunk in chunks)
                waiting.append(jobs)
                # Served last next time, so that a few tokens go round as well.
                for each in authors[opened.job.author_id]:
                    self._open.move_to_end(each.job.position)
            elif later:
                waiting.appendleft(later)
        return plan

    def _deferred_posts(self, job: Job) -> list[int]:
        """The posts of a release, oldest first; none: it drops the timelines instead."""
        if job.strategy == "drop":
            return []
        log_cap = self.data.settings.log_cap
        (log,) = self.data.posts.log_pages([job.author_id], job.last + 1, log_cap).values()
        return [post_id for post_id in reversed(log) if post_id >= job.since]
