"""The worker's loop: deliver while there is anything, sleep until a wake-up notification."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence

from ..errors import StoreDown
from ..store.control import RateLimit, WakeUps
from ..store.data import Data
from ..store.workers import WorkerState
from .deliverer import Deliverer
from .token_budget import TokenBudget

CONTROLS_SECONDS = 0.2
"""Between two looks at the controls, and two heartbeats; the page promises less than a second."""
REFUSED_SECONDS = 1.0
"""Pause after an unexpected error."""
IDLE_SECONDS = 0.2
"""Longest sleep. A notification wakes earlier; this bounds the wait when one was lost."""
LIMITED_SECONDS = 0.02
"""Sleep under a rate limit, until new tokens allow the next deliveries."""

log = logging.getLogger("fanout.worker")


class Worker:
    """One worker process. `run` returns after `stop`, with the chunk under way finished."""

    def __init__(
        self,
        data: Data,
        deliverer: Callable[[str], Deliverer],
        chores: Sequence[Callable[[], object]],
        name: str | None,
        clock: Callable[[], float],
        first: "Callable[[Worker], object]",
    ) -> None:
        """See `Engine.worker`. `chores` are done between the deliveries."""
        self.name = name or f"{socket.gethostname()}-{os.getpid()}"
        self._data = data
        self._deliverer = deliverer(self.name)
        self._chores = (self._deliverer.reclaiming.run, *chores)
        self._first = first
        self._stopping = threading.Event()
        self._clock = clock
        self._rate_limit = RateLimit()
        self._next_look = 0.0
        self._budget = TokenBudget(clock)
        self._wake_up = WakeUps(data.store)

    def stop(self, *_: object) -> None:
        """Asks the loop to end; fit as a signal handler."""
        self._stopping.set()

    @property
    def is_stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    def handle_signals(self) -> None:
        """Makes SIGTERM and SIGINT stop the loop. What is open is left to other workers."""
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)

    def run(self) -> None:
        """Works until `stop`. While the store does not answer it waits and tries again."""
        log.info("worker %s started", self.name)
        waiting = False
        while not self._stopping.is_set():
            try:
                worked = self.step()
                if waiting:
                    log.info("the store answers again")
                    waiting = False
                if not worked:
                    self._sleep()
            except StoreDown as error:
                if not waiting:
                    log.warning("%s", error.detail)
                    waiting = True
                self._wake_up.close()
                self._deliverer.reclaiming.forget_heartbeats()
                self._stopping.wait(CONTROLS_SECONDS)
            except Exception:  # nothing unexpected may take the open jobs with it
                log.exception("something unexpected went wrong; going on")
                self._stopping.wait(REFUSED_SECONDS)
        self._leave()
        log.info("worker %s stopped", self.name)

    def step(self) -> bool:
        """One round of the loop. Returns whether there was anything to do."""
        self._unless_away(self.look_at_controls)
        if self._unless_away(lambda: self._first(self)):
            return True
        before = self._deliverer.processed
        try:
            worked = self._deliverer.run_iteration(self._budget.available())
        finally:
            self._budget.spend(self._deliverer.processed - before)
        if not self._rate_limit.paused:
            for chore in self._chores:
                worked = self._unless_away(chore) or worked
        self._unless_away(self._data.counters.flush)
        return worked

    def _unless_away(self, do: Callable[[], object]) -> bool:
        """Whether there was anything to do. A node of a Cluster that is away keeps nobody from
        delivering to the others."""
        try:
            return bool(do())
        except StoreDown:
            if self._data.store.is_cluster:
                return False
            raise

    def look_at_controls(self) -> None:
        """Sends the heartbeat and obeys the controls, when it is time to. Long work calls it now
        and then."""
        if self._clock() < self._next_look:
            return
        self._next_look = self._clock() + CONTROLS_SECONDS
        jobs_open, delivered = len(self._deliverer.open_jobs), self._deliverer.delivered
        self._data.workers.heartbeat(WorkerState(self.name, jobs_open, delivered))
        self._rate_limit = self._data.control.rate_limit()
        rate = 0 if self._rate_limit.paused else self._rate_limit.deliveries_per_second
        self._budget.limit(rate, self._sharers() if rate else 1)

    def _sharers(self) -> int:
        """Workers with open jobs share the limit evenly. An idle one counts all: whoever gets a job
        next must not have saved up for all."""
        live = self._data.workers.live()
        counted = {one.name for one in live if one.jobs_open or not self._deliverer.open_jobs}
        return len(counted | {self.name})

    def _sleep(self) -> None:
        if self._rate_limit.deliveries_per_second is not None:
            self._stopping.wait(LIMITED_SECONDS)
            return
        try:
            if self._wake_up.wait(IDLE_SECONDS):
                self._next_look = 0.0
        except StoreDown:  # the next iteration finds out whether that goes for all
            self._wake_up.close()
            self._stopping.wait(IDLE_SECONDS)

    def _leave(self) -> None:
        self._wake_up.close()
        try:
            self._data.counters.flush(force=True)
            self._data.workers.leave(self.name)
        except StoreDown:
            log.info("the store is gone already; the heartbeat will expire by itself")
