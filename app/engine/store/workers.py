"""The registry of live workers, kept by their heartbeats."""

import math
import time
from dataclasses import dataclass

import orjson

from .client import Store
from .replies import pairs

WORKER_TIMEOUT_SECONDS = 3.0
"""A worker without a heartbeat for so long is not counted as live."""
FORGET_SECONDS = 20 * WORKER_TIMEOUT_SECONDS
"""Then it is removed from the registry."""
RECENT_LOOK_SECONDS = 5 * WORKER_TIMEOUT_SECONDS
"""A process that looked at the heartbeats so recently can tell by their change who is live."""


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A live worker's last heartbeat."""

    name: str
    jobs_open: int
    delivered: int


class WorkerRegistry:
    """The workers of all processes. A worker is live as long as its heartbeat changes."""

    def __init__(self, store: Store) -> None:
        self._store, self._key = store, store.keys.workers
        self._seen: dict[str, tuple[float, float]] = {}  # name -> (heartbeat, when it changed)
        self._last_look = -math.inf

    def heartbeat(self, state: WorkerState) -> None:
        """Tells that the worker is live, and what it does."""
        value = {"jobs_open": state.jobs_open, "delivered": state.delivered, "at": time.time()}
        self._store.call("note", self._key, state.name, orjson.dumps(value))

    def leave(self, name: str) -> None:
        """Removes a worker that ends."""
        self._store.command("HDEL", self._key, name)

    def live(self) -> list[WorkerState]:
        """The live workers, by name. Removes those whose heartbeat is long overdue.

        They are judged by this process's monotonic clock, whatever a wall clock does; by the
        heartbeat's own time only where this process has not looked for a while.
        """
        live, gone = [], []
        now, wall = time.monotonic(), time.time()
        looked = now - self._last_look <= RECENT_LOOK_SECONDS
        seen: dict[str, tuple[float, float]] = {}
        for key, value in pairs(self._store.command("HGETALL", self._key)):
            fields = orjson.loads(value)
            name, at = key.decode(), fields["at"]
            last_at, since = self._seen.get(name, (None, now - WORKER_TIMEOUT_SECONDS))
            recent = abs(wall - at) < WORKER_TIMEOUT_SECONDS
            if at != last_at and (recent or (looked and last_at is not None)):
                since = now
            seen[name] = (at, since)
            if now - since < WORKER_TIMEOUT_SECONDS:
                live.append(WorkerState(name, fields["jobs_open"], fields["delivered"]))
            elif now - since > FORGET_SECONDS:
                gone.append(name)
        self._seen, self._last_look = seen, now
        if gone:
            self._store.command("HDEL", self._key, *gone)
        return sorted(live, key=lambda worker: worker.name)
