"""Human names computed from the user's id alone: nothing to store, the same on every machine."""

from functools import cache
from itertools import product
from math import gcd
from typing import Final

from app.datasets.data import lines

NAMES: Final = 32
"""First names, and last names, in the list of each culture."""
CULTURES: Final = 20
PAIRS: Final = CULTURES * NAMES * NAMES
"""Pairs of a first and a last name of the same culture."""
_INITIALS: Final = [f"{char}." for char in "ABCDEFGHJKLMNOPRSTVW"]
_MIDDLES: Final = [initials for n in range(3) for initials in product(_INITIALS, repeat=n)]
"""The initials of each block of PAIRS users: none, then one, then two."""
_STEP: Final = next(step for step in range(int(PAIRS * 0.618), PAIRS) if gcd(step, PAIRS) == 1)
"""Its multiples meet every pair once: it shares no factor with PAIRS. It is near PAIRS divided by
the golden ratio, so neighbours get distant names."""


@cache
def cultures() -> list[tuple[list[str], list[str]]]:
    """(first names, last names) of each culture."""
    lists = [line.split(", ") for line in lines("names.txt")]
    return list(zip(lists[::2], lists[1::2], strict=True))


def name_of(user_id: int, seed: int = 1) -> str:
    """The name of a user, such as "Amara Okafor" or "Jun R. Watanabe".

    Every pair of the lists is used once before one is used again, so only the few names that two
    cultures have in common occur twice among PAIRS users. Each further block of PAIRS ids gets
    another middle initial, then two of them; names start to repeat after PAIRS * 421 ids.
    Another seed gives everyone another name.
    """
    block, position = divmod(user_id, PAIRS)
    pair = ((position + seed) * _STEP + block) % PAIRS
    pair, culture = divmod(pair, CULTURES)
    first, last = divmod(pair, NAMES)
    first_names, last_names = cultures()[culture]
    return " ".join([first_names[first], *_MIDDLES[block % len(_MIDDLES)], last_names[last]])
