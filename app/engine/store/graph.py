"""Who exists, and who follows whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import redis

from ..errors import BadRequest, UnknownUser
from ..settings import EngineSettings
from .client import Store
from .keys import MAX_USER_ID


class Graph:
    """Users and edges."""

    def __init__(self, store: Store, settings: EngineSettings) -> None:
        self._store = store
        self._keys = store.keys
        self._settings = settings

    def add(self, user_ids: Iterable[int]) -> None:
        """Makes the users exist. Raises `BadRequest` before any is added."""
        users = list(user_ids)
        for user in users:
            if not 0 <= user < MAX_USER_ID:
                raise BadRequest(f"A user's id lies between 0 and {MAX_USER_ID - 1}, not {user}.")
        batch = self._store.batch()
        for user in users:
            batch.add("SETBIT", *self._keys.bit(user), 1)
        batch.run()

    def exist(self, user_ids: Sequence[int]) -> list[bool]:
        """Which of the users exist."""
        batch = self._store.batch()
        known = [0 <= user < MAX_USER_ID for user in user_ids]
        for user, possible in zip(user_ids, known, strict=True):
            if possible:
                batch.add("GETBIT", *self._keys.bit(user))
        bits = iter(batch.run())
        return [possible and next(bits) == 1 for possible in known]

    def require(self, *user_ids: int) -> None:
        """Raises `UnknownUser` for the first that does not exist."""
        for user, exists in zip(user_ids, self.exist(user_ids), strict=True):
            if not exists:
                raise UnknownUser(user)

    def count(self) -> int:
        """How many users exist."""
        batch = self._store.batch()
        for shard in range(self._store.shards):
            batch.add("BITCOUNT", self._keys.users(shard))
        return sum(batch.run())

    def follower_counts(self, author: int, *, partial: bool = False) -> list[int]:
        """Followers of the author on each shard; with `partial` 0 where a node is away."""
        batch = self._store.batch()
        for shard in range(self._store.shards):
            batch.add("LLEN", self._keys.followers(shard, author))
        return [count or 0 for count in batch.run(partial=partial)]

    def degrees(self, user_ids: Sequence[int]) -> list[tuple[int, int]]:
        """(followers, following) of each user, in one round trip."""
        shards = self._store.shards
        batch = self._store.batch()
        for user in user_ids:
            batch.add("SCARD", self._keys.following(user))
            for shard in range(shards):
                batch.add("LLEN", self._keys.followers(shard, user))
        replies = batch.run()
        width = shards + 1
        return [
            (sum(replies[i + 1 : i + width]), replies[i]) for i in range(0, len(replies), width)
        ]

    def following(self, user: int) -> list[int]:
        """The user's followees, in no order."""
        reply = self._store.command("SMEMBERS", self._keys.following(user))
        return list(map(int, reply))

    def follow(self, user: int, followee: int) -> bool:
        """Adds the edge and drops the user's timeline. False: it was there already."""
        try:
            changed = self._store.call(
                "follow",
                self._keys.following(user),
                self._keys.tag(user),
                user,
                followee,
                self._settings.following_limit,
            )
        except redis.ResponseError as error:
            if str(error).startswith("FOLLOWLIMIT"):
                raise BadRequest(
                    f"User {user} follows {self._settings.following_limit} people, the limit."
                ) from error
            raise
        return bool(changed)

    def unfollow(self, user: int, followee: int) -> bool:
        """Removes the edge and drops the user's timeline. False: it was not there."""
        return bool(
            self._store.call(
                "unfollow", self._keys.following(user), self._keys.tag(user), user, followee
            )
        )
