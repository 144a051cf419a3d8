"""A server's connections, lent without redis-py's work for every loan."""

import time
from typing import Any

import redis

FRESH_SECONDS = 0.05
"""A connection used so lately is lent again unseen. If the server has closed it since, what the
connection is wanted for fails, as it would have a moment earlier."""


class Pool(redis.ConnectionPool):
    """redis-py's pool, with the connections used last kept at hand. Safe to share between threads.

    redis-py takes locks, counts each loan for its telemetry and looks whether the server has closed
    the connection: together a tenth of a page of posts. A connection that was idle for longer than
    FRESH_SECONDS goes through all that again.
    """

    def reset(self) -> None:
        """Forgets all connections: at the start, and in a process that was forked."""
        self._at_hand: list[tuple[Any, float]] = []  # and when each was last used
        super().reset()

    def get_connection(self, *args: Any, **options: Any) -> Any:
        """A connection for the caller alone."""
        try:
            connection, used = self._at_hand.pop()
        except IndexError:
            return super().get_connection(*args, **options)
        if connection.is_connected and time.monotonic() < used + FRESH_SECONDS:
            return connection
        super().release(connection)
        return super().get_connection(*args, **options)

    def release(self, connection: Any) -> None:
        """Takes it back."""
        self._at_hand.append((connection, time.monotonic()))
