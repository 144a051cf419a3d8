"""What can go wrong, in the domain's words. What to do next is said by whoever shows an error."""


class FanoutError(Exception):
    """Base of all errors that a caller may see; `detail` is a sentence for people."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class BadRequest(FanoutError):
    """A value is missing, unknown, of the wrong kind or out of range."""


class BadText(FanoutError):
    """The text is empty, too long, or has characters that no text may contain."""


class BadCursor(FanoutError):
    """The page cursor is malformed, or another user's."""


class UnknownUser(FanoutError):
    """Nobody has this id."""

    def __init__(self, user_id: int) -> None:
        super().__init__(f"There is no user {user_id}.")


class UnknownPost(FanoutError):
    """The post was never written, or was deleted."""


class UnknownDeadLetter(FanoutError):
    """The dead letter never was, or was requeued or discarded."""


class SelfFollow(FanoutError):
    """Follower and author are the same user."""


class KeyReused(FanoutError):
    """The idempotency key was sent with another text or strategy."""


class Overloaded(FanoutError):
    """The backlog is at its limit; nothing was accepted."""


class StoreDown(FanoutError):
    """The store does not answer, is loading, or is out of memory."""


class NoAnswer(StoreDown):
    """The store was asked and did not answer in time; what it was asked may have happened."""


class StoreFull(StoreDown):
    """The store answers but takes no writes now: it is out of memory, or its disk is full."""


class WrongShards(StoreDown):
    """The data in the store was spread over another number of shards."""

    def __init__(self, found: int, wanted: int) -> None:
        super().__init__(
            f"The data in the store is spread over {found} shards; the settings say {wanted}."
        )
