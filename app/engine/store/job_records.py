"""What is known of a fan-out job: its record, its entry in the stream, how far it is."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from ..ids import shard_of_post
from ..models import Fanout
from .replies import pairs

_FANOUT = TypeAdapter(Fanout)


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """Where a job lies in its shard's stream."""

    shard: int
    entry: str

    @property
    def position(self) -> tuple[int, str]:
        """Names the entry among those of all shards."""
        return self.shard, self.entry


@dataclass(frozen=True, slots=True)
class Job(StreamEntry):
    """A job's record: the posts from `since` to `last` are to be delivered. `counts` are the
    followers on each shard at acceptance."""

    id: int
    author_id: int
    since: int
    last: int
    strategy: str
    counts: tuple[int, ...]

    @property
    def is_release(self) -> bool:
        """Whether it delivers deferred posts rather than a new one."""
        return self.strategy in ("release", "drop")


@dataclass(frozen=True, slots=True)
class Unreadable(StreamEntry):
    """A job whose record cannot be read, and why."""

    id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Pending(StreamEntry):
    """A job that a worker has taken and not finished; `reclaims` are those since its last
    progress."""

    worker: str
    heartbeats: int
    reclaims: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answers to a worker that asks for new jobs. In another `incarnation` its last
    writes may be undone. `pages_read` counts the pages of feeds that it gave in this one."""

    incarnation: str
    pages_read: int
    jobs: list[Job | Unreadable]


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a job is on a shard, in followers, not deliveries."""

    remaining: int
    delivered: int = 0
    skipped: int = 0


class Progress(NamedTuple):
    """How far a job of so many posts is on all shards, in deliveries."""

    delivered: int
    skipped: int
    posts: int = 1


def read_fanout(post_id: int, record: Any) -> Fanout | None:
    """The fan-out that a job record describes; None when there is no record."""
    fields = read_fields(record)
    if "status" not in fields:
        return None
    return _FANOUT.validate_python({**fields, "post_id": post_id})


def read_job(record: Any, shards: int) -> Job | Unreadable:
    """The job that a record describes, with a count of followers for each of so many shards. All of
    the record must be right: what is found wrong later, in the middle of the deliveries or at their
    end, is harder to make good."""
    fields = read_fields(record)
    job, entry = int(fields["job"]), fields["entry"]
    shard, counts = shard_of_post(job), fields.get("counts", "").split(",")
    numbers = ("author", "since", "last", "recipients", "accepted")
    wrong = [name for name in numbers if not fields.get(name, "").isdecimal()]
    if len(counts) != shards or not all(map(str.isdecimal, counts)):
        wrong.append("counts")
    if "strategy" not in fields:
        wrong.append("strategy")
    if wrong:
        reason = f"Its record cannot be read; missing or damaged: {', '.join(wrong)}."
        return Unreadable(shard, entry, job, reason)
    author, since, last = (int(fields[name]) for name in ("author", "since", "last"))
    return Job(shard, entry, job, author, since, last, fields["strategy"], tuple(map(int, counts)))


def read_fields(record: Any) -> dict[str, str]:
    """The fields of a record by name."""
    return {key.decode(): value.decode(errors="replace") for key, value in pairs(record)}
