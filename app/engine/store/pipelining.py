"""Commands on a server's connections without redis-py's work for every command.

A pipeline of redis-py spends more time on a command than the server does on most of ours. Here
hiredis packs all in one go; connecting, time-outs and parsing stay redis-py's. Nothing is ever sent
twice.

A server runs all that it has received from one client before it turns to the next. So heavy
commands are sent in parts: the next part leaves when half of what is under way has been answered.
The server is never idle, and other clients never wait for more than `limit` of work.
"""

from collections.abc import Generator, Sequence
from typing import Any

import redis

from .wire import pack

Command = tuple[Any, ...]
Commands = Sequence[Command]

BROKEN = (redis.ConnectionError, redis.TimeoutError, OSError)
"""A server could not be reached, or stopped answering."""
_REFUSED = (redis.BusyLoadingError, redis.AuthenticationError)
"""Of these, what is an answer all the same: nothing was done."""


class Unanswered(redis.ConnectionError):
    """A command was sent and its answer never came: it may have been carried out."""


class Server:
    """One server that holds all keys."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client

    def exchange(self, commands: Commands, weights: Sequence[int], limit: int) -> list[Any]:
        """Sends the commands; what became of each, in order: see `steps`."""
        replies: list[Any] = []
        for _ in steps(self.client, commands, weights, limit, replies):
            pass
        return replies

    def each(self, command: Command) -> list[Any]:
        """What this server answers to the command, as `exchange` has it."""
        return self.exchange([command], [0], 0)


def steps(
    client: Any, commands: Commands, weights: Sequence[int], limit: int, replies: list[Any]
) -> Generator[None, None, None]:
    """Sends the commands over one connection and appends to `replies` what became of each: its
    answer, its refusal as an exception, `Unanswered`, or why it could not be sent. Yields after
    each part that it sent, so that the caller can send something to another server before this
    one's answers are read.

    `weights` says how much work each command is; only a single heavier one passes the `limit`.
    """
    pool, connection, callbacks = client.connection_pool, None, client.response_callbacks
    sent = under_way = 0
    try:
        connection = pool.get_connection()
        for command in commands:
            if sent < len(commands) and under_way <= limit // 2:
                first = sent
                while sent < len(commands) and (
                    under_way + weights[sent] <= limit or not under_way
                ):
                    under_way += weights[sent]
                    sent += 1
                if sent > first:
                    connection.send_packed_command([pack(*commands[first:sent])])
                    yield
            under_way -= weights[len(replies)]
            replies.append(_reply(connection, callbacks.get(command[0])))
    except BaseException as error:
        if connection is not None:
            # With answers still to come the connection is of no use to anybody else.
            connection.disconnect()
        if not isinstance(error, BROKEN):
            raise
        lost = error if isinstance(error, _REFUSED) else Unanswered(str(error))
        replies += [lost] * (sent - len(replies)) + [error] * (len(commands) - sent)
    finally:
        if connection is not None:
            pool.release(connection)


def _reply(connection: Any, callback: Any) -> Any:
    try:
        reply = connection.read_response()
    except redis.ResponseError as refusal:
        return refusal
    return callback(reply) if callback else reply
