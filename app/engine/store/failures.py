"""What it means when the store does not do as it was told: away, full, or refusing."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis.exceptions import ClusterError, OutOfMemoryError, RedisClusterException, TryAgainError

from ..errors import NoAnswer, StoreDown, StoreFull
from .pipelining import BROKEN, Unanswered

Refused = redis.ResponseError
"""The server understood and said no; the layers above do not import the client library."""
PROBE_WAIT_SECONDS = 0.1
"""How long a caller waits for another one to find out whether the store is back."""
_CLUSTER_DOWN = (ClusterError, RedisClusterException)  # a node is away, or nobody serves the slot
_DOWN = (*BROKEN, *_CLUSTER_DOWN, OutOfMemoryError, redis.ReadOnlyError, TryAgainError)
_DOWN_PREFIXES = ("MISCONF", "BUSY ")  # of answers that redis-py has no class for


def is_down(error: Exception) -> bool:
    """Whether the error says that the store cannot serve now, rather than that it refused."""
    return isinstance(error, _DOWN) or str(error).startswith(_DOWN_PREFIXES)


@contextmanager
def store_errors() -> Iterator[None]:
    """Turns whatever says "not now" into `StoreDown`; refusals pass through."""
    try:
        yield
    except (redis.RedisError, RedisClusterException, OSError) as error:
        if not is_down(error):
            raise
        raise _store_down(error) from error


def _store_down(error: Exception) -> StoreDown:
    no_writes = "and takes no writes. Reading still works."
    if isinstance(error, OutOfMemoryError):
        return StoreFull(f"The store is out of memory {no_writes}")
    if str(error).startswith("MISCONF"):
        return StoreFull(f"The store cannot write to its disk {no_writes}")
    if isinstance(error, Unanswered):
        unknown = "A change that was asked for may have been made."
        return NoAnswer(f"Redis did not answer in time. {unknown}")
    return does_not_answer()


def does_not_answer() -> StoreDown:
    """The error for a store that is away."""
    return StoreDown("Redis does not answer.")


class CircuitBreaker:
    """Lets one caller at a time find out whether a store that went away is back, and tells the
    others at once that it is not (docs/decisions/015)."""

    def __init__(self) -> None:
        self._shut = False
        self._probe = threading.Lock()

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Raises `StoreDown` while another caller is finding out."""
        probing = self._shut
        if probing and not self._probe.acquire(timeout=PROBE_WAIT_SECONDS):
            raise does_not_answer()
        shut = False
        try:
            yield
        except StoreDown as error:
            shut = not isinstance(error, StoreFull)
            raise
        finally:
            self._shut = shut
            if probing:
                self._probe.release()
