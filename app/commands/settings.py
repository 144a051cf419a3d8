"""`settings`: the table of settings, for people and for the README."""

import click
from rich.console import Console
from rich.table import Table

from app.settings import table


@click.command("settings")
@click.option("--markdown", is_flag=True, help="As a Markdown table, as it stands in README.md.")
def show(markdown: bool) -> None:
    """Show every setting with its default and what it does."""
    if markdown:
        click.echo(as_markdown())
        return
    shown = Table("variable", "default", "what it does", box=None)
    for row in table():
        shown.add_row(row["env"], str(row["default"]), row["help"])
    Console().print(shown)


def as_markdown() -> str:
    """The table as README.md shows it; a test compares the two."""
    lines = ["| variable | default | what it does |", "|---|---|---|"]
    for row in table():
        default = "(empty)" if row["default"] == "" else f"`{row['default']}`"
        lines.append(f"| `{row['env']}` | {default} | {row['help']} |")
    return "\n".join(lines)
