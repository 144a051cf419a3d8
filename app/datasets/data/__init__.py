"""The data files beside this module: names, first posts, follower counts."""

from pathlib import Path


def lines(name: str) -> list[str]:
    """The lines of a file, in order, without comments (#) and empty ones."""
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]
