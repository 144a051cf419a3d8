"""Real processes around a real server, and the brute-force check of what they leave behind.

A `Rig` starts a Valkey server, workers and a web process on free ports of loopback, kills, freezes
and restarts them, and ends what it started by process id. The graph is made directly: each author
has followers of its own, so the expected timeline of every reader is known without asking the
store.
"""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import orjson
import redis

from app.bootstrap import Services
from app.datasets.bulk import Bulk
from app.datasets.population import Population
from app.datasets.state import DatasetState
from app.engine.models import STRATEGIES
from app.settings import Settings
from bench import servers
from bench.processes import ROOT, WEB, WORKER, Process, end, free_port, wait_until

LONG = os.environ.get("FANOUT_TEST_FAULTS") == "long"
"""The long form, `./test.sh --faults`: the figures of the promise rather than a few seconds."""
SLACK = 1.0 if LONG else 3.0
"""The promised times are asserted in the long form, on a machine that does nothing else. The short
form runs beside other tests and allows three times as much; it prints the same figures."""

KEPT_SECONDS = 5.0
"""A connection that was idle for longer is not used again: the web process may have closed it."""
FIRST_READER = 1_000


class Rig:
    """One store, its workers and web processes, and a client of our own to look inside."""

    def __init__(
        self,
        *,
        append_only: str = "",
        server_options: tuple[str, ...] = (),
        server_env: dict[str, str] | None = None,
        **settings: str,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="fanout-faults-")
        self.folder = Path(self._folder.name)
        self._log = self.folder / "log"
        self.store_port, self.web_port = free_port(), free_port()
        self.append_only = append_only
        self._server_options = server_options
        self._server_env = server_env or {}
        self.env = {
            **os.environ,
            "PORT": str(self.web_port),
            "REDIS_URL": "",
            "REDIS_PORT": str(self.store_port),
            "FANOUT_DATASET": "none",
            "FANOUT_RATE_LIMIT": "none",
            "FANOUT_WEB_WORKERS": "2",
            **settings,
        }
        with patch.dict(os.environ, self.env):
            self.settings = Settings.from_environment()
        self.server: Process | None = None
        self.web: Process | None = None
        self.workers: dict[str, Process] = {}
        self.worker_command: tuple[str, ...] = WORKER
        self._born = 0
        self._readers: dict[int, list[int]] = {}
        self.posts: dict[int, list[int]] = {}
        self._open: list[redis.Redis | Client] = []
        self.start_store()
        self.services = Services(self.settings)
        self.store = self.services.engine.store

    # -------------------------------------------------------------- processes

    def start_store(self) -> None:
        """Starts the server on what it had written before; returns when it has loaded that."""
        options = list(self._server_options)
        if self.append_only:
            options += ["--appendonly", "yes", "--appendfsync", self.append_only]
        with self._log.open("ab") as log:
            self.server = servers.start(
                self.folder, self.store_port, *options, output=log, **self._server_env
            )

    def start_worker(self) -> str:
        """Starts a worker; its name. It may need a second until it works."""
        self._born += 1
        name = f"w{self._born}"
        self.workers[name] = self._run(*self.worker_command, "--name", name)
        return name

    def start_workers(self, count: int) -> list[str]:
        """Starts workers and returns when all are heard of."""
        names = [self.start_worker() for _ in range(count)]
        wait_until(
            lambda: set(names) <= {worker.name for worker in self.services.engine.workers.live()},
            30,
            "the workers are heard of",
        )
        return names

    def start_web(self) -> None:
        """Starts gunicorn and returns when it is ready."""
        self.web = self._run(*WEB)
        client = self.client()
        wait_until(
            lambda: client.get("/readyz")[0] == 200, 30, lambda: f"web is ready\n{self.log()}"
        )

    def kill_worker(self, name: str) -> None:
        """kill -9."""
        process = self.workers.pop(name)
        process.kill()
        process.wait()

    def kill_store(self) -> None:
        """kill -9."""
        assert self.server is not None
        self.server.kill()
        self.server.wait()
        self.server = None

    def web_workers(self) -> list[int]:
        """Process ids of gunicorn's children."""
        assert self.web is not None
        path = Path(f"/proc/{self.web.pid}/task/{self.web.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def stop(self) -> None:
        """Ends all that this object started."""
        for client in self._open:
            client.close()
        others = [*self.workers.values(), *filter(None, [self.web])]
        for process in filter(None, [*others, self.server]):
            process.send_signal(signal.SIGCONT)  # a test may have frozen it
        end(*others)
        if self.server:
            self.kill_store()
        self.store.close()
        self._folder.cleanup()

    def log(self) -> str:
        """The last lines that the processes have written."""
        return self._log.read_text(errors="replace")[-4000:]

    def raw(self) -> redis.Redis:
        """A plain client of the server, with a long time-out and without our library."""
        client = redis.Redis(port=self.store_port, socket_timeout=30, socket_connect_timeout=5)
        self._open.append(client)
        return client

    def client(self, timeout: float = 10) -> "Client":
        """A connection to the web process."""
        client = Client(self.web_port, timeout)
        self._open.append(client)
        return client

    def _run(self, *arguments: str) -> Process:
        command = [sys.executable, *arguments]
        with self._log.open("ab") as log:
            return subprocess.Popen(command, cwd=ROOT, env=self.env, stdout=log, stderr=log)

    # -------------------------------------------------------------- the graph

    def load(self, followers: dict[int, int]) -> None:
        """Makes a graph: author (an id below FIRST_READER) -> how many followers of its own."""
        authors: list[int] = []
        readers: list[int] = []
        start = FIRST_READER
        for author, count in sorted(followers.items()):
            mine = range(start, start + count)
            self._readers[author] = list(mine)
            authors += [author] * count
            readers += mine
            start += count
        population = Population(
            np.array(sorted([*followers, *range(FIRST_READER, start)]), dtype=np.int32),
            np.array(authors, dtype=np.int32),
            np.array(readers, dtype=np.int32),
        )
        state = DatasetState(self.store)
        assert state.lease("rig", "file", 1)
        bulk = Bulk(self.store, "rig", self.settings.timeline_ttl)
        bulk.take_over()
        bulk.load(population)
        bulk.let_go()
        state.finish("rig", {"status": "ready", "users": population.users})
        self.posts = {author: [] for author in followers}

    def publish(self, author: int, text: str = "a post", key: str | None = None) -> int:
        """Publishes by our own client, with the `write` strategy; the id, which is kept."""
        post, _ = self.services.engine.publish(author, text, "write", key)
        self.posts[author].append(post.id)
        return post.id

    def readers(self, author: int) -> list[int]:
        """The author's followers."""
        return self._readers[author]

    # -------------------------------------------------------------- the check

    def drain(self, patience: float = 60) -> float:
        """Returns when nothing is left to deliver or release; the seconds it took."""
        return wait_until(self._is_idle, patience, lambda: f"drained: {self.queue()}\n{self.log()}")

    def queue(self) -> Any:
        """The queue as it is now."""
        return self.services.engine.queue()

    def _is_idle(self) -> bool:
        queue = self.queue()
        waiting = [
            p
            for p in self.services.engine.pulled_authors.all()
            if p.why in ("deferred", "returning")
        ]
        return not queue.jobs and not queue.backlog and not waiting

    def check(self, sample: int = 20) -> Counter[str]:
        """Compares every timeline with what was accepted, and a sample of feeds through the API's
        own service. Returns counts of readers, deliveries, missing and duplicate ones."""
        found: Counter[str] = Counter(missing=0, duplicate=0, foreign=0, disordered=0, feeds=0)
        for author, posts in self.posts.items():
            expected = sorted(set(posts), reverse=True)
            readers = self._readers[author]
            found["readers"] += len(readers)
            found["deliveries"] += len(readers) * len(expected)
            for start in range(0, len(readers), 500):
                self._compare(readers[start : start + 500], expected, found)
            for reader in readers[:: max(1, len(readers) // sample)][:sample]:
                for strategy in STRATEGIES:
                    found["feeds"] += self._feed(reader, strategy) != expected
        return found

    def _compare(self, readers: list[int], expected: list[int], found: Counter[str]) -> None:
        batch = self.store.batch()
        for reader in readers:
            batch.add("LRANGE", self.store.keys.timeline(reader), 0, -1)
        right = [b"%d" % post for post in expected] + [b"0"]
        for elements in batch.run():
            if elements == right:
                continue
            ids = [int(element) for element in elements if element != b"0"]
            found["missing"] += len(set(expected) - set(ids))
            found["duplicate"] += len(ids) - len(set(ids))
            found["foreign"] += len(set(ids) - set(expected))
            found["disordered"] += ids != sorted(ids, reverse=True)

    def _feed(self, reader: int, strategy: Any) -> list[int]:
        ids: list[int] = []
        cursor = None
        while True:
            page = self.services.engine.feed(reader, strategy, 100, cursor)
            ids += [post.id for post in page.items]
            cursor = page.next_cursor
            if cursor is None:
                return ids


class Client:
    """One connection to the web process. Not shared between threads."""

    def __init__(self, port: int, timeout: float = 10) -> None:
        self._port, self._timeout = port, timeout
        self._connection: http.client.HTTPConnection | None = None
        self.seconds = 0.0
        self._last = 0.0

    def get(self, path: str) -> tuple[int, Any]:
        """(status, JSON); 0 when there was no answer."""
        return self._call("GET", path, None, {})

    def put(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """As `get`."""
        return self._call("PUT", path, orjson.dumps(body), {"Content-Type": "application/json"})

    def post(self, author: int, text: str, key: str, strategy: str = "write") -> tuple[int, Any]:
        """As `get`, with an Idempotency-Key."""
        body = orjson.dumps({"author_id": author, "text": text, "strategy": strategy})
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        return self._call("POST", "/api/posts", body, headers)

    def _call(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, Any]:
        begun = time.monotonic()
        if begun - self._last > KEPT_SECONDS:
            self.close()
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(
                    "127.0.0.1", self._port, timeout=self._timeout
                )
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
            content = answer.read()
            is_json = "json" in (answer.getheader("Content-Type") or "")
            return answer.status, orjson.loads(content) if is_json and content else None
        except (OSError, http.client.HTTPException):
            self.close()
            return 0, None
        finally:
            self._last = time.monotonic()
            self.seconds = self._last - begun

    def close(self) -> None:
        """Hangs up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def insist(client: Client, author: int, text: str, key: str, patience: float = 30) -> int:
    """Posts until it is accepted, always with the same key; the id."""
    end = time.monotonic() + patience
    while True:
        status, body = client.post(author, text, key)
        if status == 202:
            return int(body["post"]["id"])
        assert status in (0, 503), (status, body)
        assert time.monotonic() < end, "never accepted"
        time.sleep(0.02)


@contextlib.contextmanager
def in_background(*loops: Callable[[threading.Event], None]) -> Iterator[threading.Event]:
    """Runs the loops in threads until the block ends; each ends when the event is set. What they
    raise is raised here."""
    over = threading.Event()
    with ThreadPoolExecutor(len(loops)) as pool:
        running = [pool.submit(loop, over) for loop in loops]
        try:
            yield over
        finally:
            over.set()
        for loop in running:
            loop.result(timeout=60)


def quantile(values: list[float], q: float) -> float:
    """The value below which the share q lies; 0 without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else 0.0


def ms(seconds: float) -> str:
    """Seconds as milliseconds, for people."""
    return f"{seconds * 1000:,.0f} ms"
