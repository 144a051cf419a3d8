"""The control that an operator has over all workers: their rate limit."""

from dataclasses import dataclass

from ..errors import BadRequest
from .client import Store
from .replies import pairs

MAX_DELIVERIES_PER_SECOND = 100_000_000
"""Largest rate limit that can be set: beyond what any store can do."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What the workers are told: pause, or a bound on deliveries per second over all of them."""

    paused: bool = False
    deliveries_per_second: int | None = None


class Control:
    """Pauses all workers, or limits their rate."""

    def __init__(self, store: Store) -> None:
        self._store, self._key = store, store.keys.control

    def set(self, paused: bool = False, deliveries_per_second: int | None = None) -> None:
        """Tells all workers; each obeys within a second. Raises `BadRequest`."""
        limit = MAX_DELIVERIES_PER_SECOND
        if deliveries_per_second is not None and not 1 <= deliveries_per_second <= limit:
            raise BadRequest(f"deliveries_per_second must lie between 1 and {limit}.")
        values = ("paused", int(paused), "deliveries_per_second", deliveries_per_second or 0)
        self._store.call("note", self._key, *values)
        self._store.command("PUBLISH", self._store.keys.wake_up_channel, "rate")

    def rate_limit(self) -> RateLimit:
        """What the workers are told now."""
        fields = dict(pairs(self._store.command("HGETALL", self._key)))
        rate = int(fields.get(b"deliveries_per_second", 0)) or None
        return RateLimit(fields.get(b"paused") == b"1", rate)
