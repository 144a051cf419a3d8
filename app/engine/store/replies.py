"""Reading what the server answers."""

from typing import cast


def pairs(reply: object) -> list[tuple[bytes, bytes]]:
    """An HGETALL answer as pairs, whichever protocol version or client it came through."""
    if isinstance(reply, dict):
        return list(reply.items())
    flat = cast("list[bytes]", reply)
    return list(zip(flat[::2], flat[1::2], strict=True))


def reason(reply: object) -> str:
    """What a function's call for one of many jobs says instead of an answer: why it failed."""
    return reply.decode(errors="replace") if isinstance(reply, bytes) else str(reply)
