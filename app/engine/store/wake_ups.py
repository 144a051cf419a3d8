"""Sleeping until somebody says that there is something to do."""

from redis.client import PubSub

from .client import Store
from .failures import store_errors


class WakeUps:
    """One process's subscription to the wake-up notifications."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._subscription: PubSub | None = None

    def wait(self, seconds: float) -> None:
        """Returns with the next notification, or after so many seconds. Raises `StoreDown`."""
        with store_errors():
            if self._subscription is None:
                self._subscription = self._store.redis.pubsub()
                self._subscription.subscribe(self._store.keys.wake_up_channel)
            self._subscription.get_message(ignore_subscribe_messages=True, timeout=seconds)

    def close(self) -> None:
        """Ends the subscription; the next `wait` begins a new one."""
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None
