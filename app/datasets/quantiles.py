"""How many followers real accounts have, and the same shape scaled to any number of users.

The figures are in `data/follower-quantiles.csv`. No simple formula has their shape, so the table
is the model.
"""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.datasets.data import lines
from app.datasets.draws import Numbers

Shares = NDArray[np.float64]

REAL_USERS: Final = 6_630_000
REAL_MEAN: Final = 12.9
"""Edges per account in the measured graph: 85.3 million edges over 6.63 million accounts."""


@cache
def real_quantiles() -> Shares:
    """Two rows: shares of the accounts, and the numbers of followers that these do not exceed.

    The first says that half of all accounts have at most one follower; nothing finer is known.
    """
    return np.loadtxt(lines("follower-quantiles.csv"), delimiter=",").T


def real_followers(share_above: Shares) -> Shares:
    """Followers of an account when the share `share_above` (0..1) of all accounts has more.

    Interpolates between the quantiles with both axes logarithmic, where the tail is nearly
    straight. Below the first quantile every account has its one follower. The largest account is
    one of REAL_USERS, so it stands half an account from the end, not at log(0).
    """
    nearest = 0.5 / REAL_USERS
    shares, followers = real_quantiles()
    known = -np.log(np.maximum(1.0 - shares, nearest))
    wanted = -np.log(np.maximum(share_above, nearest))
    found: Shares = np.exp(np.interp(wanted, known, np.log(followers)))
    return found


def scaled_followers(users: int, top: int, mean: float = REAL_MEAN) -> Numbers:
    """Follower counts of `users` accounts, largest first, shaped like the real ones.

    Account i of n takes the real count at the middle of its share, (i + 1/2) / n. The curve is
    then fitted to this size by one bend, x -> top * (1 - e^(-bend*x)) / (1 - e^-bend) with
    x = followers / largest: small accounts keep their proportions, only the few at the top move
    closer together or apart. The bend makes the average of the rounded counts as near to `mean` as
    whole numbers can be. Every count lies between 1 and `top`, and the first is `top`.

    Raises ValueError when no such curve exists.
    """
    if users < 2 or not 1 <= top < users or not 1.0 <= mean <= top:
        raise ValueError(f"no follower counts for users={users}, top={top}, mean={mean}")
    real = real_followers((np.arange(users) + 0.5) / users)
    share = real / real[0]

    def counts(bend: float) -> Numbers:
        bent: Shares = share if bend == 0 else np.expm1(-bend * share) / np.expm1(-bend)
        return (top * bent + 0.5).clip(min=1).astype(np.int64)

    # The more bend, the higher the average: halve the interval until it is met.
    low, high = -50.0, 50.0
    if counts(low).mean() > mean or counts(high).mean() < mean:
        raise ValueError(f"no curve of {users} accounts up to {top} has the average {mean}")
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if counts(middle).mean() > mean else (middle, high)
    return counts(low)
