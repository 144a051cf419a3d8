"""Who is offered on the page: three authors, and followers of the author to read as."""

from app.bootstrap import Services
from app.datasets.kinds import KINDS
from app.datasets.users import User

SAMPLE_PER_KIND = 40
SAMPLE_PER_SHARD = 2
OFFERED = 12


def cast(services: Services) -> list[User]:
    """One user of each kind, least followed first: a typical one, and the largest celebrity.

    Empty while no dataset is loaded.
    """
    users = services.users.of_each_kind(SAMPLE_PER_KIND)
    chosen: list[User] = []
    for kind in reversed(KINDS):
        alike = sorted((u for u in users if u.kind == kind), key=lambda user: user.followers)
        if alike:
            chosen.append(alike[-1] if kind == "celebrity" else alike[len(alike) // 2])
    return chosen


def followers_of(services: Services, author_id: int) -> list[User]:
    """A handful of the author's followers from all shards, those who follow most people first."""
    ids = services.engine.graph.some_followers(author_id, SAMPLE_PER_SHARD)
    users = services.users.get_many(ids[:OFFERED])
    return sorted(users, key=lambda user: user.following, reverse=True)
