"""A copy of the project in a folder of its own, in which the scripts may start and stop things."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.processes import free_port, wait_until

PROJECT = Path(__file__).resolve().parents[2]
PARTS = [
    *("app", "config", "scripts", "static", "templates"),
    *("start.sh", "stop.sh", "restart.sh", "status.sh", "test.sh"),
    *("Dockerfile", ".dockerignore", "docker-compose.yml", "docker-compose.cluster.yml"),
    *("requirements.txt", "requirements-dev.txt", "pyproject.toml"),
]


@dataclass
class Checkout:
    """The folder, and the environment its scripts run with."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path) -> "Checkout":
        """Copies what the scripts need; the virtual environment of this test run is shared."""
        folder.mkdir(parents=True)
        for part in PARTS:
            source = PROJECT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, folder / part)
        (folder / ".venv").symlink_to(sys.prefix)
        env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FANOUT_", "REDIS_", "COMPOSE_")) and name != "PORT"
        }
        env |= {"PORT": str(free_port()), "REDIS_PORT": str(free_port()), "FANOUT_DATASET": "small"}
        return cls(folder, env)

    def run(self, script: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Runs one of the scripts to its end, without a terminal, from another folder."""
        return subprocess.run(
            [str(self.folder / script), *arguments],
            cwd=self.folder.parent,
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )

    def begin(self, script: str, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """Begins a script as the leader of a process group, so that it can be sent a Ctrl-C."""
        return subprocess.Popen(
            [str(self.folder / script), *arguments],
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def status(self) -> dict[str, Any]:
        """What ./status.sh --json prints."""
        found: dict[str, Any] = json.loads(self.run("status.sh", "--json").stdout)
        return found

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """One HTTP request to the page's port: status code and JSON (or the text)."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.env['PORT']}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"} if body is not None else {},
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                code, raw = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                code, raw = error.code, error.read().decode()
        try:
            return code, json.loads(raw)
        except ValueError:
            return code, raw

    def answers(self, path: str) -> bool:
        """Does this path answer with 200?"""
        try:
            return self.call("GET", path)[0] == 200
        except OSError:
            return False

    def fanned_out(self, post_id: int, seconds: float = 20) -> None:
        """Waits until every delivery of the post is made."""

        def done() -> bool:
            code, fanout = self.call("GET", f"/api/posts/{post_id}/fanout")
            return code == 200 and fanout["status"] == "done"

        wait_until(done, seconds, f"the fan-out of post {post_id} is done")

    def everywhere_equal(self, user_id: int) -> bool:
        """Do all strategies give this user the same feed?"""
        code, answer = self.call("GET", f"/api/compare/{user_id}")
        return code == 200 and bool(answer["identical"])


def end(pid: int) -> None:
    """Kills one process, if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
