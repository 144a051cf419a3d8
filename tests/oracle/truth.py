"""The brute-force truth: what a feed must be, from the present state alone."""

from __future__ import annotations

from collections import defaultdict


class Truth:
    """Who follows whom and which posts are live."""

    def __init__(self) -> None:
        self.following: dict[int, set[int]] = defaultdict(set)
        self.posts: dict[int, int] = {}

    def feed(self, user: int) -> list[int]:
        """The live posts of everyone the user follows now, and their own, newest first."""
        seen = self.following[user] | {user}
        return sorted((post for post, author in self.posts.items() if author in seen), reverse=True)
