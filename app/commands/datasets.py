"""`flask seed`, `flask load-edges`, `flask verify`: datasets from the command line."""

import gzip
import io
import random
import sys
import zlib
from pathlib import Path
from typing import IO, cast

import click
from flask.cli import with_appcontext

from app.commands.showing import Bar, failing_clearly, memory_bytes, tell
from app.current import services
from app.datasets import verify as verifying
from app.datasets.presets import MAX_SEED, PRESETS
from app.engine.store.truth import Truth

SHOWN_DIFFERENCES = 10


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
    number = services().settings.seed if number is None else number
    with failing_clearly(), Bar("starting") as progress:
        before = memory_bytes(services())
        loaded = services().loading.load_preset(preset, number, progress.show)
        progress.show("ready", 1.0)
        after = memory_bytes(services())
    tell(loaded, before, after)


@click.command("load-edges")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--undirected", is_flag=True, help="Each line is a friendship: both follow.")
@with_appcontext
def load_edges(file: str, undirected: bool) -> None:
    """Replace all users and posts by a graph from FILE, a SNAP edge list (- is standard input).

    One edge per line: `follower author`, with blanks, tabs or a comma between. Empty lines and
    lines that start with # or % are skipped. A file that ends in .gz is unpacked. The whole
    file is checked before anything is changed.
    """
    loading = services().loading
    with failing_clearly(), Bar("checking the file", None) as progress:
        before = memory_bytes(services())
        try:
            with _opened(file) as binary:
                # Bytes that are no UTF-8 become a broken line with its number, not a traceback.
                lines = io.TextIOWrapper(binary, encoding="utf-8", errors="replace")
                graph = loading.parse(lines, undirected=undirected)
        except (OSError, EOFError, zlib.error) as error:
            message = f"{file} cannot be read: {error}. Nothing was loaded."
            raise click.ClickException(message) from error
        loaded = loading.load_graph(graph.population, progress.show)
        progress.show("ready", 1.0)
        after = memory_bytes(services())
    click.echo(
        f"Read {graph.lines:,} lines; left out {graph.duplicates:,} repeated edges and "
        f"{graph.self_loops:,} from a user to itself."
    )
    tell(loaded, before, after)


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
    engine = services().engine
    with failing_clearly():
        everyone = Truth(engine.store).users()
    if not everyone:
        raise click.ClickException("There are no users. Run `flask --app app.main seed` first.")
    chosen = _chosen(everyone, users, number)
    with failing_clearly(), Bar("publishing") as progress:
        verifying.publish_random(engine, posts, number, progress.count)
        progress.show("waiting for the deliveries", 1.0)
        verifying.drain(engine)
        progress.show("comparing", 0.0)
        verdict = verifying.compare(engine, chosen, progress.count)
    engine.counters.flush(force=True)
    click.echo(
        f"{verdict.users:,} users, {verdict.feeds:,} feeds, {verdict.pages:,} pages, "
        f"{verdict.posts:,} posts compared with the truth: "
        f"{len(verdict.differences):,} feeds differ."
    )
    for found in verdict.differences[:SHOWN_DIFFERENCES]:
        line = f"  user {found.user_id}, {found.strategy}: "
        click.echo(f"{line}{found.missing} posts missing, {found.extra} too many", err=True)
    if verdict.differences:
        raise SystemExit(1)


def _opened(file: str) -> IO[bytes]:
    if file == "-":
        return sys.stdin.buffer
    path = Path(file)
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _chosen(everyone: list[int], wanted: str, number: int) -> list[int]:
    if wanted == "all":
        return everyone
    if not (wanted.isascii() and wanted.isdecimal() and 0 < int(wanted) <= len(everyone)):
        raise click.BadParameter(
            f"{wanted!r} is neither `all` nor a number from 1 to {len(everyone)}",
            param_hint="--users",
        )
    return sorted(random.Random(number).sample(everyone, int(wanted)))
