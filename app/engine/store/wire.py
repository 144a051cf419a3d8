"""A connection's socket, without redis-py's 3 us for each command and each answer."""

from typing import Any

import hiredis
import redis

READ_BYTES = 1 << 16
"""Size of the buffer for answers: those to a transaction of some thousand commands."""

_pack: Any = hiredis.pack_command  # its types know commands of one word only


def pack(*commands: tuple[Any, ...]) -> bytes:
    """The commands' bytes."""
    return b"".join(map(_pack, commands))


class Wire:
    """Sends to and reads from a redis-py connection, which has been made ready by redis-py.

    The socket stays the same. A connection that lost its own would open another one unnoticed.
    """

    def __init__(self, connection: Any, buffer: Any) -> None:
        """`buffer` holds nothing between two calls: several wires may share one."""
        self._socket = connection._sock
        self._buffer = buffer
        self._reader = hiredis.Reader(
            protocolError=redis.ConnectionError,
            replyError=redis.ResponseError,
            notEnoughData=Ellipsis,
        )
        self._answers: list[Any] = []

    def send(self, data: bytes) -> None:
        """Sends packed commands."""
        self._socket.sendall(data)

    def answers(self, count: int) -> list[Any]:
        """The next answers, refusals among them as exceptions. Raises what the socket does."""
        while len(self._answers) < count:
            size = self._socket.recv_into(self._buffer)
            if not size:
                raise redis.ConnectionError("The server closed the connection.")
            self._reader.feed(self._buffer, 0, size)
            self._answers.extend(iter(self._reader.gets, Ellipsis))
        answers, self._answers = self._answers[:count], self._answers[count:]
        return answers
