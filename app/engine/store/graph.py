"""Who exists, and who follows whom."""

from collections.abc import Iterable, Sequence

from ..errors import BadRequest, UnknownUser, WrongShards
from ..settings import EngineSettings
from .client import Store
from .failures import Refused
from .keys import MAX_USER_ID


class Graph:
    """Users and edges."""

    def __init__(self, store: Store, settings: EngineSettings) -> None:
        self._store, self._keys, self._settings = store, store.keys, settings

    def add(self, user_ids: Iterable[int]) -> None:
        """Makes the users exist. Raises `BadRequest` or `WrongShards` before any is added."""
        users = list(user_ids)
        for user in users:
            if not 0 <= user < MAX_USER_ID:
                raise BadRequest(f"A user's id lies between 0 and {MAX_USER_ID - 1}, not {user}.")
        self.fix_shards()
        self._store.run([("SETBIT", *self._keys.bit(user), 1) for user in users])

    def fix_shards(self) -> None:
        """Notes over how many shards the data is spread, before the first of it is written. Raises
        `WrongShards` when another process noted another number after this one connected."""
        key, shards = self._keys.shard_count, self._store.shards
        _, found = self._store.run([("SET", key, shards, "NX"), ("GET", key)])
        if int(found) != shards:
            raise WrongShards(int(found), shards)

    def exist(self, user_ids: Sequence[int]) -> list[bool]:
        """Which of the users exist."""
        possible = [user for user in user_ids if 0 <= user < MAX_USER_ID]
        bits = self._store.run([("GETBIT", *self._keys.bit(user)) for user in possible])
        existing = {user for user, bit in zip(possible, bits, strict=True) if bit}
        return [user in existing for user in user_ids]

    def require(self, *user_ids: int) -> None:
        """Raises `UnknownUser` for the first that does not exist."""
        for user, exists in zip(user_ids, self.exist(user_ids), strict=True):
            if not exists:
                raise UnknownUser(user)

    def count(self) -> int:
        """How many users exist."""
        shards = range(self._store.shards)
        return sum(self._store.run([("BITCOUNT", self._keys.users(shard)) for shard in shards]))

    def follower_counts(self, author: int, *, partial: bool = False) -> list[int]:
        """Followers of the author on each shard; with `partial` 0 where a node is away."""
        shards = range(self._store.shards)
        commands = [("LLEN", self._keys.followers(shard, author)) for shard in shards]
        return [count or 0 for count in self._store.run(commands, partial=partial)]

    def some_followers(self, author: int, per_shard: int) -> list[int]:
        """Up to `per_shard` followers of the author from each shard, in one round trip."""
        lists = [self._keys.followers(shard, author) for shard in range(self._store.shards)]
        found = self._store.run([("LRANGE", name, 0, per_shard - 1) for name in lists])
        return [int(follower) for followers in found for follower in followers]

    def degrees(self, user_ids: Sequence[int]) -> list[tuple[int, int]]:
        """(followers, following) of each user, in one round trip."""
        batch, shards = self._store.batch(), self._store.shards
        for user in user_ids:
            batch.add("SCARD", self._keys.following(user))
            for shard in range(shards):
                batch.add("LLEN", self._keys.followers(shard, user))
        replies = batch.run()
        firsts = range(0, len(replies), shards + 1)
        return [(sum(replies[i + 1 : i + shards + 1]), replies[i]) for i in firsts]

    def following(self, user: int) -> list[int]:
        """The authors whom the user follows, in no order."""
        return list(map(int, self._store.command("SMEMBERS", self._keys.following(user))))

    def follow(self, user: int, author: int) -> bool:
        """Adds the edge and drops the user's timeline. False: it was there already. Raises
        `BadRequest` when the user follows as many authors as the settings allow."""
        limit = self._settings.following_limit
        try:
            return self._change("follow", user, author, limit)
        except Refused as error:
            if str(error).startswith("FOLLOWLIMIT"):
                raise BadRequest(f"User {user} follows {limit} people, the limit.") from error
            raise

    def unfollow(self, user: int, author: int) -> bool:
        """Removes the edge and drops the user's timeline. False: it was not there."""
        return self._change("unfollow", user, author)

    def _change(self, function: str, user: int, author: int, *limit: int) -> bool:
        key, tag = self._keys.following(user), self._keys.tag(user)
        return bool(self._store.call(function, key, tag, user, author, *limit))
