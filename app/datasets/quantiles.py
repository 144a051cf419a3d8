"""How many followers real accounts have, and the same shape scaled to any number of users.

The figures are quantiles of the follower counts of 6.63 million real Twitter accounts joined
by 85.3 million edges (mean 12.9). The most followed 1 % of the accounts hold 65 % of the edges,
the most followed 0.1 % hold 48 %. No simple formula has this shape, so the table is the model.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

REAL_USERS: Final = 6_630_000
REAL_MEAN: Final = 12.9
"""Edges per account in the measured graph: 85.3 million edges over 6.63 million accounts."""

REAL_QUANTILES: Final[tuple[tuple[float, int], ...]] = (
    (0.5, 1),
    (0.57, 2),
    (0.6, 2),
    (0.65, 2),
    (0.7, 2),
    (0.75, 3),
    (0.8, 4),
    (0.85, 6),
    (0.9, 10),
    (0.925, 14),
    (0.95, 23),
    (0.97, 40),
    (0.98, 60),
    (0.99, 117),
    (0.995, 208),
    (0.999, 841),
    (0.9995, 2_095),
    (0.9999, 12_472),
    (0.99995, 23_690),
    (0.99999, 66_634),
    (0.999999, 158_041),
    (1.0, 564_512),
)
"""(share of the accounts, number of followers that this share does not exceed), as measured.

The first row says that half of all accounts have at most one follower; nothing finer is known.
"""

_SHARES = np.array([share for share, _ in REAL_QUANTILES])
_FOLLOWERS = np.array([float(followers) for _, followers in REAL_QUANTILES])


def real_followers(share_above: NDArray[np.float64]) -> NDArray[np.float64]:
    """Followers of an account when the share `share_above` (0..1) of all accounts has more.

    Interpolates between the table's rows with both axes logarithmic, where the tail is nearly
    straight. Below the table's first row every account has that row's one follower. The largest
    account is one of REAL_ACCOUNTS, so it stands half an account from the end, not at log(0).
    """
    nearest = 0.5 / REAL_USERS
    rows = -np.log(np.maximum(1.0 - _SHARES, nearest))
    wanted = -np.log(np.maximum(share_above, nearest))
    found: NDArray[np.float64] = np.exp(np.interp(wanted, rows, np.log(_FOLLOWERS)))
    return found


def scaled_followers(users: int, top: int, mean: float = REAL_MEAN) -> NDArray[np.int64]:
    """Follower counts of `users` accounts, largest first, shaped like the real ones.

    Account i of n takes the real count at the middle of its share, (i + 1/2) / n. The curve is
    then fitted to a world of this size by one bend, x -> top * (1 - e^(-bend*x)) / (1 - e^-bend)
    with x = followers / largest: small accounts keep their proportions, and only the few at the
    top are pressed together (where fewer users exist than they have fans) or drawn apart. The
    bend is chosen so that the rounded counts have the average `mean`, as nearly as whole numbers
    can. Every count lies between 1 and `top`, and the first is `top`. Raises ValueError when no
    such curve exists.
    """
    if users < 2 or not 1 <= top < users or not 1.0 <= mean <= top:
        raise ValueError(f"no follower counts for users={users}, top={top}, mean={mean}")
    real = real_followers((np.arange(users) + 0.5) / users)
    share = real / real[0]

    def counts(bend: float) -> NDArray[np.int64]:
        bent = share if bend == 0 else np.expm1(-bend * share) / np.expm1(-bend)
        rounded: NDArray[np.float64] = np.maximum(1.0, np.floor(top * bent + 0.5))
        return rounded.astype(np.int64)

    # The more bend, the higher the average: halve the interval until it is met.
    low, high = -50.0, 50.0
    if counts(low).mean() > mean or counts(high).mean() < mean:
        raise ValueError(f"no curve of {users} accounts up to {top} has the average {mean}")
    for _ in range(40):
        middle = (low + high) / 2
        if counts(middle).mean() > mean:
            high = middle
        else:
            low = middle
    return counts(low)
