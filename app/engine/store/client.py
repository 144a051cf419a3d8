"""The one door to the store: a Redis or Valkey server, or a Cluster of them.

`Store.call` and `Batch.call` run functions of our server library and load it where it is missing,
so a restarted or newly added server needs no setup. Nothing that may have happened is ever sent
again: whoever gets `NoAnswer` decides.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from redis.cluster import RedisCluster

from .failures import CircuitBreaker, does_not_answer, is_down, store_errors
from .keys import Keys
from .library import library
from .nodes import Nodes
from .pipelining import Command, Unanswered, exchange

_MISSING, _THERE = "Function not found", "already exists"
OPENING_SECONDS = 0.4
"""With the time-out of a call (1 s) this stays well under the 1.5 s that a refusal may take."""
SCAN_COUNT = 2_000
"""Keys that a server looks at for one page of names."""


@dataclass(slots=True)
class Cost:
    """What an operation sent to the store."""

    commands: int = 0
    round_trips: int = 0


class Store:
    """A connection pool and what every user of it needs. Safe to share between threads.

    It connects at the first use, so a web process starts, and says so, while the store is down.
    """

    def __init__(
        self,
        open_client: Callable[[], Any],
        keys: Keys,
        open_slow: Callable[[], Any] | None = None,
        lua: Sequence[Path] = (),
    ) -> None:
        """`lua`: folders of an application's own server functions, see `library.py`."""
        self._open_client = open_client
        self._open_slow = open_slow
        self._client: Any = None
        self._nodes: Nodes | None = None  # of a Cluster
        self._asked = False  # whether it is one
        self._opening = threading.Lock()
        self._breaker = CircuitBreaker()
        self.keys = keys
        self.shards = keys.shards
        self.lua = tuple(lua)
        self.library = library(keys.prefix, self.lua)
        self._local = threading.local()

    @property
    def redis(self) -> Any:
        """The redis-py client, `redis.Redis` or `RedisCluster`. Raises `StoreDown`."""
        if self._client is None:
            # Whoever waits here while the store is away must not wait for all before them.
            if not self._opening.acquire(timeout=OPENING_SECONDS):
                raise does_not_answer()
            try:
                if self._client is None:
                    self._client = self._open_client()
            finally:
                self._opening.release()
        return self._client

    @contextmanager
    def with_long_timeout(self) -> Iterator[Store]:
        """The same data over a connection whose calls may take LOAD_SECONDS and are never
        repeated. For loading: a server that writes a lot may stop for seconds."""
        if self._open_slow is None:
            yield self
            return
        store = Store(self._open_slow, self.keys, lua=self.lua)
        try:
            yield store
        finally:
            store.close()

    @property
    def is_cluster(self) -> bool:
        """Whether several nodes share the data. Raises `StoreDown`."""
        return self._cluster is not None

    @property
    def _cluster(self) -> Nodes | None:
        if not self._asked:
            client = self.redis
            self._nodes = Nodes(client) if isinstance(client, RedisCluster) else None
            self._asked = True
        return self._nodes

    @property
    def groups(self) -> list[range]:
        """The shards, in groups that one call may touch: all on one server, each alone on a
        Cluster. Raises `StoreDown`."""
        if self.is_cluster:
            return [range(shard, shard + 1) for shard in range(self.shards)]
        return [range(self.shards)]

    @contextmanager
    def meter(self) -> Iterator[Cost]:
        """Counts this thread's commands and round trips for as long as the block lasts."""
        outer = getattr(self._local, "cost", None)
        cost = self._local.cost = Cost()
        try:
            yield cost
        finally:
            self._local.cost = outer
            if outer is not None:
                outer.commands += cost.commands
                outer.round_trips += cost.round_trips

    @contextmanager
    def unmetered(self) -> Iterator[None]:
        """What this thread sends inside the block is for all requests, and booked to none."""
        outer = getattr(self._local, "cost", None)
        self._local.cost = None
        try:
            yield
        finally:
            self._local.cost = outer

    @property
    def metered(self) -> bool:
        """Whether this thread's commands are being booked."""
        return getattr(self._local, "cost", None) is not None

    def count(self, commands: int) -> None:
        """Books one round trip with so many commands."""
        cost = getattr(self._local, "cost", None)
        if cost is not None:
            cost.commands += commands
            cost.round_trips += 1

    def call(self, function: str, key: str, *args: Any) -> Any:
        """Runs a function of our library on the server that holds `key`.

        Raises `StoreDown`, `NoAnswer` when it may have happened all the same, or
        `redis.ResponseError` with what the function refused.
        """
        return self.run([self.fcall(function, key, *args)])[0]

    def fcall(self, function: str, key: str, *args: Any) -> tuple[Any, ...]:
        """The command that runs a function of our library."""
        return ("FCALL", self.library.function(function), 1, key, *args)

    def command(self, *args: Any) -> Any:
        """Runs one plain command."""
        return self.run([args])[0]

    def run(
        self,
        commands: Sequence[Command],
        weights: Sequence[int] = (),
        limit: int = 0,
        *,
        raise_errors: bool = True,
        partial: bool = False,
    ) -> list[Any]:
        """Sends the commands; the answers in order. See `Batch.run`."""
        with self.attempt():
            replies = self._exchange(commands, weights, limit)
            missing = [
                i
                for i, reply in enumerate(replies)
                if isinstance(reply, redis.ResponseError) and _MISSING in str(reply)
            ]
            if missing:
                self.load_library()
                again = self._exchange([commands[i] for i in missing])
                for i, reply in zip(missing, again, strict=True):
                    replies[i] = reply
            errors = [reply for reply in replies if isinstance(reply, Exception)]
            if not errors:
                return replies
            down = [error for error in errors if is_down(error)]
            if down and not (partial and self.is_cluster):
                # What may have happened is told before what certainly did not.
                raise next((error for error in down if isinstance(error, Unanswered)), down[0])
            if raise_errors and len(errors) > len(down):
                raise next(error for error in errors if not is_down(error))
        return [
            None if isinstance(reply, Exception) and is_down(reply) else reply for reply in replies
        ]

    def everywhere(self, *command: Any) -> list[Any]:
        """What each server that holds keys answers to the command. On a Cluster those that are
        away are left out. Raises `StoreDown` when none answers."""
        with self.attempt():
            replies = self._each(command)
            answers = [reply for reply in replies if not isinstance(reply, Exception)]
            if not answers:
                raise replies[0]
            return answers

    def _each(self, command: Command) -> list[Any]:
        cluster = self._cluster
        return exchange(self.redis, [command]) if cluster is None else cluster.each(command)

    def _exchange(
        self, commands: Sequence[Command], weights: Sequence[int] = (), limit: int = 0
    ) -> list[Any]:
        self.count(len(commands))
        cluster = self._cluster
        if cluster is None:
            return exchange(self.redis, commands, weights, limit)
        return cluster.exchange(commands, weights, limit)

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Around every use of the client: see `store_errors` and `CircuitBreaker`."""
        if self.is_cluster:  # one node may be away while the others serve
            with store_errors():
                yield
        else:
            with self._breaker.attempt(), store_errors():
                yield

    def batch(self) -> Batch:
        """A new batch: many commands, one round trip for each node."""
        return Batch(self)

    def load_library(self) -> None:
        """Loads our functions into every primary that answers and does not have them."""
        with store_errors():
            replies = self._each(("FUNCTION", "LOAD", self.library.source))
            errors = [
                reply
                for reply in replies
                if isinstance(reply, Exception) and _THERE not in str(reply)
            ]
            for error in errors:
                if not is_down(error) or len(errors) == len(replies):
                    raise error

    def drop_old_libraries(self) -> int:
        """Deletes what other versions of this code left under our prefix; how many. A process
        that still runs one loads it again."""
        dropped = set()
        for node in self.nodes():
            with store_errors():
                for name in self._libraries(node) - {self.library.name}:
                    self.redis.execute_command("FUNCTION DELETE", name, **node)
                    dropped.add(name)
        return len(dropped)

    def _libraries(self, node: dict[str, Any]) -> set[str]:
        """The names of our libraries on a server, of all versions."""
        ours = self.library.versions
        reply = self.redis.execute_command("FUNCTION LIST", "LIBRARYNAME", ours, **node)
        # A Cluster's client answers by node, another one with the rows.
        rows = next(iter(reply.values())) if isinstance(reply, dict) else reply
        return {row[row.index(b"library_name") + 1].decode() for row in rows}

    def nodes(self) -> list[dict[str, Any]]:
        """Options for redis-py that address each server which holds keys."""
        if not self.is_cluster:
            return [{}]
        return [{"target_nodes": node} for node in self.redis.get_primaries()]

    def key_names(self) -> Iterator[list[str]]:
        """The names of all keys of ours but the lasting ones, page by page, from every server."""
        for node in self.nodes():
            cursor: Any = 0
            while True:
                with store_errors():
                    reply = self.redis.scan(
                        cursor, match=self.keys.everything, count=SCAN_COUNT, **node
                    )
                cursor, found = reply
                if isinstance(cursor, dict):  # a Cluster's client answers by node
                    cursor = next(iter(cursor.values()))
                names = [name.decode() if isinstance(name, bytes) else name for name in found]
                yield [name for name in names if not name.startswith(self.keys.lasting)]
                if not cursor:
                    break

    def close(self) -> None:
        """Closes all connections."""
        if self._client is not None:
            self._client.close()


class Batch:
    """Commands to be sent together, without a transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._commands: list[tuple[Any, ...]] = []
        self._weights: list[int] = []

    def __len__(self) -> int:
        return len(self._commands)

    def call(self, function: str, key: str, *args: Any) -> None:
        """Adds a function of our library."""
        self._commands.append(self._store.fcall(function, key, *args))
        self._weights.append(0)

    def add(self, *command: Any) -> None:
        """Adds a plain command."""
        self._commands.append(command)
        self._weights.append(0)

    def weigh(self, weight: int) -> None:
        """Says how much work the command added last is, for the `limit` of `run`."""
        self._weights[-1] = weight

    def run(self, *, raise_errors: bool = True, partial: bool = False, limit: int = 0) -> list[Any]:
        """Sends all; the answers in order. With `raise_errors` the first refusal is raised,
        without it refusals stand in the list as exceptions.

        With `partial` None stands for what a Cluster's node did not answer. Otherwise `StoreDown`
        is raised, `NoAnswer` when something that was sent and not answered may have happened.

        No more than `limit` of the weighed work is under way on a server at once, so that other
        clients get their turn in between.
        """
        commands, self._commands = self._commands, []
        weights, self._weights = self._weights, []
        if not commands:
            return []
        return self._store.run(commands, weights, limit, raise_errors=raise_errors, partial=partial)
