"""Whom a page offers of each kind: the most followed ones, and a sample of ordinary users."""

from typing import Final

import numpy as np

from app.datasets.draws import Draws, Ids
from app.datasets.kinds import Kind, Thresholds
from app.datasets.population import MIN_FOLLOWING, Population

DIRECTORY_SIZE: Final = 100
"""Users offered of each kind."""


def follower_counts(population: Population) -> Ids:
    """Followers of each of `population.user_ids`, in their order."""
    positions = np.searchsorted(population.user_ids, population.authors)
    return np.bincount(positions, minlength=population.users).astype(np.int32)


def directories_of(
    population: Population, counts: Ids, thresholds: Thresholds, seed: int
) -> dict[Kind, list[int]]:
    """Up to DIRECTORY_SIZE users of each kind, most followed first.

    Regular users are a sample, by `seed`, of those who follow at least MIN_FOLLOWING others, among
    them the most followed user of all: it is among the authors of the first posts, so nobody
    who is offered starts with an empty feed. Where nobody is like that, any regular user will do.
    `counts` are the `follower_counts`.
    """
    ids = population.user_ids
    ranked = np.argsort(-counts, kind="stable")
    celebrity = ranked[counts[ranked] >= thresholds.celebrity_from]
    popular = ranked[counts[ranked] >= thresholds.popular_from][len(celebrity) :]
    positions = np.searchsorted(ids, population.followers)
    following = np.bincount(positions, minlength=population.users)
    regular = counts < thresholds.popular_from
    with_posts = np.isin(ids, population.followers[population.authors == ids[ranked[0]]])
    readers = np.flatnonzero(regular & with_posts & (following >= MIN_FOLLOWING))
    if not len(readers):
        readers = np.flatnonzero(regular)
    sample = readers[Draws(seed).shuffled(len(readers))[:DIRECTORY_SIZE]]
    sample = sample[np.argsort(-counts[sample], kind="stable")]
    return {
        "celebrity": ids[celebrity[:DIRECTORY_SIZE]].tolist(),
        "popular": ids[popular[:DIRECTORY_SIZE]].tolist(),
        "regular": ids[sample].tolist(),
    }
