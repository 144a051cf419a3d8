"""Pushes large chunks in fenced transactions: a server runs plain commands faster than a script's.

A chunk takes two messages. The first puts up a fence and reads, the second pushes:

    WATCH cursor watermark followers    HGET cursor    GET watermark    LRANGE followers    MULTI
    LPUSHX timeline id, for each follower    HSET cursor    SET watermark    EXEC

Another worker's progress, a newer post, a follow or an unfollow in between makes EXEC answer nil:
nothing has happened. So a worker that wakes after any time does no harm. When a connection breaks,
EXEC was run or was not, and the cursor tells which. Whatever is refused goes by `deliver` of
`lua/80_deliver.lua`, and so does every post older than the watermark.

EXEC answers with the timelines' lengths. Long ones are trimmed then, and what is no list is dropped
for the next read to rebuild. A crash in between leaves both to the next push.

Weakness: an access list must allow all these commands, not FCALL alone; else every chunk is
refused.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby, zip_longest
from typing import Any

import redis

from ..errors import StoreDown
from ..ids import millis_of
from ..settings import EngineSettings
from .chunks import Chunk, Delivered
from .client import Store
from .failures import store_errors
from .job_records import Cursor
from .keys import Keys, tag
from .wire import READ_BYTES, Wire, pack

SHARDS_IN_FLIGHT = 2
"""Shards under way on a server: it works on one, and the next one's transaction lies there already.
More deliver no more, and readers wait for them."""
MIN_FOLLOWERS = 200
"""Followers of a chunk from which it is pushed so: below, a script's single call costs less."""
CURSOR_TTL = 86_400
"""Seconds for which the cursor of a finished job is kept; one under way, 7 times that. As in
`80_deliver.lua`."""
YOUNG_MS = CURSOR_TTL * 1000 // 2
"""The job of an older post may be finished, and its cursor forgotten."""

LOOK_ANSWERS = 7
_DISCARD = b"*1\r\n$7\r\nDISCARD\r\n"


@dataclass(slots=True)
class _Lane:
    """The chunks of one shard, one after the other over one connection.

    `answers` belong to the first chunks, up to where an error ended the lane. `untidy` are
    followers whose timelines are too long or broken. `cursors` are the jobs', with exact counts;
    None: the fence refused, and the job gets no further."""

    keys: Keys
    shard: int
    longest: int
    chunks: list[Chunk] = field(default_factory=list)
    answers: list[Delivered | None] = field(default_factory=list)
    untidy: list[bytes] = field(default_factory=list)
    cursors: dict[int, Cursor | None] = field(default_factory=dict)

    def run(self, pool: Any, buffer: Any) -> Generator[None]:
        """Stops whenever answers have to come. Raises what redis-py or a socket does."""
        connection = pool.get_connection()
        try:
            yield from self._push(Wire(connection, buffer))
        except BaseException:
            connection.disconnect()  # with a fence standing it is of no use to anybody else
            raise
        finally:
            pool.release(connection)

    def _push(self, wire: Wire) -> Generator[None]:
        wire.send(self._look(self.chunks[0]))
        yield
        for chunk, following in zip_longest(self.chunks, self.chunks[1:]):
            seen = wire.answers(LOOK_ANSWERS)
            data, answers = self._transaction(chunk, seen)
            wire.send(data + self._look(following) if following else data)
            yield
            outcome = wire.answers(answers)[-1]
            self.answers.append(self._answer(chunk, seen[-2], outcome))

    def _look(self, chunk: Chunk) -> bytes:
        """The fence, and what is read behind it."""
        cursor = self.keys.cursor(self.shard, chunk.job.id)
        watermark = self.keys.watermark(self.shard)
        followers = self.keys.followers(self.shard, chunk.job.author_id)
        end = chunk.cursor.remaining
        return pack(
            ("WATCH", cursor, watermark, followers),
            ("HGET", cursor, "remaining"),
            ("GET", watermark),
            ("LLEN", followers),
            ("TIME",),
            ("LRANGE", followers, end - chunk.followers, end - 1),
            ("MULTI",),  # refused by an access list, it must not let the pushes through
        )

    def _transaction(self, chunk: Chunk, seen: list[Any]) -> tuple[bytes, int]:
        """The transaction and how many answers it has; without pushes where they are not certain
        to be right."""
        for answer in seen:
            if isinstance(answer, Exception):
                raise answer
        _, stored, watermark, length, time, followers, _ = seen
        job, latest = chunk.job, int(watermark or 0)
        before = self.cursors.setdefault(job.id, chunk.cursor)
        fresh = stored is None
        age = int(time[0]) * 1000 - millis_of(job.id)
        if (
            before is None
            or int(length if fresh else stored) != chunk.cursor.remaining
            or len(followers) != chunk.followers
            or job.id < latest
            or (fresh and not -YOUNG_MS < age < YOUNG_MS)
        ):
            return _DISCARD, 1
        remaining = chunk.cursor.remaining - chunk.followers
        cursor = self.keys.cursor(self.shard, job.id)
        # Who is dormant is not known yet: EXEC tells, and the next chunk's counts are right again.
        counts = ("delivered", before.delivered + chunk.followers, "skipped", before.skipped)
        commands: list[tuple[Any, ...]] = [("HSET", cursor, "remaining", remaining, *counts)]
        if fresh or not remaining:
            commands.append(("EXPIRE", cursor, 7 * CURSOR_TTL if remaining else CURSOR_TTL))
        if job.id > latest:
            commands.append(("SET", self.keys.watermark(self.shard), job.id))
        commands.append(("EXEC",))
        followers.sort(key=len)
        stem = self.keys.timelines(self.shard).encode()
        data = b"".join((*pushes(stem, followers, b"%d" % job.id), pack(*commands)))
        return data, len(followers) + len(commands)

    def _answer(self, chunk: Chunk, followers: list[bytes], outcome: Any) -> Delivered | None:
        """What came of a chunk, by EXEC's answer: each timeline's new length, or nil."""
        if isinstance(outcome, Exception):
            raise outcome
        before = self.cursors[chunk.job.id]
        if before is None or not isinstance(outcome, list):
            self.cursors[chunk.job.id] = None
            return None
        lengths = outcome[: chunk.followers]
        skipped = lengths.count(0)
        try:
            pairs = zip(followers, lengths, strict=True)
            self.untidy += [follower for follower, length in pairs if length > self.longest]
        except TypeError:  # an error among them: a timeline that is no list
            self.untidy += followers
            skipped += sum(isinstance(length, Exception) for length in lengths)
        delivered = chunk.followers - skipped
        remaining = chunk.cursor.remaining - chunk.followers
        now = Cursor(remaining, before.delivered + delivered, before.skipped + skipped)
        self.cursors[chunk.job.id] = now
        return Delivered(now, delivered, skipped)


def pushes(stem: bytes, followers: list[bytes], post: bytes) -> Iterator[bytes]:
    """LPUSHX for each of the followers, sorted by the lengths of their ids: those of one length
    share all bytes but the id."""
    tail = b"\r\n$%d\r\n%s\r\n" % (len(post), post)
    for length, group in groupby(followers, len):
        head = b"*3\r\n$6\r\nLPUSHX\r\n$%d\r\n%s" % (len(stem) + length, stem)
        yield head + (tail + head).join(group) + tail


class Transactions:
    """Pushes chunks by fenced transactions. Not shared between threads."""

    def __init__(self, store: Store, settings: EngineSettings) -> None:
        self._store = store
        self._settings = settings
        self._longest = settings.timeline_cap + settings.timeline_slack
        self._buffer = bytearray(READ_BYTES)

    def fits(self, chunk: Chunk, size: int) -> bool:
        """Whether a chunk may go this way: a post's own job, and so many followers in a chunk of
        `size` that it pays. So while somebody reads, and chunks are small, none does."""
        job = chunk.job
        return chunk.posts == [job.id] and min(size, job.counts[chunk.shard]) >= MIN_FOLLOWERS

    def push(self, chunks: Sequence[Chunk]) -> list[Delivered | None]:
        """Pushes chunks of posts' own jobs: those of one shard in their order, of SHARDS_IN_FLIGHT
        shards of a server at once. The answer to each, or None where nothing is known to have
        happened: the server function `deliver` finds out."""
        lanes: dict[int, _Lane] = {}
        for chunk in chunks:
            if chunk.shard not in lanes:
                lanes[chunk.shard] = _Lane(self._store.keys, chunk.shard, self._longest)
            lanes[chunk.shard].chunks.append(chunk)
        runs = []
        for shard, lane in lanes.items():
            with suppress(StoreDown), store_errors():
                runs.append((self._pool(shard), lane))
        self._run(runs)
        with suppress(StoreDown):  # the next push finds the same timelines again
            self._tidy(lanes.values())
        answers = {shard: iter(lane.answers) for shard, lane in lanes.items()}
        return [next(answers[chunk.shard], None) for chunk in chunks]

    def _pool(self, shard: int) -> Any:
        """The connections to the server that holds the shard."""
        client = self._store.redis
        if self._store.is_cluster:
            node = client.get_node_from_key(self._store.keys.watermark(shard))
            client = client.get_redis_connection(node)
        return client.connection_pool

    def _run(self, lanes: Sequence[tuple[Any, _Lane]]) -> None:
        """Runs the lanes, some of them at once. One that meets an error ends, and so do all to a
        server that does not serve: nobody waits for each of them in vain."""
        at_once = SHARDS_IN_FLIGHT * len({pool for pool, _ in lanes})
        waiting = deque((pool, lane.run(pool, self._buffer)) for pool, lane in lanes)
        busy: deque[tuple[Any, Generator[None]]] = deque()
        away = set()
        while waiting or busy:
            while waiting and len(busy) < at_once:
                busy.appendleft(waiting.popleft())
            pool, lane = busy.popleft()
            try:
                with store_errors():
                    if pool in away:
                        lane.close()
                    elif next(lane, lane) is not lane:
                        busy.append((pool, lane))
            except StoreDown:
                away.add(pool)
            except (redis.RedisError, ValueError):
                pass  # not what was expected: `deliver` tells what is wrong

    def _tidy(self, lanes: Iterable[_Lane]) -> None:
        """Trims long timelines and drops broken ones."""
        settings, batch = self._settings, self._store.batch()
        for lane in lanes:
            for start in range(0, len(lane.untidy), settings.chunk):
                users = lane.untidy[start : start + settings.chunk]
                batch.call(
                    *("tidy_timelines", self._store.keys.watermark(lane.shard), tag(lane.shard)),
                    *(settings.timeline_cap, settings.timeline_slack, *users),
                )
                batch.weigh(len(users))
        batch.run(raise_errors=False, partial=True, limit=settings.chunk)
