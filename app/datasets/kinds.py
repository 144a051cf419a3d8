"""Celebrity, popular or regular: by the number of followers, against thresholds of the dataset.

A fixed number would call nobody a celebrity in a small dataset and thousands in a large one, so
the thresholds follow from the ranks: in the measured graph the top 0.1 % of the users hold
about half of all edges and the top 1 % two thirds (`data/follower-quantiles.csv`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["celebrity", "popular", "regular"]
KINDS: tuple[Kind, ...] = ("celebrity", "popular", "regular")

CELEBRITY_SHARE: Final = 1000
POPULAR_SHARE: Final = 100
"""One in so many users is a celebrity, or at least popular."""
MIN_CELEBRITIES: Final = 5
MIN_POPULAR: Final = 30
"""Even a small dataset has this many users at or above each threshold, but never more than
a tenth of all users, or a quarter."""
UNREACHED: Final = 2**31
"""The thresholds while there is no dataset: all users are regular."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Followers from which on a user is a celebrity, or popular."""

    celebrity_from: int = UNREACHED
    popular_from: int = UNREACHED


def kind_of(followers: int, thresholds: Thresholds) -> Kind:
    """The kind of a user with that many followers."""
    if followers >= thresholds.celebrity_from:
        return "celebrity"
    if followers >= thresholds.popular_from:
        return "popular"
    return "regular"


def thresholds_of(descending: Sequence[int]) -> Thresholds:
    """Thresholds for a dataset, from the follower counts of all its users, largest first.

    The count at the rank is the threshold. Where so many users share that count that the
    kind would be more than twice as large as meant, the threshold is one above it: in a graph
    where all are equal, all are regular.
    """
    users = len(descending)
    celebrities = min(max(MIN_CELEBRITIES, users // CELEBRITY_SHARE), -(-users // 10))
    popular = min(max(MIN_POPULAR, users // POPULAR_SHARE), -(-users // 4))

    def count_at(rank: int) -> int:
        crowded = 2 * rank < users and descending[2 * rank] >= descending[rank - 1]
        return max(1, descending[rank - 1] + crowded)

    if not users:
        return Thresholds(1, 1)
    celebrity = count_at(celebrities)
    return Thresholds(celebrity, min(count_at(popular), celebrity))
