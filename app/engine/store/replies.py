"""Reading what the server answers."""

from typing import Any, cast


def pairs(reply: object) -> list[tuple[bytes, bytes]]:
    """An HGETALL answer as pairs, whichever protocol version or client it came through."""
    if isinstance(reply, dict):
        return list(reply.items())
    flat = cast("list[bytes]", reply)
    return list(zip(flat[::2], flat[1::2], strict=True))


def each_of(reply: Any, count: int) -> list[Any]:
    """The answers of a call that speaks for so many jobs: the refusal for each when all of it was
    refused, None for each when its node is away."""
    if isinstance(reply, Exception):
        return [str(reply)] * count
    return [None] * count if reply is None else list(reply)


def reason(reply: object) -> str:
    """What a function's call for one of many jobs says instead of an answer: why it failed."""
    return reply.decode(errors="replace") if isinstance(reply, bytes) else str(reply)
