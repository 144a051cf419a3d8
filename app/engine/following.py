"""Following and unfollowing."""

from __future__ import annotations

from .errors import SelfFollow, UnknownUser
from .store.graph import Graph


class Following:
    """Changes of the graph. Each drops the follower's timeline; the next read rebuilds it."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def follow(self, user_id: int, followee_id: int) -> None:
        """Makes the user follow. Harmless to repeat. Raises `SelfFollow`, `UnknownUser`."""
        self._check(user_id, followee_id)
        self._graph.follow(user_id, followee_id)

    def unfollow(self, user_id: int, followee_id: int) -> None:
        """Ends it. Harmless to repeat. Raises `SelfFollow`, `UnknownUser`."""
        self._check(user_id, followee_id)
        self._graph.unfollow(user_id, followee_id)

    def _check(self, user_id: int, followee_id: int) -> None:
        if user_id == followee_id:
            raise SelfFollow("Own posts are in one's own feed already.")
        for user, exists in zip(
            (user_id, followee_id), self._graph.exist([user_id, followee_id]), strict=True
        ):
            if not exists:
                raise UnknownUser(user)
