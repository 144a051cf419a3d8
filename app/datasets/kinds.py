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


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Followers from which on a user is a celebrity, or popular."""

    celebrity_from: int
    popular_from: int


ALL_REGULAR: Final = Thresholds(2**31, 2**31)
"""For a store without a dataset: nobody reaches these."""


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
    known = min(max(MIN_POPULAR, users // POPULAR_SHARE), -(-users // 4))
    celebrity, popular = _count_at(descending, celebrities), _count_at(descending, known)
    return Thresholds(celebrity, min(popular, celebrity))


def _count_at(descending: Sequence[int], rank: int) -> int:
    if not len(descending):
        return 1
    count = int(descending[rank - 1])
    crowded = 2 * rank < len(descending) and descending[2 * rank] >= count
    return max(1, count + crowded)
