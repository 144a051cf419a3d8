"""The one door to the store: a Redis or Valkey server, or a Cluster of them."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import redis
from redis.cluster import RedisCluster

from .batch import Batch
from .failures import CircuitBreaker, does_not_answer, is_down, store_errors
from .keys import Keys
from .library import library
from .metering import Meter
from .nodes import Nodes
from .pipelining import Command, Commands, Server, Unanswered
from .replies import pairs

Client = redis.Redis | RedisCluster
_MISSING, _THERE = "Function not found", "already exists"
OPENING_SECONDS = 0.4
"""How long a thread waits for another one to connect: with a call's time-out (1 s) under the
1.5 s that a refusal may take."""
SCAN_COUNT = 2_000
"""Keys that a server looks at for one page of names."""


class Store:
    """Runs commands and functions of our library. Safe to share between threads.

    It connects at the first use and loads the library where that is missing. Nothing that may have
    happened is sent again: whoever gets `NoAnswer` decides.
    """

    def __init__(
        self,
        open_client: Callable[[], Client],
        keys: Keys,
        open_slow_client: Callable[[], Client] | None = None,
        lua: Sequence[Path] = (),
    ) -> None:
        """`open_slow_client`: for calls that may take long. `lua`: folders of an application's own
        server functions."""
        self._open_client = open_client
        self._open_slow_client = open_slow_client or open_client
        self._opened: Server | Nodes | None = None
        self._opening = threading.Lock()
        self._breaker = CircuitBreaker()
        self.keys, self.shards = keys, keys.shards
        self.lua = tuple(lua)
        self.library = library(keys.prefix, self.lua)
        self.meter = Meter()

    @property
    def _server(self) -> Server | Nodes:
        if self._opened is None:
            if not self._opening.acquire(timeout=OPENING_SECONDS):
                raise does_not_answer()
            try:
                if self._opened is None:
                    client: Any = self._open_client()
                    kind = Nodes if isinstance(client, RedisCluster) else Server
                    self._opened = kind(client)
            finally:
                self._opening.release()
        return self._opened

    @property
    def redis(self) -> Any:
        """The `Client`, untyped: both kinds share few types. Raises `StoreDown`."""
        return self._server.client

    def with_long_timeout(self) -> "Store":
        """The same data over connections whose calls may take long. The caller closes it."""
        return Store(self._open_slow_client, self.keys, lua=self.lua)

    def close(self) -> None:
        """Closes all connections."""
        if self._opened is not None:
            self._opened.client.close()

    @property
    def is_cluster(self) -> bool:
        """Whether several nodes share the data. Raises `StoreDown`."""
        return isinstance(self._server, Nodes)

    @property
    def groups(self) -> list[range]:
        """The shards that one call may touch: all on one server, each alone on a Cluster. Raises
        `StoreDown`."""
        size = 1 if self.is_cluster else self.shards
        return [range(first, first + size) for first in range(0, self.shards, size)]

    def call(self, function: str, key: str, *args: Any) -> Any:
        """Runs a function of our library on the server that holds `key`. Raises `StoreDown`,
        `NoAnswer` when it may have happened, `Refused` when the function did."""
        return self.run([self.fcall(function, key, *args)])[0]

    def fcall(self, function: str, key: str, *args: Any) -> Command:
        """The command that runs a function of our library."""
        return ("FCALL", self.library.function(function), 1, key, *args)

    def command(self, *args: Any) -> Any:
        """Runs one plain command. Raises what `call` raises."""
        return self.run([args])[0]

    def batch(self) -> Batch:
        """A new batch: many commands, one round trip for each node."""
        return Batch(self.fcall, self.run)

    def run(
        self,
        commands: Commands,
        weights: Sequence[int] = (),
        limit: int = 0,
        *,
        raise_errors: bool = True,
        partial: bool = False,
    ) -> list[Any]:
        """Sends the commands; the answers in order. See `Batch.run`."""
        if not commands:
            return []
        with self.attempt():
            if cost := self.meter.cost:
                cost.commands += len(commands)
                cost.round_trips += 1
            replies = self._server.exchange(commands, weights or [0] * len(commands), limit)
            failed = [i for i, reply in enumerate(replies) if isinstance(reply, Exception)]
            if missing := [i for i in failed if _MISSING in str(replies[i])]:
                self.load_library()
                again = self._server.exchange([commands[i] for i in missing], [0] * len(missing), 0)
                for i, reply in zip(missing, again, strict=True):
                    replies[i] = reply
            errors = {i: replies[i] for i in failed if isinstance(replies[i], Exception)}
            down = [i for i, error in errors.items() if is_down(error)]
            if down and not (partial and self.is_cluster):
                # What may have happened is told before what certainly did not.
                raise errors[next((i for i in down if isinstance(errors[i], Unanswered)), down[0])]
            if raise_errors and len(errors) > len(down):
                raise next(error for i, error in errors.items() if i not in down)
        for i in down:
            replies[i] = None
        return replies

    def everywhere(self, *command: Any) -> list[Any]:
        """What each server that holds keys answers to the command, without those that refuse it
        or, on a Cluster, are away. Raises the first error when none answers."""
        with self.attempt():
            replies = self._server.each(command)
            if answers := [reply for reply in replies if not isinstance(reply, Exception)]:
                return answers
            raise replies[0]

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Around every use of the client: see `store_errors` and `CircuitBreaker`."""
        # On a Cluster one node may be away while the others serve.
        breaker = nullcontext() if self.is_cluster else self._breaker.attempt()
        with breaker, store_errors():
            yield

    def load_library(self) -> None:
        """Loads our functions into every primary that answers and does not have them."""
        with store_errors():
            replies = self._server.each(("FUNCTION", "LOAD", self.library.source))
            errors = [r for r in replies if isinstance(r, Exception) and _THERE not in str(r)]
            for error in errors:
                if not is_down(error) or len(errors) == len(replies):
                    raise error

    def drop_old_libraries(self) -> int:
        """Deletes our prefix's other libraries; how many. A process that still runs one loads it
        again."""
        listed = self.everywhere("FUNCTION", "LIST", "LIBRARYNAME", self.library.versions)
        names = {dict(pairs(row))[b"library_name"].decode() for rows in listed for row in rows}
        old = names - {self.library.name}
        for name in old:
            self.everywhere("FUNCTION", "DELETE", name)
        return len(old)

    def key_names(self) -> Iterator[str]:
        """All our keys but the lasting ones, from every server. Raises `StoreDown`."""
        lasting = tuple(name.encode() for name in self.keys.lasting)
        with store_errors():
            for name in self.redis.scan_iter(self.keys.everything, SCAN_COUNT):
                if not name.startswith(lasting):
                    yield name.decode()
