"""The generated datasets one can choose from. No numpy here: the web process reads this too."""

from dataclasses import dataclass
from typing import Final

from app.engine.errors import BadRequest

MAX_SEED: Final = 2**53 - 1
"""Largest seed: the largest whole number that is exact in JSON readers too."""


@dataclass(frozen=True, slots=True)
class Preset:
    """Size of a generated dataset: its users, and the followers of the most followed user."""

    users: int
    top: int


PRESETS: Final = {
    # The first three: nearly everyone follows the most followed user, the worst case there is.
    "small": Preset(1_000, 950),
    "medium": Preset(20_000, 19_000),
    "large": Preset(200_000, 190_000),
    # Large enough for the real ratio: the most followed real user has 564,512 followers.
    "huge": Preset(1_000_000, 500_000),
}


def preset_of(name: str) -> Preset:
    """The preset of that name; raises `BadRequest` with the names there are."""
    if name not in PRESETS:
        raise BadRequest(f"There is no preset {name!r}; choose one of {', '.join(PRESETS)}.")
    return PRESETS[name]


def checked_seed(seed: int) -> int:
    """The seed itself; raises `BadRequest` outside 0..MAX_SEED."""
    if not 0 <= seed <= MAX_SEED:
        raise BadRequest(f"The seed must be between 0 and {MAX_SEED}.")
    return seed
