"""Writes a whole graph into the store, and clears the store of what was there before.

Everything goes through server functions that compare a token (`lua/90_bulk.lua`), so only the
newest loader can write. Ids travel packed, a few thousand in a call, several calls in a round trip.
Weakness: it holds the graph in memory. Alternative: `Graph.follow`, one edge a call.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from app.datasets.draws import Ids
from app.datasets.packing import grouped, packed, parts
from app.datasets.population import Population
from app.datasets.state import DatasetState
from app.engine.errors import Busy
from app.engine.store.batch import Batch
from app.engine.store.client import Store
from app.engine.store.failures import Refused
from app.engine.store.keys import META_TAG, tag

CALLS_IN_FLIGHT = 4
"""Calls in one round trip: enough to keep the server busy while the next are packed."""

PAGE_KEYS = 2_000
"""Keys removed in one round trip."""

REPLACED = "Another loader took over; this one stopped."

_TAG = re.compile(r"\{[^}]*\}")

Report = Callable[[float, float], None]
"""Called with (done, total)."""


class Call(NamedTuple):
    """A function call; `values` counts the values of lists and sets that it stores."""

    function: str
    tag: str
    args: tuple[Any, ...]
    values: int


class Bulk:
    """One loader's way into the store. Its calls raise `Busy` once another loader took over."""

    def __init__(self, store: Store, token: str, timeline_ttl: int) -> None:
        self._store = store
        self._keys = store.keys
        self._token = token
        self._timeline_ttl = timeline_ttl
        self._tags = [*map(tag, range(store.shards)), META_TAG]

    def take_over(self) -> None:
        """From now on calls with another token are refused."""
        batch = self._store.batch()
        for hash_tag in self._tags:
            self._call(batch, "bulk_take_over", hash_tag)
        self._run(batch)

    def let_go(self) -> None:
        """Loading is over: nobody may write without taking over first."""
        batch = self._store.batch()
        for hash_tag in self._tags:
            self._call(batch, "bulk_drop", hash_tag, self._keys.loader(hash_tag))
        self._run(batch)

    def wipe(self, report: Report | None = None) -> int:
        """Removes all keys of ours but the lasting ones; how many, the bitmaps of users aside.

        Users go first, so that no post is accepted any more. Workers may still be at jobs and
        change the backlog for as long as the job records are there: what they leave, such as a
        backlog below zero, goes in a second pass, when all records are gone.
        """
        batch = self._store.batch()
        for shard in range(self._store.shards):
            self._call(batch, "bulk_drop", tag(shard), self._keys.users(shard))
        self._run(batch)
        total = sum(1 for _ in self._store.key_names()) if report else 0
        return self._pass(report, total) + self._pass(None, 0)

    def _pass(self, report: Report | None, total: int) -> int:
        """Removes what a SCAN finds; how many keys. `report` gets that of `total`."""
        removed = 0
        found_names = self._store.key_names()
        while page := list(islice(found_names, PAGE_KEYS)):
            by_tag = defaultdict(list)
            for name in page:
                found = _TAG.search(name)
                by_tag[found[0] if found else name].append(name)
            batch = self._store.batch()
            for hash_tag, names in by_tag.items():
                if hash_tag in self._tags:
                    self._call(batch, "bulk_drop", hash_tag, *names)
                else:  # of no shard of ours: written under another FANOUT_SHARDS
                    DatasetState(self._store).remove(names)
            self._run(batch)
            removed += len(page)
            if report:
                report(min(removed, total), total)
        return removed

    def load(self, population: Population, report: Report | None = None) -> None:
        """Writes everyone's followers, following and an empty timeline; users exist at the end.

        Expects a store that was wiped. `report` counts edges; each is written twice (followers
        and following) and counts when both are.
        """
        shards = self._store.shards
        done = 0
        for values in self._send(self._calls(population)):
            done += values
            if report:
                report(done // 2, population.edges)
        batch = self._store.batch()
        for shard in range(shards):
            local = population.user_ids[population.user_ids % shards == shard] // shards
            if len(local):
                self._call(batch, "bulk_users", tag(shard), tag(shard), _bitmap(local))
        self._run(batch)

    def _calls(self, population: Population) -> Iterator[Call]:
        """All calls that write the graph and the timelines, shard by shard."""
        shards = self._store.shards
        for shard in range(shards):
            home = tag(shard)
            here = population.followers % shards == shard
            authors, followers = population.authors[here], population.followers[here]
            for text, count in grouped(authors, followers):
                yield Call("bulk_followers", home, (home, text), count)
            order = np.argsort(followers, kind="stable")
            for text, count in grouped(followers[order], authors[order]):
                yield Call("bulk_following", home, (home, text), count)
            users = population.user_ids[population.user_ids % shards == shard]
            for part in parts(users):
                args = (home, self._timeline_ttl, len(part), packed(part))
                yield Call("bulk_timelines", home, args, 0)

    def _send(self, calls: Iterator[Call]) -> Iterator[int]:
        """Sends the calls, some at a time, while the next ones are packed. Yields how many
        values each round trip stored."""
        under_way: Future[int] | None = None
        with ThreadPoolExecutor(1) as sender:
            while some := list(islice(calls, CALLS_IN_FLIGHT)):
                batch = self._store.batch()
                for call in some:
                    self._call(batch, call.function, call.tag, *call.args)
                if under_way:
                    yield under_way.result()
                under_way = sender.submit(self._run, batch, sum(call.values for call in some))
            if under_way:
                yield under_way.result()

    def _call(self, batch: Batch, function: str, hash_tag: str, *args: Any) -> None:
        batch.call(function, self._keys.loader(hash_tag), self._token, *args)

    def _run(self, batch: Batch, values: int = 0) -> int:
        """Sends the batch; `values`, for the caller to count."""
        try:
            batch.run()
        except Refused as error:
            if "REPLACED" not in str(error):
                raise
            raise Busy(REPLACED) from error
        return values


def _bitmap(bits: Ids) -> bytes:
    """The text in which exactly these bits are set, as SETBIT counts them."""
    flags = np.zeros(int(bits.max()) + 1, dtype=bool)
    flags[bits] = True
    return np.packbits(flags).tobytes()
