"""Making the deliveries: many jobs open at once, a chunk for each in turn.

A celebrity's million deliveries never stand in front of an ordinary post, since every turn gives
each open job a chunk. The cursor of a walk lives in the store and moves inside the delivering
script, so this process may die, repeat itself or be doubled at any moment: no delivery is made
twice and none is passed over. Weakness: the promise ends with the store's durability. The
alternative, one queued task for each delivery, needs no cursor but costs a queue entry for each.
"""

from __future__ import annotations

import logging
import secrets
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import StoreDown
from ..settings import EngineSettings
from ..store.batch import Batch
from ..store.client import Store
from ..store.counters import Metrics
from ..store.failures import Refused, does_not_answer
from ..store.job_records import Answer, Cursor, Job, Pending, Unreadable
from ..store.jobs import Jobs
from ..store.posts import Posts
from .open_job import OpenJob

LEASE_TIMEOUT_SECONDS = 1.0
"""A job without a heartbeat for so long is claimed. The chunk is the heartbeat, sent on at most
every HEARTBEAT_SECONDS: three may be lost before anybody else takes over."""
HEARTBEAT_SECONDS = 0.25
WATCH_SECONDS = 0.1
IN_FLIGHT = 2
"""Chunks sent ahead of the answers: one that the server is at and one that waits for it."""
READ_SECONDS = 10.0
"""So long after a page was read others are expected, and the chunks stay small."""
MOST_OPEN = 2
"""With claimed jobs a worker may have so many times `open_jobs` open. New jobs fill it up to
`open_jobs` in every turn; without room beyond that, orphans would wait while any are new."""
SUSPECT_RECLAIMS = 2
"""A job that was claimed so often without getting on may be what ends its workers. After a single
claim it is more likely that its claimer was killed before it came to the job."""
WATCH_COUNT = 1000
"""Taken jobs looked at on each shard, the oldest first; those beyond wait until these are done."""

log = logging.getLogger("fanout.deliveries")


class Deliverer:
    """One worker's open jobs. Not shared between threads.

    What goes wrong with one job is that job's failure: it is noted, the job is left to be claimed
    and tried again, and the others go on.
    """

    def __init__(
        self,
        store: Store,
        settings: EngineSettings,
        jobs: Jobs,
        posts: Posts,
        metrics: Metrics,
        worker: str,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._settings = settings
        self._jobs = jobs
        self._posts = posts
        self._metrics = metrics
        self._worker = worker
        self._clock = clock
        self._open: dict[tuple[int, str], OpenJob] = {}
        self._watched: dict[tuple[int, str], tuple[int, float]] = {}
        self._next_watch = 0.0
        self._aside: dict[tuple[int, str], set[int]] = {}
        self._away: set[int] = set()
        self._incarnations: list[str] = []
        self._pages: list[int] = []
        self._read_until = 0.0
        self.delivered = 0
        self.processed = 0
        """Deliveries made and skipped: what a limit counts, and what is paid for."""

    @property
    def jobs_open(self) -> int:
        """Jobs this worker is at."""
        return len(self._open)

    def run_iteration(self, tokens: int | None = None) -> bool:
        """One round trip: asks for new jobs, delivers a chunk for each open one.

        `tokens` bounds the deliveries (None: no bound, 0: heartbeats only). A follower gets all
        posts of a release at once, so the last of them may pass the bound. Returns whether there
        was anything to do.
        """
        batch = self._store.batch()
        asked = self._ask(batch, tokens)
        heartbeats = self._heartbeat(batch)
        planned = self._plan(batch, tokens)
        processed, begun = self.processed, time.perf_counter_ns()
        limit = IN_FLIGHT * self._chunk()
        replies = iter(batch.run(raise_errors=False, partial=True, limit=limit))
        spent = time.perf_counter_ns() - begun
        answers = self._answers([next(replies) for _ in range(asked)])
        self._look_at_servers(answers)
        taken = self._take([job for answer in answers if answer for job in answer.jobs])
        for _ in range(heartbeats):
            next(replies)
        got = 0
        for (opened, shard), reply in zip(planned, replies, strict=True):
            if reply is not None:
                self._chunk_answered(opened, shard, reply)
                got += 1
        if self.processed > processed:
            self._metrics.cost("delivery", self.processed - processed, spent)
        finished = self._finish()
        self._put_aside()
        return bool(finished or taken or got)

    def reclaim(self) -> int:
        """Claims jobs that have been silent for LEASE_TIMEOUT_SECONDS; how many.

        Silence is measured by this process's monotonic clock, between two looks at a job's beat
        counter: no wall clock, here or on the server, takes part.
        """
        now = self._clock()
        if now < self._next_watch:
            return 0
        self._next_watch = now + WATCH_SECONDS
        watched: dict[tuple[int, str], tuple[int, float]] = {}
        aside, self._aside = self._aside, {}
        suspects: list[Pending] = []
        most_open = MOST_OPEN * self._settings.open_jobs
        reclaimed = 0
        for seen in self._jobs.pending(WATCH_COUNT):
            position = (seen.shard, seen.entry)
            if position in self._open:
                continue
            if position in aside and aside[position] <= self._away:
                self._aside[position] = aside[position]
                continue
            heartbeat, since = self._watched.get(position, (-1, now))
            if heartbeat != seen.heartbeat:
                watched[position] = (seen.heartbeat, now)
            elif now - since < LEASE_TIMEOUT_SECONDS or self.jobs_open >= most_open:
                watched[position] = (heartbeat, since)
            elif seen.reclaims >= SUSPECT_RECLAIMS:
                watched[position] = (heartbeat, since)
                suspects.append(seen)
            else:
                reclaimed += self._reclaim_one(seen)
        self._watched = watched
        if suspects and not reclaimed:
            # One of them may end its workers. Taken singly, with a turn between, it cannot make
            # the others look guilty.
            reclaimed += self._reclaim_one(min(suspects, key=lambda seen: seen.reclaims))
            self._next_watch = now
        return reclaimed

    def lose_sight(self) -> None:
        """The store did not answer for a while, to nobody: that was no silence of the others."""
        self._watched = {}

    def run_until_idle(self, patience: float = 60.0) -> None:
        """Turns until nothing is left. For tests, loading and commands.

        Raises `TimeoutError` after `patience` seconds.
        """
        end = time.monotonic() + patience
        while self.run_iteration() or self._open:
            if time.monotonic() > end:
                raise TimeoutError(f"Deliveries were still going on after {patience} s.")

    def _ask(self, batch: Batch, tokens: int | None) -> int:
        headroom = 0 if tokens == 0 else self._settings.open_jobs - len(self._open)
        count = max(1, headroom // self._store.shards) if headroom > 0 else 0
        return self._jobs.ask(batch, self._worker, secrets.token_hex(8), count)

    def _answers(self, replies: list[Any]) -> list[Answer | None]:
        """What each server said; None for one that is away. Raises `StoreDown` when all are."""
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        self._away = {
            shard
            for shards, reply in zip(self._store.groups, replies, strict=True)
            if reply is None
            for shard in shards
        }
        if len(self._away) == self._store.shards:
            raise does_not_answer()
        return [reply and self._jobs.answer(reply) for reply in replies]

    def _take(self, taken: list[Job | Unreadable]) -> int:
        jobs = []
        for job in taken:
            if isinstance(job, Unreadable):
                self._failed(job, job.reason)
            else:
                jobs.append(job)
        for job, cursors in zip(jobs, self._jobs.first_cursors(jobs), strict=True):
            with self._blaming(job):
                self._open[job.shard, job.entry] = self._opened(job, cursors)
        return len(taken)

    def _opened(self, job: Job, cursors: dict[int, Cursor]) -> OpenJob:
        posts = self._deferred_posts(job) if job.is_release else [job.last]
        shards = deque(shard for shard, cursor in cursors.items() if cursor.remaining)
        if not posts and job.strategy != "drop":
            shards.clear()  # all held posts were deleted meanwhile: there is nothing to deliver
        return OpenJob(job, posts, cursors, shards, self._clock() + HEARTBEAT_SECONDS)

    def _chunk(self) -> int:
        """Followers of one call. A reader waits until the server is through with what it was sent,
        and a call has a price of its own: small while anybody reads, large otherwise."""
        settings = self._settings
        if self._clock() < self._read_until:
            return min(settings.chunk, settings.chunk_while_read)
        return settings.chunk

    def _look_at_servers(self, answers: list[Answer | None]) -> None:
        """Drops all open jobs when a server came back from a crash: it may have undone deliveries
        that this process takes for made. The jobs fall silent and are claimed, by their cursors.
        Notes as well whether pages were read since the last look."""
        before = zip(answers, self._incarnations or [""] * len(answers), strict=True)
        incarnations = [
            answer.incarnation if answer else incarnation for answer, incarnation in before
        ]
        pages = [answer.pages_read for answer in answers if answer]
        if self._pages and pages != self._pages:
            self._read_until = self._clock() + READ_SECONDS
        self._pages = pages
        if self._incarnations and incarnations != self._incarnations:
            self._open.clear()
            self.lose_sight()
        self._incarnations = incarnations

    def _deferred_posts(self, job: Job) -> list[int]:
        """The posts a release delivers, oldest first; none: it drops the timelines instead."""
        if job.strategy == "drop":
            return []
        log = self._posts.log_pages([job.author_id], job.last + 1, self._settings.log_cap)
        deferred = [post_id for post_id in log[job.author_id] if post_id >= job.since]
        return deferred[::-1]

    def _heartbeat(self, batch: Batch) -> int:
        now = self._clock()
        due = [opened for opened in self._open.values() if now >= opened.next_heartbeat]
        for opened in due:
            opened.next_heartbeat = now + HEARTBEAT_SECONDS
            self._jobs.heartbeat(batch, opened.job, opened.progress())
        return len(due)

    def _plan(self, batch: Batch, tokens: int | None) -> list[tuple[OpenJob, int]]:
        """Adds the turn's deliveries: a chunk for every job, and further rounds of chunks until
        the round trip is full or nothing is left to ask for."""
        chunk = self._chunk()
        budget = self._settings.chunk * self._settings.chunks_in_flight
        bound = sys.maxsize if tokens is None else tokens
        spread = self._store.is_cluster
        plan: list[tuple[OpenJob, int]] = []
        waiting = list(self._open.items())
        while waiting and budget > 0:
            again = []
            for position, opened in waiting:
                if bound <= 0 or budget <= 0:
                    break
                # A release delivers many posts to each follower: fewer followers, the same work.
                posts = max(1, len(opened.posts))
                got = 0
                size = max(1, min(chunk, bound) // posts)
                for shard, followers in opened.slice(size, spread=spread, away=self._away):
                    self._jobs.deliver(batch, opened.job, shard, followers, opened.posts)
                    batch.weigh(followers * posts)
                    plan.append((opened, shard))
                    got += followers * posts
                if got:
                    budget -= got
                    bound -= got
                    again.append((position, opened))
                    # Served last next time, so that a few tokens go round as well.
                    self._open[position] = self._open.pop(position)
            waiting = again
        for opened in self._open.values():
            opened.planned.clear()
        return plan

    def _chunk_answered(self, opened: OpenJob, shard: int, reply: Any) -> None:
        if isinstance(reply, Refused):
            if (opened.job.shard, opened.job.entry) in self._open:
                self._failed(opened.job, str(reply))
            return
        remaining, delivered, skipped, made, missed = reply
        posts = max(1, len(opened.posts))
        self.delivered += made * posts
        self.processed += (made + missed) * posts
        self._metrics.add("deliveries", made * posts)
        self._metrics.add("skipped", missed * posts)
        opened.cursors[shard] = Cursor(remaining, delivered, skipped)
        if remaining == 0 and shard in opened.shards:
            opened.shards.remove(shard)

    def _finish(self) -> int:
        done = [
            opened
            for opened in self._open.values()
            if not opened.shards and opened.job.shard not in self._away
        ]
        if not done:
            return 0
        batch = self._store.batch()
        for opened in done:
            incarnation = self._incarnations[opened.job.shard % len(self._incarnations)]
            self._jobs.finish(batch, opened.job, opened.progress(), incarnation)
        replies = batch.run(raise_errors=False, partial=True)
        for opened, reply in zip(done, replies, strict=True):
            if reply is None:
                continue
            if isinstance(reply, Refused):
                self._failed(opened.job, str(reply))
                continue
            del self._open[opened.job.shard, opened.job.entry]
            first, lag_ms = reply
            if first == 1 and not opened.job.is_release:
                self._metrics.add("jobs")
                self._metrics.time("lag", opened.job.strategy, lag_ms / 1000)
        return len(done)

    def _put_aside(self) -> None:
        """Closes the jobs that can only wait for nodes that are away: others need the room, and
        there may be any number of them. When the nodes are back they are claimed."""
        if not self._away:
            return
        batch = self._store.batch()
        for position, opened in list(self._open.items()):
            waits_for = set(opened.shards) or {opened.job.shard}
            if waits_for <= self._away:
                del self._open[position]
                self._aside[position] = waits_for
                if opened.job.shard not in self._away:
                    self._jobs.put_aside(batch, opened.job, opened.progress())
        batch.run(raise_errors=False, partial=True)

    def _reclaim_one(self, seen: Pending) -> int:
        job = self._jobs.reclaim(seen, self._worker)
        if job is None:
            return 0
        self._metrics.add("reclaims")
        if isinstance(job, Unreadable):
            self._failed(job, job.reason)
            return 1
        with self._blaming(job):
            cursors = self._jobs.cursors(job)
            self._jobs.note_progress(job, sum(w.delivered + w.skipped for w in cursors.values()))
            # First in line: a job that had its worker end must not wait again for its turn.
            self._open = {(job.shard, job.entry): self._opened(job, cursors), **self._open}
        return 1

    @contextmanager
    def _blaming(self, job: Job) -> Iterator[None]:
        """What is raised inside is the job's failure, unless the store is away."""
        try:
            yield
        except StoreDown:
            raise
        except Exception as error:
            log.exception("job %d cannot be opened", job.id)
            self._failed(job, f"It cannot be opened: {error}")

    def _failed(self, job: Job | Unreadable, reason: str) -> None:
        """Left without acknowledgement: after its silence it is claimed and tried again."""
        self._open.pop((job.shard, job.entry), None)
        self._metrics.add("failures")
        try:
            self._jobs.fail(job, reason)
        except Refused:
            # Its record takes no notes any more. Claims without progress are counted elsewhere.
            log.exception("job %d failed, and that could not be noted: %s", job.id, reason)
