"""Pushes posts in fenced transactions: a server runs plain commands faster than a script's.

A chunk takes two writes. The first puts up a fence around three keys of the shard, and reads:

    WATCH cursor watermark followers    HMGET cursor    GET watermark    LRANGE followers    MULTI

The second pushes, and reads for the next chunk:

    LPUSHX timeline id, for each follower    HSET cursor    SET watermark    EXEC    WATCH ...

Another worker's progress, a newer post, a follow or an unfollow in between makes EXEC answer nil:
nothing has happened. So a worker that wakes after any time does no harm. When a connection breaks,
EXEC was run or was not, and the cursor tells which. Only a post's own job is pushed so, and only
while its id is not below the watermark. All else is left to `lua/80_deliver.lua`, which reads the
cursor itself: what the fence refused, a moved slot, a full server, an answer that never came.

Delivered and skipped: the cursor is written before LPUSHX has told who is dormant. So it counts all
of a chunk as delivered, and `after_push` books the dormant ones as skipped when the pushes are
made. The sum is right at any moment, and the backlog counts sums. A crash in between, or a lost
answer, leaves dormant followers of those pushes counted as delivered.

Broken timelines: a command that fails inside EXEC undoes none of the others, and the cursor moves
on. All other followers got the post; the one left out has a timeline that is no list and that
nobody can read. It is dropped, and the next read rebuilds it from the logs, where the post is. A
crash before that leaves it as broken as it was, until the next push meets it; a crash before a
trim leaves a timeline too long, until the next push trims it.

Weakness: an access list must allow all these commands, not FCALL alone. Otherwise every chunk is
refused, and left to the script.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import hiredis
import redis

from app.settings import Settings

from ..errors import StoreDown
from ..ids import millis_of
from .client import Store
from .failures import store_errors
from .job_records import Cursor, Job
from .keys import tag

IN_FLIGHT = 3
"""Shards at once on a server: it works on one, the next one's transaction lies there already, and
the answers of a third are being read."""

CURSOR_TTL = 86_400
"""Seconds a finished cursor is remembered, as in `80_deliver.lua`; one under way, 7 times that."""
YOUNG_MS = CURSOR_TTL * 1000 // 2
"""The job of an older post may have been finished, and its cursor forgotten."""

_LOOK_ANSWERS = 7
_DISCARD = b"*1\r\n$7\r\nDISCARD\r\n"
_READ_BYTES = 1 << 16


@dataclass(slots=True)
class Push:
    """So many of a job's followers on a shard, from where its walk stands.

    `push` moves `walk`, and counts in `delivered` and `skipped` what it did.
    """

    job: Job
    shard: int
    cursor: Cursor
    followers: int
    delivered: int = 0
    skipped: int = 0
    refused: bool = False
    long: list[bytes] = field(default_factory=list)
    """Followers whose timelines are to be trimmed."""
    broken: list[bytes] = field(default_factory=list)

    @property
    def left_over(self) -> int:
        """Followers not known to have been pushed to: for `Jobs.deliver`, which looks."""
        return self.followers - self.delivered - self.skipped


def push(
    store: Store,
    settings: Settings,
    pushes: Sequence[Push],
    chunk: int,
    in_flight: int = IN_FLIGHT,
) -> None:
    """Goes as far in each of the pushes as the fence allows, by `chunk` followers at a time, on
    `in_flight` shards of a server at once.

    Raises `StoreDown` when the server went away before broken and long timelines were seen to.
    """
    by_shard: dict[int, list[Push]] = {}
    for each in pushes:
        if not each.job.is_release:  # its posts may be there already, by their own jobs
            by_shard.setdefault(each.shard, []).append(each)
    lanes: deque[tuple[Any, Generator[bool]]] = deque()
    for shard, mine in by_shard.items():
        try:
            with store_errors():
                pool = _pool(store, store.keys.watermark(shard))
        except StoreDown:
            continue
        lanes.append((pool, _Lane(store, settings, shard, chunk).run(pool, mine)))
    _take_turns(lanes, in_flight * len({pool for pool, _ in lanes}))
    _see_to_the_rest(store, settings, pushes, chunk)


def _pool(store: Store, key: str) -> Any:
    """The connections to the server that holds the key."""
    client = store.redis
    if store.is_cluster:
        client = client.get_redis_connection(client.get_node_from_key(key))
    return client.connection_pool


def _take_turns(lanes: deque[tuple[Any, Generator[bool]]], at_once: int) -> None:
    """Runs the lanes, some of them at once. One that meets an error ends, and when its server does
    not serve, all lanes to it do: nobody waits for each of them in vain."""
    busy: deque[tuple[Any, Generator[bool]]] = deque()
    away = set()
    while lanes or busy:
        while lanes and len(busy) < at_once:
            busy.appendleft(lanes.popleft())
        pool, lane = busy.popleft()
        if pool in away:
            lane.close()
            continue
        try:
            with store_errors():
                if next(lane, False):
                    busy.append((pool, lane))
        except StoreDown:
            away.add(pool)
        except (redis.RedisError, ValueError):
            continue  # an answer that nobody expects: the script will say what is wrong


def _see_to_the_rest(store: Store, settings: Settings, pushes: Sequence[Push], chunk: int) -> None:
    """Does what EXEC's answers told: drops, trims, and counts."""
    batch = store.batch()
    for each in pushes:
        stem = store.keys.timelines(each.shard).encode()
        for follower in each.broken:
            batch.add("DEL", stem + follower)
        for start in range(0, max(len(each.long), bool(each.skipped)), chunk):
            users = each.long[start : start + chunk]
            batch.call(
                "after_push",
                store.keys.cursor(each.shard, each.job.id),
                tag(each.shard),
                0 if start else each.skipped,
                settings.timeline_cap,
                settings.timeline_slack,
                *users,
            )
            batch.weigh(len(users))
    batch.run(raise_errors=False, limit=2 * chunk)


@dataclass(slots=True)
class _Step:
    """A chunk to come. `remaining`: where the cursor stands if nobody else moves it."""

    push: Push
    remaining: int
    size: int


@dataclass(slots=True)
class _Transaction:
    """A chunk to be sent. `counts`: delivered and skipped, as the cursor has them before it."""

    data: bytes
    answers: int
    followers: list[bytes]
    counts: tuple[int, int]


class _Lane:
    """The pushes of one shard, a chunk after the other over one connection."""

    def __init__(self, store: Store, settings: Settings, shard: int, chunk: int) -> None:
        self._keys = store.keys
        self._shard = shard
        self._size = chunk
        self._longest = settings.timeline_cap + settings.timeline_slack
        self._stem = store.keys.timelines(shard).encode()

    def run(self, pool: Any, pushes: list[Push]) -> Generator[bool]:
        """Yields True whenever answers have to come. Raises what redis-py or a socket does."""
        connection = pool.get_connection()
        try:
            yield from self._run(_Wire(connection), pushes)
        except BaseException:
            connection.disconnect()  # with a fence standing it is of no use to anybody else
            raise
        finally:
            pool.release(connection)

    def _run(self, wire: _Wire, pushes: list[Push]) -> Generator[bool]:
        steps = self._steps(pushes)
        step = next(steps, None)
        if step:
            wire.send(self._look(wire, step))
            yield True
        while step:
            transaction = self._prepare(wire, step, wire.answers(_LOOK_ANSWERS))
            following = next(steps, None)
            data = transaction.data if transaction else _DISCARD
            wire.send(data + self._look(wire, following) if following else data)
            yield True
            outcome = wire.answers(transaction.answers if transaction else 1)[-1]
            if transaction:
                self._note(step, transaction, outcome)
            step = following

    def _steps(self, pushes: list[Push]) -> Iterator[_Step]:
        for each in pushes:
            remaining = each.cursor.remaining
            end = max(0, remaining - each.followers)
            while remaining > end and not each.refused:
                size = min(self._size, remaining - end)
                yield _Step(each, remaining, size)
                remaining -= size

    def _look(self, wire: _Wire, step: _Step) -> bytes:
        """The fence, and what is read behind it."""
        job = step.push.job
        cursor = self._keys.cursor(self._shard, job.id)
        watermark = self._keys.watermark(self._shard)
        followers = self._keys.followers(self._shard, job.author_id)
        return wire.pack(
            ("WATCH", cursor, watermark, followers),
            ("HMGET", cursor, "remaining", "delivered", "skipped"),
            ("GET", watermark),
            ("LLEN", followers),
            ("LRANGE", followers, step.remaining - step.size, step.remaining - 1),
            ("TIME",),
            ("MULTI",),
        )

    def _prepare(self, wire: _Wire, step: _Step, seen: list[Any]) -> _Transaction | None:
        """The transaction for a chunk; None when it is not certain that it may be pushed."""
        for answer in seen:
            if isinstance(answer, Exception):
                raise answer
        _, (remaining, delivered, skipped), watermark, length, followers, time, _ = seen
        job = step.push.job
        if fresh := remaining is None:
            age = int(time[0]) * 1000 - millis_of(job.id)
            fits = length == step.remaining and -YOUNG_MS < age < YOUNG_MS
        else:
            fits = int(remaining) == step.remaining
        latest = int(watermark or 0)
        if step.push.refused or not fits or len(followers) != step.size or job.id < latest:
            step.push.refused = True
            return None

        counts = int(delivered or 0), int(skipped or 0)
        remaining = step.remaining - step.size
        cursor = self._keys.cursor(self._shard, job.id)
        progress = (
            "remaining",
            remaining,
            "delivered",
            counts[0] + step.size,
            "skipped",
            counts[1],
        )
        commands: list[tuple[Any, ...]] = [("HSET", cursor, *progress)]
        if remaining == 0:
            commands.append(("EXPIRE", cursor, CURSOR_TTL))
        elif fresh:
            commands.append(("EXPIRE", cursor, 7 * CURSOR_TTL))
        if job.id > latest:
            commands.append(("SET", self._keys.watermark(self._shard), job.id))
        commands.append(("EXEC",))
        followers.sort(key=len)
        pushes = b"".join(_pushes(self._stem, followers, b"%d" % job.id))
        return _Transaction(
            pushes + wire.pack(*commands), len(followers) + len(commands), followers, counts
        )

    def _note(self, step: _Step, transaction: _Transaction, outcome: Any) -> None:
        """What EXEC says: nil, a refusal, or each timeline's new length."""
        if isinstance(outcome, Exception):
            raise outcome
        each = step.push
        if outcome is None:
            each.refused = True
            return
        lengths = outcome[: step.size]
        skipped = lengths.count(0)
        odd = [
            (follower, length)
            for follower, length in zip(transaction.followers, lengths, strict=True)
            if type(length) is not int or length > self._longest
        ]
        for follower, length in odd:
            if isinstance(length, Exception):
                skipped += 1
                each.broken.append(follower)
            else:
                each.long.append(follower)
        each.delivered += step.size - skipped
        each.skipped += skipped
        delivered_before, skipped_before = transaction.counts
        each.cursor = Cursor(
            step.remaining - step.size,
            delivered_before + step.size - each.skipped,
            skipped_before + each.skipped,
        )


def _pushes(stem: bytes, followers: list[bytes], post: bytes) -> Iterator[bytes]:
    """LPUSHX for each of the followers, who are sorted by the lengths of their ids: those of one
    length share all bytes but the id."""
    tail = b"\r\n$%d\r\n%s\r\n" % (len(post), post)
    for length, group in groupby(followers, len):
        head = b"*3\r\n$6\r\nLPUSHX\r\n$%d\r\n%s" % (len(stem) + length, stem)
        yield head + (tail + head).join(group) + tail


class _Wire:
    """A redis-py connection's socket: its ways to send and read take 3 us for a command each.

    The socket stays the same. A connection that lost it would open another one in silence, where no
    fence stands.
    """

    def __init__(self, connection: Any) -> None:
        self._socket = connection._sock
        self._packer = connection
        self._reader = hiredis.Reader(
            protocolError=redis.ConnectionError,
            replyError=redis.ResponseError,
            notEnoughData=Ellipsis,
        )
        self._answers: list[Any] = []

    def pack(self, *commands: tuple[Any, ...]) -> bytes:
        return b"".join(self._packer.pack_commands(commands))

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def answers(self, count: int) -> list[Any]:
        """The next answers, refusals among them as exceptions."""
        while len(self._answers) < count:
            data = self._socket.recv(_READ_BYTES)
            if not data:
                raise redis.ConnectionError("The server closed the connection.")
            self._reader.feed(data)
            self._answers.extend(iter(self._reader.gets, Ellipsis))
        answers, self._answers = self._answers[:count], self._answers[count:]
        return answers
