"""What workers are told while they run: their rate limit, and that there is something to do."""

from dataclasses import dataclass

from redis.client import PubSub

from ..errors import BadRequest
from .client import Store
from .failures import store_errors
from .replies import pairs

RATE_SET = b"rate"
"""The wake-up notification that the rate limit was set; others name a shard with a new job."""
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
        rate, limit = deliveries_per_second, MAX_DELIVERIES_PER_SECOND
        if rate is not None and not 1 <= rate <= limit:
            raise BadRequest(f"deliveries_per_second must lie between 1 and {limit}.")
        values = ("paused", int(paused), "deliveries_per_second", rate or 0)
        self._store.call("note", self._key, *values)
        self._store.command("PUBLISH", self._store.keys.wake_up_channel, RATE_SET)

    def rate_limit(self) -> RateLimit:
        """What the workers are told now."""
        fields = dict(pairs(self._store.command("HGETALL", self._key)))
        rate = int(fields.get(b"deliveries_per_second", 0)) or None
        return RateLimit(fields.get(b"paused") == b"1", rate)


class WakeUps:
    """One process's subscription to the wake-up notifications."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._subscription: PubSub | None = None

    def wait(self, seconds: float) -> bool:
        """Returns with the next notification, or after so many seconds: whether the rate limit was
        set. Raises `StoreDown`."""
        with store_errors():
            if self._subscription is None:
                self._subscription = self._store.redis.pubsub()
                self._subscription.subscribe(self._store.keys.wake_up_channel)
            message = self._subscription.get_message(
                ignore_subscribe_messages=True, timeout=seconds
            )
        return message is not None and message["data"] == RATE_SET

    def close(self) -> None:
        """Ends the subscription; the next `wait` begins a new one."""
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None
