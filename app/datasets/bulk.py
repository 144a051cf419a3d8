"""Writes a whole graph into the store, and clears the store of what was there before.

Everything goes through server functions that compare a token (`lua/90_bulk.lua`), so only the
newest loader can write. Ids travel packed, a few thousand in a call, several calls in a round trip.
Weakness: it holds the graph in memory. Alternative: `Graph.follow`, one edge a call.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np

from app.datasets.draws import Ids
from app.datasets.loads import Report
from app.datasets.packing import grouped, packed, parts
from app.datasets.population import Population
from app.datasets.state import DatasetState
from app.engine.errors import Busy
from app.engine.store.client import Store
from app.engine.store.failures import Refused
from app.engine.store.keys import META_TAG, tag
from app.engine.store.pipelining import Command

CALLS_IN_FLIGHT = 4
"""Calls in one round trip: enough to keep the server busy while the next are packed."""

PAGE_KEYS = 2_000
"""Keys removed in one round trip."""

REPLACED = "Another loader took over; this one stopped."

_TAG = re.compile(r"\{[^}]*\}")


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
        self._run(self._call("bulk_take_over", each) for each in self._tags)

    def let_go(self) -> None:
        """Loading is over: nobody may write without taking over first."""
        self._run(self._call("bulk_drop", each, self._keys.loader(each)) for each in self._tags)

    def wipe(self, report: Report | None = None) -> int:
        """Removes all keys of ours but the lasting ones; how many, the bitmaps of users aside.

        Users go first, so that no post is accepted any more. Workers may still be at jobs and
        change the backlog for as long as the job records are there: what they leave, such as a
        backlog below zero, goes in a second pass, when all records are gone.
        """
        shards = range(self._store.shards)
        self._run(self._call("bulk_drop", tag(each), self._keys.users(each)) for each in shards)
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
            for hash_tag in by_tag.keys() - self._tags:
                # Of no shard of ours: written under another FANOUT_SHARDS.
                DatasetState(self._store).remove(by_tag.pop(hash_tag))
            self._run(self._call("bulk_drop", each, *names) for each, names in by_tag.items())
            removed += len(page)
            if report:
                report(min(removed, total), total)
        return removed

    def load(self, population: Population, report: Report | None = None) -> None:
        """Writes everyone's followers, following and an empty timeline; users exist at the end.

        Expects a store that was wiped. `report` counts edges; each is written twice (followers
        and following) and counts when both are.
        """
        done = 0
        for values in self._send(self._calls(population)):
            done += values
            if report:
                report(done // 2, population.edges)
        exist = []
        for shard in range(self._store.shards):
            users = self._local_users(population, shard)
            if len(users):
                bitmap = _bitmap(users // self._store.shards)
                exist.append(self._call("bulk_users", tag(shard), tag(shard), bitmap))
        self._run(exist)

    def _calls(self, population: Population) -> Iterator[tuple[int, Command]]:
        """All calls that write the graph and the timelines, shard by shard, each with the number
        of values that it adds to lists and sets."""
        for shard in range(self._store.shards):
            home = tag(shard)
            here = population.followers % self._store.shards == shard
            authors, followers = population.authors[here], population.followers[here]
            for text, count in grouped(authors, followers):
                yield count, self._call("bulk_followers", home, home, text)
            order = np.argsort(followers, kind="stable")
            for text, count in grouped(followers[order], authors[order]):
                yield count, self._call("bulk_following", home, home, text)
            for part in parts(self._local_users(population, shard)):
                args = (home, self._timeline_ttl, len(part), packed(part))
                yield 0, self._call("bulk_timelines", home, *args)

    def _local_users(self, population: Population, shard: int) -> Ids:
        users: Ids = population.user_ids[population.user_ids % self._store.shards == shard]
        return users

    def _send(self, calls: Iterator[tuple[int, Command]]) -> Iterator[int]:
        """Sends the calls, some at a time, while the next ones are packed. Yields how many
        values each round trip stored."""
        under_way: Future[None] | None = None
        stored = 0
        with ThreadPoolExecutor(1) as sender:
            while some := list(islice(calls, CALLS_IN_FLIGHT)):
                if under_way:
                    under_way.result()
                    yield stored
                under_way = sender.submit(self._run, [call for _, call in some])
                stored = sum(count for count, _ in some)
            if under_way:
                under_way.result()
                yield stored

    def _call(self, function: str, hash_tag: str, *args: Any) -> Command:
        return self._store.fcall(function, self._keys.loader(hash_tag), self._token, *args)

    def _run(self, calls: Iterable[Command]) -> None:
        try:
            self._store.run(list(calls))
        except Refused as error:
            if "REPLACED" not in str(error):
                raise
            raise Busy(REPLACED) from error


def _bitmap(bits: Ids) -> bytes:
    """The text in which exactly these bits are set, as SETBIT counts them."""
    flags = np.zeros(int(bits.max()) + 1, dtype=bool)
    flags[bits] = True
    return np.packbits(flags).tobytes()
