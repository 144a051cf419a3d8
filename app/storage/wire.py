"""Commands on one server's connections without redis-py's work for every command.

A pipeline of redis-py spends more time on each command than the server does on most of ours. Here
commands are packed by hiredis in one go and the answers read one after the other; connecting,
pooling, time-outs and parsing stay redis-py's. Commands can be sent before the answers to earlier
ones were read: that is what keeps a server busy. Weakness: one server only. On a Cluster the
client has to follow moved slots, so `Batch` uses redis-py's own pipeline there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis


class Sent:
    """Commands under way. Call `replies` exactly once: it gives the connection back."""

    def __init__(self, client: Any, commands: Sequence[tuple[Any, ...]]) -> None:
        self._callbacks = client.response_callbacks
        self._names = [str(command[0]) for command in commands]
        self._pool = client.connection_pool
        self._connection = self._pool.get_connection()
        try:
            self._connection.send_packed_command(self._connection.pack_commands(commands))
        except BaseException:
            self._give_back(broken=True)
            raise

    def replies(self) -> list[Any]:
        """The answers in order; refusals stand in the list as exceptions."""
        broken = True
        try:
            found = [self._one(name) for name in self._names]
            broken = False
        finally:
            self._give_back(broken=broken)
        return found

    def _one(self, name: str) -> Any:
        try:
            reply = self._connection.read_response()
        except redis.ResponseError as refusal:
            return refusal
        callback = self._callbacks.get(name)
        return callback(reply) if callback else reply

    def _give_back(self, *, broken: bool) -> None:
        # With answers still to come the connection is of no use to anybody else.
        if broken:
            self._connection.disconnect()
        self._pool.release(self._connection)
