"""Who is offered on the page: three authors, and followers of the author to read as."""

from __future__ import annotations

from app.bootstrap import Services
from app.datasets.kinds import KINDS
from app.datasets.users import User

SAMPLE_PER_SHARD = 2
OFFERED = 12


def cast(services: Services) -> list[User]:
    """One user of each kind, least followed first: a typical one, and the largest celebrity.

    Empty while no dataset is loaded.
    """
    chosen: list[User] = []
    for kind in reversed(KINDS):
        users = sorted(services.users.list(kind, 40), key=lambda user: user.followers)
        if users:
            chosen.append(users[-1] if kind == "celebrity" else users[len(users) // 2])
    return chosen


def followers_of(services: Services, author_id: int) -> list[User]:
    """A handful of the author's followers from all shards, those who follow most people first."""
    store = services.engine.store
    batch = store.batch()
    for shard in range(store.shards):
        batch.add("LRANGE", store.keys.followers(shard, author_id), 0, SAMPLE_PER_SHARD - 1)
    ids = [int(follower) for reply in batch.run() for follower in reply]
    users = [services.users.get(user_id) for user_id in ids[:OFFERED]]
    return sorted(users, key=lambda user: user.following, reverse=True)
