"""What can go wrong, each with the HTTP status, the title and a slug that problem+json uses.

A detail says what to do next, in words for the person who made the request.
"""

from __future__ import annotations


class FanoutError(Exception):
    """Base of all errors that a caller may see."""

    status = 500
    title = "Something went wrong"
    slug = "internal"
    retry_after: int | None = None

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class BadRequest(FanoutError):
    """A field is missing, unknown, of the wrong kind or out of range."""

    status, title, slug = 422, "The request has invalid fields", "invalid-fields"


class BadText(FanoutError):
    """Empty, too long, or with characters that no text may contain."""

    status, title, slug = 422, "The text cannot be posted", "bad-text"


class BadCursor(FanoutError):
    """Malformed, or another user's."""

    status, title, slug = 400, "The cursor is not valid", "bad-cursor"


class UnknownUser(FanoutError):
    """Nobody has this id."""

    status, title, slug = 404, "There is no such user", "unknown-user"


class UnknownPost(FanoutError):
    """Never written, or deleted."""

    status, title, slug = 404, "There is no such post", "unknown-post"


class UnknownDeadLetter(FanoutError):
    """Unknown, requeued, or discarded."""

    status, title, slug = 404, "There is no such dead letter", "unknown-dead-letter"


class SelfFollow(FanoutError):
    """Follower and author are the same user."""

    status, title, slug = 409, "Nobody follows themselves", "self-follow"


class Busy(FanoutError):
    """A dataset is being loaded."""

    status, title, slug = 409, "Something else is under way", "busy"


class KeyReused(FanoutError):
    """Same key, another text or strategy."""

    status, title, slug = 422, "The Idempotency-Key was used for another post", "key-reused"


class Overloaded(FanoutError):
    """The backlog is at its limit; nothing was accepted."""

    status, title, slug = 503, "The backlog is full", "overloaded"
    retry_after = 2


class StoreDown(FanoutError):
    """The store does not answer, is loading, or is out of memory."""

    status, title, slug = 503, "The store does not answer", "store-down"
    retry_after = 1


class NoAnswer(StoreDown):
    """The store was asked and did not answer in time; what it was asked may have happened."""

    title, slug = "The store did not answer in time", "store-silent"


class StoreFull(StoreDown):
    """The store answers but takes no writes now: it is out of memory, or its disk is full."""

    status, title, slug = 503, "The store takes no writes", "store-full"
    retry_after = 5


class WrongShards(StoreDown):
    """The data in the store was spread over another number of shards."""

    title, slug = "The store does not fit the settings", "wrong-shards"
