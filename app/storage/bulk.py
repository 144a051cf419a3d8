"""Writes a whole graph into the store, and clears the store of what was there before.

Everything goes through scripts that compare a token (`lua/90_bulk.lua`), so only the newest loader
can write. Ids travel packed, a few thousand in a call, several calls in a round trip. Weakness: it
holds the graph in memory. Alternative: `Graph.follow`, one edge a call, for single edges.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import redis
from redis.cluster import RedisCluster

from app.domain.draws import Ids
from app.domain.errors import Busy
from app.domain.population import Population
from app.storage import keys
from app.storage.client import Batch, Store
from app.storage.failures import store_errors
from app.storage.packing import grouped, packed, parts

CALLS_IN_FLIGHT = 4
"""Script calls in one round trip: enough to keep the server busy while the next are packed."""

SCAN_COUNT = 2_000
_OURS = re.compile("|".join(fnmatch.translate(family) for family in keys.FAMILIES))
_TAG = re.compile(r"\{[^}]*\}")
_META_TAG = _TAG.search(keys.DATASET)[0]  # type: ignore[index]

Report = Callable[[int, int], None]
"""Called with (done, total)."""


class Call(NamedTuple):
    """A script call; `values` counts the values of lists and sets that it stores."""

    function: str
    tag: str
    args: tuple[Any, ...]
    values: int


class Bulk:
    """One loader's way into the store. Its calls raise `Busy` once another loader took over."""

    def __init__(self, store: Store, token: str, timeline_ttl: int) -> None:
        self._store = store
        self._token = token
        self._timeline_ttl = timeline_ttl

    def take_over(self) -> None:
        """From now on calls with another token are refused."""
        batch = self._store.batch()
        for tag in self._tags():
            batch.add("SET", keys.loader(tag), self._token, "EX", 86_400)
        batch.run()

    def let_go(self) -> None:
        """Loading is over: nobody may write without taking over first."""
        batch = self._store.batch()
        for tag in self._tags():
            batch.add("DEL", keys.loader(tag))
        batch.run()

    def wipe(self, report: Report | None = None) -> int:
        """Removes all keys of our families, and no others; how many, the bitmaps of users aside.

        `last_id` stays, so that ids never repeat, and so does the `dataset` hash, in which the
        loader writes how far it is. `report` gets an estimate from the number of all keys.

        Users go first, so that no post is accepted any more. Workers may still be at jobs: what
        they book on a job's account while it is there, such as a backlog below zero, goes in a
        second pass, when all accounts are gone and nothing more can be booked.
        """
        batch = self._store.batch()
        for shard in range(self._store.shards):
            self._call(batch, "bulk_drop", keys.tag(shard), keys.users(shard))
        self._run(batch)
        return self._pass(report) + self._pass(None)

    def _pass(self, report: Report | None) -> int:
        """Removes all our keys that a SCAN finds; how many."""
        known = set(self._tags())
        total, seen, removed = self._all_keys(), 0, 0
        for page in self._pages():
            ours: dict[str, list[str]] = {}
            for name in page:
                tag = _TAG.search(name)
                # A tag of no shard of ours: written under another FANOUT_SHARDS.
                if tag and _OURS.match(name) and name != keys.DATASET:
                    ours.setdefault(tag[0], []).append(name)
            batch = self._store.batch()
            for tag_text, names in ours.items():
                if tag_text in known:
                    self._call(batch, "bulk_drop", tag_text, *names)
                else:
                    batch.add("UNLINK", *names)
                removed += len(names)
            self._run(batch)
            seen += len(page)
            if report:
                report(min(seen, total), total)
        return removed

    def load(self, population: Population, report: Report | None = None) -> None:
        """Writes everyone's followers, followees and an empty timeline; users exist at the end.

        Expects a store that was wiped. `report` counts edges; each is written twice (fans and
        following) and counts when both are.
        """
        shards = self._store.shards
        done = 0
        for values in self._sent(self._calls(population)):
            done += values
            if report:
                report(done // 2, population.edges)
        batch = self._store.batch()
        for shard in range(shards):
            local = population.user_ids[population.user_ids % shards == shard] // shards
            if len(local):
                tag = keys.tag(shard)
                self._call(batch, "bulk_set", tag, keys.users(shard), _bitmap(local))
        self._run(batch)

    def _calls(self, population: Population) -> Iterator[Call]:
        """All calls that write the graph and the timelines, shard by shard."""
        shards = self._store.shards
        for shard in range(shards):
            tag = keys.tag(shard)
            here = population.followers % shards == shard
            authors, followers = population.authors[here], population.followers[here]
            for text, count in grouped(authors, followers):
                yield Call("bulk_load", tag, (f"fans:{tag}:", "RPUSH", text), count)
            order = np.argsort(followers, kind="stable")
            for text, count in grouped(followers[order], authors[order]):
                yield Call("bulk_load", tag, (f"following:{tag}:", "SADD", text), count)
            users = population.user_ids[population.user_ids % shards == shard]
            for part in parts(users):
                args = (f"timeline:{tag}:", self._timeline_ttl, len(part), packed(part))
                yield Call("bulk_timelines", tag, args, 0)

    def _sent(self, calls: Iterable[Call]) -> Iterator[int]:
        """Sends the calls, some at a time, while the next ones are packed. Yields how many
        values each round trip stored."""
        batch, values = self._store.batch(), 0
        with ThreadPoolExecutor(1) as sender:
            under_way: Future[int] | None = None
            for call in calls:
                self._call(batch, call.function, call.tag, *call.args)
                values += call.values
                if len(batch) == CALLS_IN_FLIGHT:
                    if under_way:
                        yield under_way.result()
                    under_way = sender.submit(self._run, batch, values)
                    batch, values = self._store.batch(), 0
            if under_way:
                yield under_way.result()
            yield self._run(batch, values)

    def _tags(self) -> list[str]:
        return [*(keys.tag(shard) for shard in range(self._store.shards)), _META_TAG]

    def _call(self, batch: Batch, function: str, tag: str, *args: Any) -> None:
        batch.call(function, keys.loader(tag), self._token, *args)

    def _run(self, batch: Batch, values: int = 0) -> int:
        """Sends the batch; `values`, for the caller to count."""
        try:
            batch.run()
        except redis.ResponseError as error:
            if "REPLACED" not in str(error):
                raise
            raise Busy("Another loader took over; this one stopped.") from error
        return values

    def _nodes(self) -> list[dict[str, Any]]:
        """Options that address each server which holds keys."""
        if not self._store.is_cluster:
            return [{}]
        cluster: RedisCluster = self._store.redis
        return [{"target_nodes": node} for node in cluster.get_primaries()]

    def _all_keys(self) -> int:
        with store_errors():
            return sum(self._store.redis.dbsize(**node) for node in self._nodes())

    def _pages(self) -> Iterator[list[str]]:
        """All names of keys, some thousand at a time, from every server."""
        for node in self._nodes():
            cursor: Any = 0
            while True:
                with store_errors():
                    reply = self._store.redis.scan(cursor, count=SCAN_COUNT, **node)
                cursor, names = reply
                if isinstance(cursor, dict):  # a Cluster's client answers by node
                    cursor = next(iter(cursor.values()))
                yield [name.decode() if isinstance(name, bytes) else name for name in names]
                if not cursor:
                    break


def _bitmap(bits: Ids) -> bytes:
    """The text in which exactly these bits are set, as SETBIT counts them."""
    flags = np.zeros(int(bits.max()) + 1, dtype=bool)
    flags[bits] = True
    return np.packbits(flags).tobytes()
