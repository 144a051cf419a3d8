"""`flask repair` and `flask dead-letters`: maintain a running system."""

from collections.abc import Callable

import click
from flask.cli import AppGroup, with_appcontext

from app.commands.showing import Bar, failing_clearly
from app.current import services
from app.engine.delivery.repair import repair as repair_all
from app.engine.store.dead_letters import LIST_LIMIT

SHOWN_USERS = 20


@click.command("repair")
@with_appcontext
def repair() -> None:
    """Compare all timelines with the truth and rebuild those that differ.

    Also requeues unfinished jobs that the queue has lost, corrects the backlog counters, and
    deletes function libraries of other versions. Safe while web and workers run; what is still on
    its way to a timeline is no difference.
    """
    with failing_clearly(), Bar("comparing", None) as progress:
        found = repair_all(services().engine.data, progress.count)
    click.echo(
        f"{found.users:,} users, {found.timelines:,} timelines compared with the truth: "
        f"{len(found.differed):,} differed and were rebuilt."
    )
    for user in found.differed[:SHOWN_USERS]:
        click.echo(f"  user {user}", err=True)
    click.echo(f"{found.jobs_queued:,} lost jobs were requeued.")
    if found.libraries:
        click.echo(f"{found.libraries:,} function libraries of other versions were deleted.")
    for shard, (before, now) in found.backlogs.items():
        click.echo(f"The backlog of shard {shard} was counted as {before:,}; it is {now:,}.")


dead_letters = AppGroup("dead-letters", help="The dead-letter queue: jobs that kept failing.")


@dead_letters.command("list")
@click.option("--limit", type=click.IntRange(1, LIST_LIMIT), default=100, show_default=True)
def list_dead_letters(limit: int) -> None:
    """Show the newest dead letters and why they are there."""
    with failing_clearly():
        found = services().engine.dead_letters.list(limit)
    if not found:
        click.echo("The dead-letter queue is empty.")
    for each in found:
        click.echo(
            f"{each.id}  post {each.post_id} by {each.author_id}, {each.delivered:,} of "
            f"{each.recipients:,} delivered, {each.tries} failures: {each.reason}"
        )


@dead_letters.command("requeue")
@click.argument("ids", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All dead letters.")
def requeue(ids: tuple[str, ...], every: bool) -> None:
    """Requeue the jobs of dead letters; each goes on where it stopped."""
    count = _each(services().engine.dead_letters.requeue, ids, every)
    click.echo(f"{count:,} jobs were requeued.")


@dead_letters.command("discard")
@click.argument("ids", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All dead letters.")
def discard(ids: tuple[str, ...], every: bool) -> None:
    """Discard dead letters. Run `flask repair` then: some timelines may lack the posts."""
    count = _each(services().engine.dead_letters.discard, ids, every)
    click.echo(f"{count:,} dead letters were discarded. `flask repair` repairs the timelines.")


def _each(action: Callable[[str], object], ids: tuple[str, ...], every: bool) -> int:
    """Does it to the dead letters that are named, or to all; to how many."""
    if every == bool(ids):
        advice = "`flask dead-letters list` shows them."
        raise click.UsageError(f"Name the dead letters, or say --all. {advice}")
    with failing_clearly():
        listed = services().engine.dead_letters.list(LIST_LIMIT) if every else ()
        names = ids or [dead_letter.id for dead_letter in listed]
        for name in names:
            action(name)
    return len(names)
