"""Writes a whole graph into the store, and clears the store of what was there before.

Everything goes through server functions that compare a token (`lua/90_bulk.lua`), so only the
newest loader can write. A call brings a few thousand ids, a round trip several calls.
Weakness: it holds the graph in memory. Alternative: `Graph.follow`, one edge a call.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np

from app.datasets.draws import Ids
from app.datasets.loads import Busy, Report, unreported
from app.datasets.packing import PER_CALL, grouped, packed
from app.datasets.population import Population
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

    def wipe(self, report: Report = unreported) -> int:
        """Removes all keys of ours but the lasting ones; how many, the bitmaps of users aside.

        Users go first, so that no post is accepted any more. Workers may still be at jobs and
        change the backlog for as long as the job records are there: what they leave, such as a
        backlog below zero, goes in a second pass, when all records are gone.
        """
        shards = range(self._store.shards)
        self._run(self._call("bulk_drop", tag(each), self._keys.users(each)) for each in shards)
        total = sum(1 for _ in self._store.key_names())
        return self._pass(report, total) + self._pass(unreported, 0)

    def _pass(self, report: Report, total: int) -> int:
        """Removes what a SCAN finds; how many keys. `report` gets that of `total`."""
        removed = 0
        found_names = self._store.key_names()
        while page := list(islice(found_names, PAGE_KEYS)):
            by_tag = defaultdict(list)
            for name in page:
                found = _TAG.search(name)
                by_tag[found[0] if found else name].append(name)
            self._run(
                # UNLINK: of no shard of ours, written under another FANOUT_SHARDS.
                self._call("bulk_drop", each, *names) if each in self._tags else ("UNLINK", *names)
                for each, names in by_tag.items()
            )
            removed += len(page)
            report(min(removed, total), total)
        return removed

    def load(self, population: Population, report: Report = unreported) -> None:
        """Writes everyone's followers, following and an empty timeline; users exist at the end.

        Expects a store that was wiped. `report` counts edges; each is written twice (followers
        and following) and counts when both are.
        """
        calls, done = self._calls(population), 0
        with ThreadPoolExecutor(1) as sender:  # sends some calls while the next ones are packed
            sending = sender.submit(self._send, [])
            while some := list(islice(calls, CALLS_IN_FLIGHT)):
                done += sending.result()
                report(done // 2, population.edges)
                sending = sender.submit(self._send, some)
            sending.result()
        report(population.edges, population.edges)
        self._run(
            self._call("bulk_users", tag(shard), _bitmap(users // self._store.shards))
            for shard in range(self._store.shards)
            if len(users := self._local_users(population, shard))
        )

    def _calls(self, population: Population) -> Iterator[tuple[int, Command]]:
        """All calls that write the graph and the timelines, shard by shard, each with the number
        of values that it adds to lists and sets."""
        for shard in range(self._store.shards):
            home = tag(shard)
            here = population.followers % self._store.shards == shard
            authors, followers = population.authors[here], population.followers[here]
            for text, count in grouped(authors, followers):
                yield count, self._call("bulk_followers", home, text)
            order = np.argsort(followers, kind="stable")
            for text, count in grouped(followers[order], authors[order]):
                yield count, self._call("bulk_following", home, text)
            users = self._local_users(population, shard)
            for start in range(0, len(users), PER_CALL):
                part = users[start : start + PER_CALL]
                yield 0, self._call("bulk_timelines", home, self._timeline_ttl, packed(part))

    def _local_users(self, population: Population, shard: int) -> Ids:
        users: Ids = population.user_ids[population.user_ids % self._store.shards == shard]
        return users

    def _send(self, calls: list[tuple[int, Command]]) -> int:
        """Makes the calls; how many values they added."""
        self._run(call for _, call in calls)
        return sum(count for count, _ in calls)

    def _call(self, function: str, hash_tag: str, *args: Any) -> Command:
        key = self._keys.loader(hash_tag)
        return self._store.fcall(function, key, self._token, hash_tag, *args)

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
