"""Row 9: feed pages over HTTP, against a bare Flask route on the same server."""

import json
import subprocess
import sys
import urllib.request
from contextlib import ExitStack

from bench.context import Context, environment
from bench.measure import Outcome, Target, alternate
from bench.processes import GUNICORN, ROOT, free_port, listens, python, wait_until
from bench.rows import Row

SECONDS = 2.0
CONNECTIONS = 8


def pages(context: Context) -> Outcome:
    """Feed pages of 20 a second, under the project's gunicorn configuration."""
    fixture = context.fixture
    with ExitStack() as stack:
        ours_port, bare_port = free_port(), free_port()
        _gunicorn(stack, "app.main:create_app()", ours_port, fixture.url)
        _gunicorn(stack, "bench.bare_app:app", bare_port, fixture.url)
        paths = [f"/api/feed/{reader}?strategy=write" for reader in fixture.page_readers]
        page = _get(ours_port, paths[0])
        if len(json.loads(page)["items"]) != 20:
            raise AssertionError("the page does not have 20 posts")
        _put(bare_port, page)
        same = json.loads(_get(bare_port, "/page")) == json.loads(page)
        if not same:
            raise AssertionError("the bare route does not answer with the same page")
        figures = alternate(
            context.rounds, lambda: _load(ours_port, paths), lambda: _load(bare_port, ["/page"])
        )
    note = (
        f"{CONNECTIONS} kept-alive connections from a process of ours that only counts answers; "
        "the bare route answers with the same 20 posts from memory"
    )
    return Outcome("pages/s", *figures, notes=[note])


def _gunicorn(stack: ExitStack, app: str, port: int, url: str) -> None:
    stack.enter_context(python(*GUNICORN, app, PORT=str(port), **environment(url)))
    wait_until(lambda: listens(port), 20, f"gunicorn listens on port {port}")


def _get(port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        body: bytes = answer.read()
        return body


def _put(port: int, page: bytes) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/page", data=page, method="PUT")
    urllib.request.urlopen(request, timeout=10).close()


def _load(port: int, paths: list[str]) -> float:
    """Answers a second from the load generator's process."""
    command = ["-m", "bench.load", str(port), str(SECONDS), str(CONNECTIONS), *paths]
    run = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return float(run.stdout)


ROWS = [
    Row(
        9,
        "HTTP: feed pages of 20 under gunicorn",
        "a bare Flask route with the same JSON on the same gunicorn",
        Target(True, 0.65),
        pages,
    )
]
