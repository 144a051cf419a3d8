"""`flask seed`, `flask load-edges`, `flask verify`: datasets from the command line."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click
from flask import Flask, current_app
from flask.cli import with_appcontext
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from app.domain.errors import FanoutError
from app.domain.presets import MAX_SEED, PRESETS
from app.services import verify as verifying
from app.services.container import Services
from app.storage import keys

if TYPE_CHECKING:
    from app.domain.edgelist import EdgeList
    from app.services.loading import Loaded

SHOWN_DIFFERENCES = 10


def register(app: Flask) -> None:
    """Adds the commands to the application's command line."""
    for command in (seed, load_edges, verify):
        app.cli.add_command(command)


@click.command("seed")
@click.argument("preset", type=click.Choice([*PRESETS]), default="medium")
@click.option(
    "--seed",
    "number",
    type=click.IntRange(0, MAX_SEED),
    help="Another number gives other people.  [default: FANOUT_SEED]",
)
@with_appcontext
def seed(preset: str, number: int | None) -> None:
    """Replace all users and posts by a generated dataset: small, medium, large or huge."""
    services = _services()
    number = services.settings.seed if number is None else number
    with _failing_clearly(), _memory(services) as memory, _bar() as bar:
        task = bar.add_task("starting", total=1.0)
        loaded = services.datasets.load_preset(
            preset,
            number,
            lambda stage, share: bar.update(task, description=stage, completed=share),
        )
        bar.update(task, description="ready", completed=1.0)
    _tell(loaded, memory)


@click.command("load-edges")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--undirected", is_flag=True, help="Each line is a friendship: both follow.")
@with_appcontext
def load_edges(file: str, undirected: bool) -> None:
    """Replace all users and posts by a graph from FILE, a SNAP edge list (- is standard input).

    One edge per line: `follower followee`, with blanks, tabs or a comma between. Empty lines and
    lines that start with # or % are passed over. A file that ends in .gz is unpacked. The whole
    file is checked before anything is changed.
    """
    services = _services()
    with _failing_clearly(), _memory(services) as memory, _bar() as bar:
        task = bar.add_task("checking the file", total=None)
        graph = _parsed(file, undirected)
        bar.update(task, total=1.0)
        loaded = services.datasets.load_graph(
            graph.population,
            lambda stage, share: bar.update(task, description=stage, completed=share),
        )
        bar.update(task, description="ready", completed=1.0)
    click.echo(
        f"Read {graph.lines:,} lines; dropped {graph.duplicates:,} repeated edges and "
        f"{graph.self_loops:,} from a user to itself."
    )
    _tell(loaded, memory)


@click.command("verify")
@click.option("--posts", type=click.IntRange(0), default=1_000, help="Random posts made first.")
@click.option("--users", default="all", help="`all`, or how many to draw at random.")
@click.option("--seed", "number", type=click.IntRange(0), default=1, help="Of the random choice.")
@with_appcontext
def verify(posts: int, users: str, number: int) -> None:
    """Compare feeds under every strategy, on all pages, with the brute-force truth.

    Publishes random posts under random strategies, waits until all are delivered, then compares.
    Exits with 1 when a feed differs.
    """
    services = _services()
    with _failing_clearly():
        everyone = verifying.Truth(services.store).users()
    if not everyone:
        raise click.ClickException("There are no users. Run `flask --app app.main seed` first.")
    chosen = _chosen(everyone, users, number)
    with _failing_clearly(), _bar() as bar:
        task = bar.add_task("publishing", total=posts or 1)
        verifying.publish_random(
            services, posts, number, lambda done, _: bar.update(task, completed=done)
        )
        bar.update(task, description="waiting for the deliveries")
        verifying.drain(services)
        bar.update(task, description="comparing", total=len(chosen), completed=0)
        verdict = verifying.compare(
            services, chosen, lambda done, _: bar.update(task, completed=done)
        )
    services.counters.flush(force=True)
    click.echo(
        f"{verdict.users:,} users, {verdict.feeds:,} feeds, {verdict.pages:,} pages, "
        f"{verdict.posts:,} posts compared with the truth: "
        f"{len(verdict.differences):,} feeds differ."
    )
    for found in verdict.differences[:SHOWN_DIFFERENCES]:
        click.echo(
            f"  user {found.user_id}, {found.strategy}: "
            f"{found.missing} posts missing, {found.extra} too many",
            err=True,
        )
    if verdict.differences:
        raise SystemExit(1)


def _services() -> Services:
    services: Services = current_app.extensions["fanout"]
    return services


def _bar() -> Progress:
    """A progress bar on standard error, so that the result can be piped."""
    return Progress(
        TextColumn("{task.description:24}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )


@contextmanager
def _failing_clearly() -> Iterator[None]:
    """Turns what may go wrong into one line and exit code 1."""
    try:
        yield
    except FanoutError as error:
        raise click.ClickException(error.detail) from error
    except TimeoutError as error:
        raise click.ClickException(str(error)) from error


class _Memory:
    """The store's memory before and after a load, in bytes; None where it does not tell."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.before = self._now()
        self.after: int | None = None

    def _now(self) -> int | None:
        used: int | None = self._services.heartbeats.server()["memory_bytes"]
        return used

    def finish(self) -> None:
        self.after = self._now()


@contextmanager
def _memory(services: Services) -> Iterator[_Memory]:
    memory = _Memory(services)
    yield memory
    memory.finish()


def _tell(loaded: Loaded, memory: _Memory) -> None:
    seconds = loaded.seconds
    click.echo(
        f"Loaded {loaded.users:,} users and {loaded.edges:,} edges in "
        f"{sum(seconds.values()):.1f} s: "
        + ", ".join(f"{stage} {spent:.1f} s" for stage, spent in seconds.items())
        + f". {loaded.edges / seconds['loading']:,.0f} edges a second while loading."
    )
    if memory.after and not loaded.removed_keys:
        grown = memory.after - (memory.before or 0)
        click.echo(
            f"The store grew by {grown / 1e6:,.1f} MB, {grown / max(1, loaded.edges):.1f} bytes "
            "for each edge."
        )


def _parsed(file: str, undirected: bool) -> EdgeList:
    from app.domain.edgelist import parse

    with _opened(file) as lines:
        return parse(lines, keys.MAX_USER_ID, undirected=undirected)


def _opened(file: str) -> TextIO:
    # Bytes that are no UTF-8 become a broken line with its number, not a traceback.
    if file == "-":
        return click.get_text_stream("stdin", errors="replace")
    if Path(file).suffix == ".gz":
        return gzip.open(file, "rt", encoding="utf-8", errors="replace")
    return Path(file).open(encoding="utf-8", errors="replace")


def _chosen(everyone: list[int], wanted: str, number: int) -> list[int]:
    if wanted == "all":
        return everyone
    if not (wanted.isascii() and wanted.isdecimal() and 0 < int(wanted) <= len(everyone)):
        raise click.BadParameter(
            f"{wanted!r} is neither `all` nor a number from 1 to {len(everyone)}",
            param_hint="--users",
        )
    return sorted(random.Random(number).sample(everyone, int(wanted)))
