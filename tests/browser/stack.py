"""The whole product as real processes: a store, a web process, a worker, on free ports."""

import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from bench import servers
from bench.processes import ROOT, WEB, WORKER, Process, end, free_port, wait_until


class Stack:
    """Starts with `start`, ends with `stop`. The store can be stopped and started in between."""

    def __init__(self, dataset: str = "small", **settings: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="fanout-browser-")
        self.store_port, self.web_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.web_port}"
        self._env = {
            **os.environ,
            "PORT": str(self.web_port),
            "REDIS_URL": "",
            "REDIS_PORT": str(self.store_port),
            "FANOUT_DATASET": dataset,
            "FANOUT_OWNS_STORE": "1",
            "FANOUT_WEB_WORKERS": "1",
            **settings,
        }
        self._store: Process | None = None
        self._others: list[Process] = []

    def start(self, patience: float = 90) -> None:
        """Returns when /readyz says that posts can be accepted and delivered."""
        self.start_store()
        self._run(*WEB)
        self._run(*WORKER)
        wait_until(self._ready, patience, lambda: f"ready\n{self.log()}")

    def start_store(self) -> None:
        """Starts the store on what it had written before."""
        self._store = servers.start(self._folder.name, self.store_port, "--appendonly", "yes")

    def stop_store(self) -> None:
        """Stops the store; it writes what it has first."""
        if self._store:
            end(self._store, seconds=30)
            self._store = None

    def stop(self) -> None:
        """Ends all processes that this object started."""
        end(*self._others)
        self.stop_store()
        self._folder.cleanup()

    def call(self, path: str, body: dict[str, Any] | None = None, method: str = "") -> Any:
        """One request to the API as curl would make it; the JSON of the answer."""
        data = None if body is None else orjson.dumps(body)
        request = urllib.request.Request(
            self.url + path,
            data,
            {"Content-Type": "application/json"},
            method=method or ("GET" if body is None else "POST"),
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return orjson.loads(answer.read() or b"null")

    def users(self, kind: str, limit: int = 5) -> list[dict[str, Any]]:
        """Users of a kind, most followed first."""
        found: list[dict[str, Any]] = self.call(f"/api/users?kind={kind}&limit={limit}")["users"]
        return found

    def drain(self, patience: float = 30) -> None:
        """Workers at full speed, and returns when nothing is left to deliver."""
        self.call("/api/workers", {"paused": False, "deliveries_per_second": None}, "PUT")
        wait_until(lambda: not self.call("/api/metrics")["queue"]["backlog"], patience, "drained")

    def log(self) -> str:
        """The last lines that web and worker have written."""
        text = (Path(self._folder.name) / "log").read_text(errors="replace")
        return text[-2000:]

    def _run(self, *arguments: str) -> None:
        with (Path(self._folder.name) / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments], cwd=ROOT, env=self._env, stdout=log, stderr=log
            )
        self._others.append(process)

    def _ready(self) -> bool:
        with suppress(urllib.error.URLError, OSError):
            return bool(self.call("/readyz")["status"] == "ready")
        return False
