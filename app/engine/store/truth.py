"""The truth of feeds, by brute force from the raw keys. Reading feeds shares nothing with it."""

from collections.abc import Sequence
from typing import Any

from .client import Store

READ_COUNT = 500
"""Keys read in one round trip."""


class Truth:
    """The feeds that must be: the live posts of everyone whom a user follows now, and of the user,
    newest first by id. Logs are read once and kept."""

    def __init__(self, store: Store) -> None:
        self._store, self._keys = store, store.keys
        self._live: dict[int, list[int]] = {}

    def users(self) -> list[int]:
        """All users, ascending, from the bitmaps of who exists."""
        shards = self._store.shards
        bitmaps = self._read([("GET", self._keys.users(shard)) for shard in range(shards)])
        return sorted(
            (8 * at + bit) * shards + shard
            for shard, bitmap in enumerate(bitmaps)
            for at, byte in enumerate(bitmap or b"")
            for bit in range(8)
            if byte & (128 >> bit)
        )

    def feed(self, user_id: int) -> list[int]:
        """Ids of all posts in the user's feed, newest first."""
        following = self._store.command("SMEMBERS", self._keys.following(user_id))
        authors = {user_id, *map(int, following)}
        missing = sorted(authors - self._live.keys())
        logs = self._read([("LRANGE", self._keys.log(author), 0, -1) for author in missing])
        for author, log in zip(missing, logs, strict=True):
            posts = list(map(int, log))
            alive = self._read([("EXISTS", self._keys.post(post)) for post in posts])
            self._live[author] = [post for post, there in zip(posts, alive, strict=True) if there]
        return sorted((post for author in authors for post in self._live[author]), reverse=True)

    def _read(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        replies: list[Any] = []
        for start in range(0, len(commands), READ_COUNT):
            replies += self._store.run(commands[start : start + READ_COUNT])
        return replies
