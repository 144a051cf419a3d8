"""`flask seed`, `flask load-edges`, `flask verify`: datasets from the command line."""

import gzip
import random
import zlib
from collections.abc import Callable
from functools import partial
from typing import IO

import click
from flask.cli import with_appcontext

from app.commands.showing import Bar, failing_clearly
from app.current import services
from app.datasets import verify as verifying
from app.datasets.loads import Loaded, Progress
from app.datasets.presets import MAX_SEED, PRESETS
from app.engine.store.inspection import read_server
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
        told = _load(partial(services().loading.load_preset, preset, number), progress)
    click.echo(told)


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
        opened: Callable[..., IO[str]] = gzip.open if file.endswith(".gz") else click.open_file
        try:
            # Bytes that are no UTF-8 become a broken line with its number, not a traceback.
            with opened(file, "rt", encoding="utf-8", errors="replace") as lines:
                graph = loading.parse(lines, undirected=undirected)
        except (OSError, EOFError, zlib.error) as error:
            message = f"{file} cannot be read: {error}. Nothing was loaded."
            raise click.ClickException(message) from error
        told = _load(partial(loading.load_graph, graph.population), progress)
    click.echo(
        f"Read {graph.lines:,} lines; left out {graph.duplicates:,} repeated edges and "
        f"{graph.self_loops:,} from a user to itself."
    )
    click.echo(told)


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
    differences = verdict.differences
    click.echo(
        f"{verdict.users:,} users, {verdict.feeds:,} feeds, {verdict.pages:,} pages, "
        f"{verdict.posts:,} posts compared with the truth: {len(differences):,} feeds differ."
    )
    for found in differences[:SHOWN_DIFFERENCES]:
        wrong = f"{found.missing} posts missing, {found.extra} too many"
        click.echo(f"  user {found.user_id}, {found.strategy}: {wrong}", err=True)
    if differences:
        raise SystemExit(1)


def _load(load: Callable[[Progress], Loaded], bar: Bar) -> str:
    """Runs the load; says what was loaded, how fast, and how much memory it takes."""
    store = services().engine.store
    before = read_server(store)["memory_bytes"]
    loaded = load(bar.show)
    bar.show("ready", 1.0)
    after = read_server(store)["memory_bytes"]
    stages = ", ".join(f"{stage} {spent:.1f} s" for stage, spent in loaded.seconds.items())
    told = (
        f"Loaded {loaded.users:,} users and {loaded.edges:,} edges in "
        f"{sum(loaded.seconds.values()):.1f} s: {stages}. "
        f"{loaded.edges / loaded.seconds['loading']:,.0f} edges a second while loading."
    )
    if after and not loaded.removed_keys:
        grown = after - (before or 0)
        each = grown / max(1, loaded.edges)
        told += f"\nThe store grew by {grown / 1e6:,.1f} MB, {each:.1f} bytes for each edge."
    return told


def _chosen(everyone: list[int], wanted: str, number: int) -> list[int]:
    if wanted == "all":
        return everyone
    if not (wanted.isascii() and wanted.isdecimal() and 0 < int(wanted) <= len(everyone)):
        message = f"{wanted!r} is neither `all` nor a number from 1 to {len(everyone)}"
        raise click.BadParameter(message, param_hint="--users")
    return sorted(random.Random(number).sample(everyone, int(wanted)))
