"""A server's connections, lent without redis-py's work for every loan."""

import time
from typing import Any

FRESH_SECONDS = 0.05
"""A connection used so lately is lent again unseen. If the server has closed it since, what the
connection is wanted for fails, as it would have a moment earlier."""


class Pool:
    """redis-py's pool, with its connections kept at hand. Safe to share between threads.

    redis-py takes locks, counts each loan for its telemetry and looks whether the server has closed
    the connection: together a tenth of a page of posts. A connection that was idle for longer than
    FRESH_SECONDS goes through all that again.
    """

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._at_hand: list[tuple[Any, float]] = []  # and when each was last used

    def get_connection(self) -> Any:
        """A connection for the caller alone, as redis-py's pool gives it. Raises what that does."""
        try:
            connection, used = self._at_hand.pop()
        except IndexError:
            return self._pool.get_connection()
        if connection.is_connected and time.monotonic() < used + FRESH_SECONDS:
            return connection
        self._pool.release(connection)
        return self._pool.get_connection()

    def release(self, connection: Any) -> None:
        """Takes it back."""
        self._at_hand.append((connection, time.monotonic()))
