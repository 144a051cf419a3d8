"""Commands on one server's connections without redis-py's work for every command.

A pipeline of redis-py spends more time on each command than the server does on most of ours. Here
commands are packed by hiredis in one go and the answers read one after the other; connecting,
pooling, time-outs and parsing stay redis-py's. Weakness: one server only. On a Cluster the client
has to follow moved slots, so `Batch` uses redis-py's own pipeline there.

Heavy commands are sent in parts: the next part leaves when half of what is under way has been
answered. So the server is never idle, and other clients never wait for more than `limit` of work.
A server runs all that it has received from one client before it turns to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis

Command = tuple[Any, ...]


def exchange(
    client: Any, commands: Sequence[Command], weights: Sequence[int] = (), limit: int = 0
) -> list[Any]:
    """Sends the commands; the answers in order, refusals among them as exceptions.

    `weights` says how much work each command is (none: no work worth counting). No more than
    `limit` is under way at once, but for a single command that is heavier.
    """
    pool = client.connection_pool
    connection = pool.get_connection()
    try:
        return _exchange(
            connection,
            client.response_callbacks,
            commands,
            weights or [0] * len(commands),
            limit,
        )
    except BaseException:
        # With answers still to come the connection is of no use to anybody else.
        connection.disconnect()
        raise
    finally:
        pool.release(connection)


def _exchange(
    connection: Any,
    callbacks: Any,
    commands: Sequence[Command],
    weights: Sequence[int],
    limit: int,
) -> list[Any]:
    replies: list[Any] = []
    sent = under_way = 0
    for command in commands:
        if sent < len(commands) and under_way <= limit // 2:
            first = sent
            while sent < len(commands) and (under_way + weights[sent] <= limit or not under_way):
                under_way += weights[sent]
                sent += 1
            if sent > first:
                connection.send_packed_command(connection.pack_commands(commands[first:sent]))
        under_way -= weights[len(replies)]
        replies.append(_reply(connection, callbacks.get(command[0])))
    return replies


def _reply(connection: Any, callback: Any) -> Any:
    try:
        reply = connection.read_response()
    except redis.ResponseError as refusal:
        return refusal
    return callback(reply) if callback else reply
