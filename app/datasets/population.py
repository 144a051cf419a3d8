"""Made-up users and who follows whom, shaped like a real network.

Every author has exactly the number of followers that `quantiles.scaled_followers` gives to the
rank; who follows is drawn at random, and people differ in how many they follow. User ids are
1..n. The users of the top 0.1 % have the ids 1, 2, 3... from the most followed on, so that
"user 1" is the largest celebrity of every preset; all others are mixed at random.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np

from app.datasets.draws import Draws, Ids, Numbers
from app.datasets.loads import Report, unreported
from app.datasets.presets import checked_seed, preset_of
from app.datasets.quantiles import scaled_followers

MIN_FOLLOWING: Final = 3
"""Everyone follows at least this many, so that no feed is empty."""
_EAGERNESS: Final = ((600, 3), (250, 6), (100, 15), (45, 60), (5, 300))
"""How eager people are to follow others: (share of the users in 1/1000, weight). Most follow a
few; one in 200 follows some hundreds, which is what makes reading by pull expensive."""
_LARGE: Final = 64
"""Authors with more than 1/64 of all users as followers are drawn from everyone in one go; the
others one follower at a time, where drawing the same user twice is rare."""
_BLOCK: Final = 2_000_000
"""Edges of small authors made at a time, to bound the memory."""


@dataclass(frozen=True, slots=True)
class Population:
    """Who follows whom: `followers[i]` follows `authors[i]`, sorted by author, then follower.

    Both arrays hold user ids (int32). There are no duplicates and nobody follows themselves.
    `user_ids` are all users, ascending, whether they appear in an edge or not.
    """

    user_ids: Ids
    authors: Ids
    followers: Ids

    @property
    def users(self) -> int:
        """How many users there are."""
        return len(self.user_ids)

    @property
    def edges(self) -> int:
        """How many edges there are."""
        return len(self.authors)


def generate(preset: str, seed: int, report: Report = unreported) -> Population:
    """The population of a preset; the same for the same seed on every platform.

    Memory: about 40 bytes per edge while it works. Raises `BadRequest` for an unknown preset or
    a seed out of range.
    """
    size = preset_of(preset)
    return generate_sized(size.users, size.top, checked_seed(seed), report)


def generate_sized(users: int, top: int, seed: int, report: Report = unreported) -> Population:
    """A population of `users` people whose most followed user has `top` followers."""
    draws = Draws(seed)
    counts = scaled_followers(users, top)
    in_order = max(1, users // 1000)
    others = in_order + 1 + draws.shuffled(users - in_order)
    ranked = np.concatenate([np.arange(1, in_order + 1), others])
    crowd = _crowd(users, draws)
    report(0.05, 1)

    keys = np.empty(int(counts.sum()), dtype=np.int64)
    filled = 0
    large = int(np.searchsorted(-counts, -max(1, users // _LARGE), side="right"))
    for block in chain(
        _large_authors(counts[:large], ranked, crowd, draws),
        _small_authors(counts[large:], ranked[large:], users, crowd, draws),
    ):
        keys[filled : filled + len(block)] = block
        filled += len(block)
        report(0.05 + 0.7 * filled / len(keys), 1)
    keys.sort()
    report(0.85, 1)
    _feed_everyone(keys, users, draws)
    authors = (keys // (users + 1)).astype(np.int32)
    keys %= users + 1
    report(1, 1)
    return Population(np.arange(1, users + 1, dtype=np.int32), authors, keys.astype(np.int32))


def _crowd(users: int, draws: Draws) -> Ids:
    """User ids, each as often as the user is eager: a random element is a random follower."""
    shares, weights = np.array(_EAGERNESS).T
    eagerness = np.repeat(weights, shares)[draws.below(1000, users)]
    return np.repeat(np.arange(1, users + 1, dtype=np.int32), eagerness)


def _large_authors(counts: Numbers, ranked: Numbers, crowd: Ids, draws: Draws) -> Iterator[Numbers]:
    """Edges of each large author: the users with the smallest random number per eagerness."""
    users = len(ranked)
    weights = np.bincount(crowd, minlength=users + 1)[1:].astype(np.uint64)
    for author, count in zip(ranked, counts, strict=False):
        lots = draws.raw(users) // weights
        lots[author - 1] = np.iinfo(np.uint64).max
        chosen = np.argpartition(lots, count - 1)[:count] + 1
        yield author * (users + 1) + chosen


def _small_authors(
    counts: Numbers, authors: Numbers, users: int, crowd: Ids, draws: Draws
) -> Iterator[Numbers]:
    """Edges of all small authors, about _BLOCK at a time."""
    ends = np.cumsum(counts)
    start = 0
    while start < len(counts):
        limit = (ends[start - 1] if start else 0) + _BLOCK
        stop = max(start + 1, int(np.searchsorted(ends, limit, side="right")))
        yield _drawn_once(counts[start:stop], authors[start:stop], users, crowd, draws)
        start = stop


def _drawn_once(counts: Numbers, authors: Numbers, users: int, crowd: Ids, draws: Draws) -> Numbers:
    """`counts[i]` different followers for `authors[i]`: draw, drop what is double, draw again."""
    keys = np.empty(0, dtype=np.int64)
    missing = counts
    while missing.any():
        wanted = np.repeat(authors, missing)
        drawn = crowd[draws.below(len(crowd), len(wanted))]
        fresh = (wanted * (users + 1) + drawn)[wanted != drawn]
        keys = _distinct_sorted(np.concatenate([keys, np.sort(fresh)]))
        missing = counts - np.bincount(keys // (users + 1), minlength=users + 1)[authors]
    return keys


def _distinct_sorted(keys: Numbers) -> Numbers:
    """The different keys, ascending. Quick where the input is made of a few sorted runs;
    numpy's own `unique` hashes, which took thirty times as long here."""
    keys = np.sort(keys, kind="stable")
    return keys[np.concatenate([[True], keys[1:] != keys[:-1]])] if len(keys) else keys


def _feed_everyone(keys: Numbers, users: int, draws: Draws) -> None:
    """Hands edges of eager followers to those who follow fewer than MIN_FOLLOWING.

    The author keeps the number of followers; only who follows changes. Donors follow more than
    twice the minimum, and one who gave too much is served in the next round.
    """
    width = users + 1
    while True:
        followers = keys % width
        following = np.bincount(followers, minlength=width)
        short = np.maximum(0, MIN_FOLLOWING - following)
        short[0] = 0
        needy = np.repeat(np.arange(width), short)
        if not len(needy):
            return
        given = _distinct_sorted(draws.below(len(keys), 4 * len(needy)))
        given = given[following[followers[given]] > 2 * MIN_FOLLOWING]
        given = given[np.argsort(draws.raw(len(given)), kind="stable")][: len(needy)]
        moved = keys[given] // width * width + needy[: len(given)]
        moved, firsts = np.unique(moved, return_index=True)
        position = np.minimum(np.searchsorted(keys, moved), len(keys) - 1)
        good = (keys[position] != moved) & (moved // width != moved % width)
        keys[given[firsts[good]]] = moved[good]
        keys.sort()
