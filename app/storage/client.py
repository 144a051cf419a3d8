"""The one door to the store: a Redis or Valkey server, or a Cluster of them.

`Store.call` and `Batch.call` run functions of our server library and load it where it is missing,
so a restarted or newly added server needs no setup. Writes are never retried by the client: a
call that timed out may have happened.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import redis
from redis.cluster import RedisCluster

from app.storage.failures import Gate, does_not_answer, is_down, store_errors
from app.storage.keys import Keys
from app.storage.library import library
from app.storage.wire import exchange

_MISSING, _THERE = "Function not found", "already exists"
OPENING_SECONDS = 0.4
"""With the time-out of a call (1 s) this stays well under the 1.5 s that a refusal may take."""


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
        open_patient: Callable[[], Any] | None = None,
    ) -> None:
        self._open_client = open_client
        self._open_patient = open_patient
        self._client: Any = None
        self._is_cluster: bool | None = None  # asked for on every call, and slow to find out
        self._opening = threading.Lock()
        self._gate = Gate()
        self.keys = keys
        self.shards = keys.shards
        self.library = library(keys.prefix)
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
    def patient(self) -> Iterator[Store]:
        """The same data over a connection whose calls may take LOAD_SECONDS and are never
        repeated. For loading: a server that writes a lot may stop for seconds."""
        if self._open_patient is None:
            yield self
            return
        store = Store(self._open_patient, self.keys)
        try:
            yield store
        finally:
            store.close()

    @property
    def is_cluster(self) -> bool:
        """Whether several nodes share the data. Raises `StoreDown`."""
        if self._is_cluster is None:
            self._is_cluster = isinstance(self.redis, RedisCluster)
        return self._is_cluster

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

        Raises `StoreDown`, or `redis.ResponseError` with what the function refused.
        """
        self.count(1)
        command = self.fcall(function, key, *args)
        with self.attempt():
            try:
                return self._one(command)
            except redis.ResponseError as error:
                if _MISSING not in str(error):
                    raise
            self.load_library()
            return self._one(command)

    def fcall(self, function: str, key: str, *args: Any) -> tuple[Any, ...]:
        """The command that runs a function of our library."""
        return ("FCALL", self.library.function(function), 1, key, *args)

    def command(self, *args: Any) -> Any:
        """Runs one plain command."""
        self.count(1)
        with self.attempt():
            return self._one(args)

    def _one(self, command: tuple[Any, ...]) -> Any:
        if self.is_cluster:
            return self.redis.execute_command(*command)
        (reply,) = exchange(self.redis, [command])
        if isinstance(reply, Exception):
            raise reply
        return reply

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Around every use of the client: see `store_errors` and `Gate`."""
        if self.is_cluster:  # one node may be away while the others serve
            with store_errors():
                yield
        else:
            with self._gate.attempt(), store_errors():
                yield

    def batch(self) -> Batch:
        """A new batch: many commands, one round trip for each node."""
        return Batch(self)

    def load_library(self) -> None:
        """Loads our functions into every primary that does not have them."""
        for node in self.nodes():
            try:
                with store_errors():
                    self.redis.execute_command("FUNCTION LOAD", self.library.source, **node)
            except redis.ResponseError as error:
                if _THERE not in str(error):
                    raise

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

    def run(self, *, raise_errors: bool = True, limit: int = 0) -> list[Any]:
        """Sends all; the answers in order. With `raise_errors` the first refusal is raised,
        without it refusals stand in the list as exceptions.

        No more than `limit` of the weighed work is under way on a server at once (on a Cluster's
        node, CLUSTER_LIMITS times as much), so that other clients get their turn in between.
        """
        commands, self._commands = self._commands, []
        weights, self._weights = self._weights, []
        if not commands:
            return []
        with self._store.attempt():
            replies = self._send(commands, weights, limit)
            missing = [
                i
                for i, reply in enumerate(replies)
                if isinstance(reply, redis.ResponseError) and _MISSING in str(reply)
            ]
            if missing:
                self._store.load_library()
                again = self._send([commands[i] for i in missing])
                for i, reply in zip(missing, again, strict=True):
                    replies[i] = reply
            for reply in replies:
                if isinstance(reply, Exception) and (raise_errors or is_down(reply)):
                    raise reply
        return replies

    def _send(
        self, commands: list[tuple[Any, ...]], weights: Sequence[int] = (), limit: int = 0
    ) -> list[Any]:
        self._store.count(len(commands))
        if not self._store.is_cluster:
            return exchange(self._store.redis, commands, weights, limit)
        replies: list[Any] = []
        nodes = len(self._store.redis.get_primaries())
        for part in _parts(commands, weights, CLUSTER_LIMITS * limit * nodes):
            pipeline = self._store.redis.pipeline()
            for command in part:
                pipeline.execute_command(*command)
            replies += pipeline.execute(raise_on_error=False)
        return replies


CLUSTER_LIMITS = 4
"""So many times its limit a Cluster's node gets at once. All nodes must have answered before the
next part is sent; with less of it they would mostly wait."""


def _parts(
    commands: list[tuple[Any, ...]], weights: Sequence[int], limit: int
) -> Iterator[list[tuple[Any, ...]]]:
    """The commands in order, cut where the weights add up to more than `limit`."""
    first = total = 0
    for at, weight in enumerate(weights):
        if total and total + weight > limit:
            yield commands[first:at]
            first, total = at, 0
        total += weight
    yield commands[first:]
