"""The experiment's controls."""

from __future__ import annotations

from ..errors import BadRequest
from ..store.control import Control, RateLimit, WorkerState

FASTEST = 100_000_000
"""Largest bound that can be set, in deliveries a second: beyond what any store can do."""


class Controls:
    """Pause, resume, slow down; who is at work."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def set(self, paused: bool = False, deliveries_per_second: int | None = None) -> None:
        """Tells all workers; each obeys within a second. Raises `BadRequest`."""
        if deliveries_per_second is not None and not 1 <= deliveries_per_second <= FASTEST:
            raise BadRequest(f"deliveries_per_second must lie between 1 and {FASTEST}.")
        self._control.set_rate_limit(RateLimit(paused, deliveries_per_second))

    def rate_limit(self) -> RateLimit:
        """What the workers are told now."""
        return self._control.rate_limit()

    def workers(self) -> list[WorkerState]:
        """The live workers."""
        return self._control.workers()
