"""What is known of a fan-out job: its account, its place in the stream, how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from ..ids import shard_of_post
from ..models import Fanout, FanoutStatus, PullReason
from .replies import pairs


@dataclass(frozen=True, slots=True)
class Job:
    """What an account says. `counts` are the followers on each shard at acceptance."""

    entry: str
    id: int
    shard: int
    author_id: int
    since: int
    last: int
    strategy: str
    counts: tuple[int, ...]

    @property
    def is_release(self) -> bool:
        """Whether it delivers held posts rather than a new one."""
        return self.strategy in ("release", "drop")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A job whose account cannot be read, and why."""

    entry: str
    id: int
    shard: int
    reason: str


@dataclass(frozen=True, slots=True)
class Pending:
    """A job that some worker has taken and not finished. `claims`: how often it was claimed
    since it last got on."""

    shard: int
    entry: str
    worker: str
    heartbeat: int
    reclaims: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A job that was put aside. `id` is its shard and its place there; `post_id` is the newest post
    that the job was to deliver."""

    id: str
    post_id: int
    author_id: int
    strategy: str
    recipients: int
    delivered: int
    tries: int
    reason: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server tells a worker at the start of a turn.

    Another `life` than before: the server came back from a crash, and its last writes may be
    undone. `pages_read` counts the pages of feeds that it was asked for in this life.
    """

    incarnation: str
    pages_read: int
    jobs: list[Job | Unreadable]


@dataclass(slots=True)
class Cursor:
    """The state of one shard's walk, as the last call left it. Followers, not deliveries."""

    remaining: int
    delivered: int = 0
    skipped: int = 0


@dataclass(slots=True)
class Progress:
    """The sums over a job's walks, in deliveries."""

    processed: int = 0
    delivered: int = 0
    skipped: int = 0
    posts: int = 1


def read_dead_letter(shard: int, entry: str, record: Any) -> DeadLetter:
    """From the reply with its account. What cannot be read is 0 or empty: it may be why the job
    was put aside."""
    named = _named(record)

    def number(name: str) -> int:
        try:
            return int(named.get(name, 0))
        except ValueError:
            return 0

    return DeadLetter(
        f"{shard}-{entry.split('-')[0]}",
        number("last") or number("job"),
        number("author"),
        named.get("strategy", ""),
        number("recipients"),
        number("delivered"),
        number("fails"),
        named.get("reason", ""),
    )


def read_fanout(post_id: int, record: Any) -> Fanout | None:
    """From a job record's reply; None when there is no record."""
    named = _named(record)
    if "status" not in named:
        return None
    return Fanout(
        post_id,
        cast("FanoutStatus", named["status"]),
        int(named["recipients"]),
        int(named.get("delivered", 0)),
        int(named.get("skipped", 0)),
        float(named["lag_ms"]) if "lag_ms" in named else None,
        cast("PullReason | None", named.get("pull_reason")),
    )


_NUMBERS = ("author", "since", "last", "recipients", "accepted")


def read_job(record: Any) -> Job | Unreadable:
    """From an account's reply, all of which must be right: what is wrong later, in the middle of
    the deliveries or at their end, is harder to make good."""
    named = _named(record)
    entry, job = named["entry"], int(named["job"])
    counts = named.get("counts", "").split(",")
    wrong = [name for name in _NUMBERS if not named.get(name, "").isdecimal()]
    if not all(count.isdecimal() for count in counts):
        wrong.append("counts")
    if "strategy" not in named:
        wrong.append("strategy")
    if wrong:
        reason = f"Its record cannot be read; missing or damaged: {', '.join(wrong)}."
        return Unreadable(entry, job, shard_of_post(job), reason)
    return Job(
        entry=entry,
        id=job,
        shard=shard_of_post(job),
        author_id=int(named["author"]),
        since=int(named["since"]),
        last=int(named["last"]),
        strategy=named["strategy"],
        counts=tuple(map(int, counts)),
    )


def _named(record: Any) -> dict[str, str]:
    return {key.decode(): value.decode(errors="replace") for key, value in pairs(record)}
