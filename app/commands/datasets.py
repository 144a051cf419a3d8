"""`flask seed`, `flask load-edges`, `flask verify`: datasets from the command line."""

from __future__ import annotations

import gzip
import io
import random
import sys
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from app.bootstrap import Services
from app.commands.showing import bar, failing_clearly, measured_memory, tell
from app.datasets import verify as verifying
from app.datasets.presets import MAX_SEED, PRESETS
from app.engine.delivery.truth import Truth
from app.engine.store.keys import MAX_USER_ID

if TYPE_CHECKING:
    from app.datasets.edgelist import EdgeList

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
    with failing_clearly(), measured_memory(services) as memory, bar() as progress:
        task = progress.add_task("starting", total=1.0)
        loaded = services.datasets.load_preset(
            preset,
            number,
            lambda stage, share: progress.update(task, description=stage, completed=share),
        )
        progress.update(task, description="ready", completed=1.0)
    tell(loaded, memory)


@click.command("load-edges")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--undirected", is_flag=True, help="Each line is a friendship: both follow.")
@with_appcontext
def load_edges(file: str, undirected: bool) -> None:
    """Replace all users and posts by a graph from FILE, a SNAP edge list (- is standard input).

    One edge per line: `follower followee`, with blanks, tabs or a comma between. Empty lines and
    lines that start with # or % are skipped. A file that ends in .gz is unpacked. The whole
    file is checked before anything is changed.
    """
    services = _services()
    with failing_clearly(), measured_memory(services) as memory, bar() as progress:
        task = progress.add_task("checking the file", total=None)
        graph = _parsed(file, undirected)
        progress.update(task, total=1.0)
        loaded = services.datasets.load_graph(
            graph.population,
            lambda stage, share: progress.update(task, description=stage, completed=share),
        )
        progress.update(task, description="ready", completed=1.0)
    click.echo(
        f"Read {graph.lines:,} lines; left out {graph.duplicates:,} repeated edges and "
        f"{graph.self_loops:,} from a user to itself."
    )
    tell(loaded, memory)


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
    with failing_clearly():
        everyone = Truth(services.engine.store).users()
    if not everyone:
        raise click.ClickException("There are no users. Run `flask --app app.main seed` first.")
    chosen = _chosen(everyone, users, number)
    with failing_clearly(), bar() as progress:
        task = progress.add_task("publishing", total=posts or 1)
        verifying.publish_random(
            services.engine, posts, number, lambda done, _: progress.update(task, completed=done)
        )
        progress.update(task, description="waiting for the deliveries")
        verifying.drain(services.engine)
        progress.update(task, description="comparing", total=len(chosen), completed=0)
        verdict = verifying.compare(
            services.engine, chosen, lambda done, _: progress.update(task, completed=done)
        )
    services.engine.counters.flush(force=True)
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


def _parsed(file: str, undirected: bool) -> EdgeList:
    from app.datasets.edgelist import parse

    try:
        with _opened(file) as binary:
            # Bytes that are no UTF-8 become a broken line with its number, not a traceback.
            lines = io.TextIOWrapper(binary, encoding="utf-8", errors="replace")
            return parse(lines, MAX_USER_ID, undirected=undirected)
    except (OSError, EOFError, zlib.error) as error:
        raise click.ClickException(
            f"{file} cannot be read: {error}. Nothing was loaded."
        ) from error


def _opened(file: str) -> IO[bytes]:
    if file == "-":
        return sys.stdin.buffer
    path = Path(file)
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.open(path))
    return path.open("rb")


def _chosen(everyone: list[int], wanted: str, number: int) -> list[int]:
    if wanted == "all":
        return everyone
    if not (wanted.isascii() and wanted.isdecimal() and 0 < int(wanted) <= len(everyone)):
        raise click.BadParameter(
            f"{wanted!r} is neither `all` nor a number from 1 to {len(everyone)}",
            param_hint="--users",
        )
    return sorted(random.Random(number).sample(everyone, int(wanted)))
