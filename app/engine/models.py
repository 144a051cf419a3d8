"""What the engine takes and answers: plain values, of which the API's answers are made."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from .errors import BadRequest

Strategy = Literal["write", "read", "hybrid"]
STRATEGIES: tuple[Strategy, ...] = ("write", "read", "hybrid")


def checked_strategy(name: str) -> Strategy:
    """The strategy of this name. Raises `BadRequest`."""
    for strategy in STRATEGIES:
        if name == strategy:
            return strategy
    raise BadRequest(f"{name!r} is no strategy. Use one of: {', '.join(STRATEGIES)}.")


FanoutStatus = Literal["queued", "running", "done", "pull", "dead"]

PullReason = Literal["read", "costs", "threshold", "deferred"]
"""Why a post is read by pull: its author chose it, hybrid did by measured costs or by the fixed
threshold of followers, or backpressure deferred the push."""


@dataclass(slots=True)
class Post:
    """A message by an author; its id orders it. `created_at` is ISO 8601 in UTC. Not frozen: making
    a page of frozen ones takes twice the time."""

    id: int
    author_id: int
    text: str
    created_at: str
    strategy: Strategy


@dataclass(frozen=True, slots=True)
class Fanout:
    """How far the deliveries of one post have come.

    `recipients` are the followers at acceptance; `skipped` of them have no timeline (dormant).
    `lag_ms` is the time from acceptance to the last delivery, None until then. `pull_reason` is
    None for a post that was pushed, and stays after a deferred one was delivered; pages tell it,
    the API does not.
    """

    post_id: int
    status: FanoutStatus
    recipients: int
    delivered: int = 0
    skipped: int = 0
    lag_ms: float | None = None
    pull_reason: Annotated[PullReason | None, Field(exclude=True)] = None


class Timing(TypedDict):
    """Milliseconds that this process took for a page, with its waits for the store."""

    total: float


@dataclass(frozen=True, slots=True)
class Feed:
    """One page of a reader's feed and what it cost.

    `source` is where it came from: `timeline` (push), `merge` (pull) or `rebuild` (pull, after
    which the timeline was installed, if the store took it). `commands` and `round_trips` count
    what was sent to the store.
    """

    items: list[Post]
    next_cursor: str | None
    strategy: Strategy
    source: Literal["timeline", "merge", "rebuild"]
    timing_ms: Timing
    commands: int
    round_trips: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same page under every strategy."""

    strategies: dict[Strategy, Feed]
    identical: bool
