"""The truth of feeds, computed by brute force from the raw keys.

The truth of a user is the live posts of everyone the user follows and the user's own, newest
first by id. It is read here from `following`, `log` and `post` alone, by code that shares nothing
with the reading of feeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..store.client import Store

AT_ONCE = 500
"""Keys read in one round trip."""


class Truth:
    """The feeds that must be, from the raw keys as they are now. Logs are read once and kept."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keys = store.keys
        self._live: dict[int, list[int]] = {}

    def users(self) -> list[int]:
        """All users, ascending, from the bitmaps of who exists."""
        shards = self._store.shards
        found: list[int] = []
        for shard in range(shards):
            bitmap = self._store.command("GET", self._keys.users(shard)) or b""
            for at, byte in enumerate(bitmap):
                found += [
                    (8 * at + bit) * shards + shard for bit in range(8) if byte & (128 >> bit)
                ]
        return sorted(found)

    def feed(self, user_id: int) -> list[int]:
        """Ids of all posts in the user's feed, newest first."""
        followees = self._store.command("SMEMBERS", self._keys.following(user_id))
        authors = {user_id, *map(int, followees)}
        self._read_logs(authors - self._live.keys())
        return sorted((post for author in authors for post in self._live[author]), reverse=True)

    def _read_logs(self, authors: Iterable[int]) -> None:
        for part in _parts(sorted(authors)):
            batch = self._store.batch()
            for author in part:
                batch.add("LRANGE", self._keys.log(author), 0, -1)
            logs = [[int(post) for post in log] for log in batch.run()]
            for author, log in zip(part, logs, strict=True):
                self._live[author] = self._with_body(log)

    def _with_body(self, posts: Sequence[int]) -> list[int]:
        live: list[int] = []
        for part in _parts(posts):
            batch = self._store.batch()
            for post in part:
                batch.add("EXISTS", self._keys.post(post))
            live += [post for post, alive in zip(part, batch.run(), strict=True) if alive]
        return live


def _parts(items: Sequence[int]) -> list[Sequence[int]]:
    return [items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE)]
