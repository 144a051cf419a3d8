"""Making the deliveries: many jobs open at once, a chunk for each in every iteration.

So a celebrity's million deliveries never stand in front of an ordinary post. A job's cursor lives
in the store and moves together with the deliveries, so this process may die, repeat itself or be
doubled at any moment: no delivery is made twice and none is skipped. Weakness: the promise ends
with the store's durability. The alternative, one queued task for each delivery, needs no cursor but
costs a queue entry for each.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from ..store.batch import Batch
from ..store.chunks import Chunk, ChunkSender, Delivered
from ..store.data import Data
from ..store.job_records import Job, Progress, Unreadable
from ..store.replies import each_of, reason
from ..store.transactions import Transactions
from .open_jobs import OpenJobs
from .reclaiming import Reclaiming
from .servers import Servers


class Deliverer:
    """The iterations of one worker. Not shared between threads."""

    def __init__(self, data: Data, worker: str, clock: Callable[[], float]) -> None:
        self._store, self._settings = data.store, data.settings
        self._jobs, self._counters = data.jobs, data.counters
        self._worker = worker
        self._chunk_sender = ChunkSender(data.store, data.settings)
        self._transactions = Transactions(data.store, data.settings)
        self.servers = Servers(data, clock)
        self.open_jobs = OpenJobs(data, clock)
        self.reclaiming = Reclaiming(data, worker, self.open_jobs, self.servers, clock)
        self.delivered = 0
        self.processed = 0
        """Deliveries made and skipped: what a limit counts, and what is paid for."""

    def run_iteration(self, tokens: int | None = None) -> bool:
        """Asks for new jobs and delivers a chunk for each open one: the small chunks in the same
        round trip, then the large ones, for which no ordinary post waits.

        `tokens` bounds the deliveries (None: no bound, 0: heartbeats only). A follower gets all
        posts of a release at once, so the last of them may pass the bound. Returns whether there
        was anything to do. Raises `StoreDown`.
        """
        batch = self._store.batch()
        asked = self._ask(batch, tokens)
        self.open_jobs.add_heartbeats(batch)
        size = self.servers.chunk_size()
        chunks = self._plan(size, tokens)
        large: list[Chunk] = []
        small: list[Chunk] = []
        for chunk in chunks:
            (large if self._transactions.fits(chunk, size) else small).append(chunk)
        before, begun = self.processed, time.perf_counter_ns()
        replies, delivered = self._chunk_sender.send(batch, small, size)
        spent = time.perf_counter_ns() - begun
        answers = [reply and self._jobs.answer(reply) for reply in replies[:asked]]
        if self.servers.restarted(answers):
            # It may have lost deliveries that this process knows as made. All jobs are reclaimed,
            # and go on from their cursors.
            self.open_jobs.close_all()
            self.reclaiming.forget_heartbeats()
            large = []
        large = [chunk for chunk in large if chunk.shard not in self.servers.away]
        taken = self._take([job for answer in answers if answer for job in answer.jobs])
        self._advance(small, delivered)
        finished = self._finish()
        if large:
            begun = time.perf_counter_ns()
            delivered += self._push(large, size)
            spent += time.perf_counter_ns() - begun
            finished += self._finish()
        if self.processed > before:
            self._counters.cost("delivery", self.processed - before, spent)
        self.reclaiming.put_aside()
        return bool(finished or taken or any(delivered))

    def run_until_idle(self, patience: float = 60.0) -> None:
        """Iterates until nothing is left: for tests, loading and commands. Raises `TimeoutError`
        after `patience` seconds."""
        end = time.monotonic() + patience
        while self.run_iteration() or self.open_jobs:
            if time.monotonic() > end:
                raise TimeoutError(f"Deliveries were still going on after {patience} s.")

    def _ask(self, batch: Batch, tokens: int | None) -> int:
        headroom = 0 if tokens == 0 else self._settings.open_jobs - len(self.open_jobs)
        count = max(1, headroom // self._store.shards) if headroom > 0 else 0
        return self._jobs.ask(batch, self._worker, count)

    def _plan(self, size: int, tokens: int | None) -> list[Chunk]:
        deliveries = self._settings.chunk * self._settings.chunks_in_flight
        if tokens is not None:
            deliveries = min(deliveries, tokens)
        return self.open_jobs.plan(deliveries, size, self.servers.away)

    def _push(self, chunks: Sequence[Chunk], size: int) -> list[Delivered | str | None]:
        """Delivers large chunks by transactions, and what these refuse by the server function."""
        pushed = self._transactions.push(chunks)
        self._advance(chunks, pushed)
        refused = [chunk for chunk, answer in zip(chunks, pushed, strict=True) if not answer]
        _, delivered = self._chunk_sender.send(self._store.batch(), refused, size)
        self._advance(refused, delivered)
        return [*pushed, *delivered]

    def _take(self, taken: Sequence[Job | Unreadable]) -> int:
        """Opens new jobs; how many there were."""
        jobs = [job for job in taken if isinstance(job, Job)]
        for job in taken:
            if isinstance(job, Unreadable):
                self.open_jobs.fail(job, job.reason)
        for job, cursors in zip(jobs, self._jobs.first_cursors(jobs), strict=True):
            with self.open_jobs.blaming(job):
                self.open_jobs.open(job, cursors)
        return len(taken)

    def _advance(self, chunks: Sequence[Chunk], answers: Sequence[Delivered | str | None]) -> None:
        delivered = skipped = 0
        for chunk, answer in zip(chunks, answers, strict=True):
            opened = self.open_jobs.get(chunk.job)
            if isinstance(answer, Delivered):
                delivered += answer.delivered
                skipped += answer.skipped
                if opened:
                    opened.advance(chunk.shard, answer)
            elif answer and opened:
                self.open_jobs.fail(chunk.job, answer)
        self.delivered += delivered
        self.processed += delivered + skipped
        self._counters.add("deliveries", delivered)
        self._counters.add("skipped", skipped)

    def _finish(self) -> int:
        """Acknowledges the jobs whose cursors have all arrived; returns on how many shards."""
        done: defaultdict[int, list[tuple[Job, Progress]]] = defaultdict(list)
        for opened in self.open_jobs:
            if not opened.shards and opened.job.shard not in self.servers.away:
                done[opened.job.shard].append((opened.job, opened.progress()))
        batch = self._store.batch()
        for shard, jobs in done.items():
            self._jobs.finish(batch, shard, jobs, self.servers.incarnation(shard))
        replies = batch.run(raise_errors=False, partial=True)
        for jobs, reply in zip(done.values(), replies, strict=True):
            for (job, _), answer in zip(jobs, each_of(reply, len(jobs)), strict=True):
                if answer is not None:
                    self._finished(job, answer)
        return len(replies)

    def _finished(self, job: Job, answer: Any) -> None:
        if not isinstance(answer, list):
            self.open_jobs.fail(job, reason(answer))
            return
        self.open_jobs.close(job)
        first, lag_ms = answer
        if first == 1 and not job.is_release:
            self._counters.add("jobs")
            self._counters.time("lag", job.strategy, lag_ms / 1000)
