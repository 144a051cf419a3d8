"""Who is there: users by id and by kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.datasets.kinds import KINDS, Kind, kind_of
from app.datasets.names import name_of
from app.datasets.state import DatasetState
from app.engine.errors import BadRequest
from app.engine.store.graph import Graph

LIST_LIMIT = 100
"""Most users in one answer; the directory of each kind holds about as many."""


@dataclass(frozen=True, slots=True)
class User:
    """Who may post and read, with the number of followers and of people followed."""

    id: int
    name: str
    kind: Kind
    followers: int
    following: int


class Users:
    """Users with their names, kinds and degrees. Names follow from the id, they are not stored."""

    def __init__(self, graph: Graph, dataset: DatasetState) -> None:
        self._graph = graph
        self._dataset = dataset

    def get(self, user_id: int) -> User:
        """One user. Raises `UnknownUser`."""
        self._graph.require(user_id)
        return self._described([user_id])[0]

    def list(self, kind: Kind | None = None, limit: int = 20) -> Sequence[User]:
        """Users of a kind, most followed first; without a kind some of each.

        Raises `BadRequest`.
        """
        if kind is not None and kind not in KINDS:
            raise BadRequest(f"{kind!r} is no kind of user. Use one of: {', '.join(KINDS)}.")
        if not 1 <= limit <= LIST_LIMIT:
            raise BadRequest(f"limit must lie between 1 and {LIST_LIMIT}.")
        if kind is not None:
            return self._described(self._dataset.directory(kind, limit))
        share = -(-limit // len(KINDS))
        ids = [user for each in KINDS for user in self._dataset.directory(each, share)]
        return self._described(ids[:limit])

    def _described(self, ids: Sequence[int]) -> Sequence[User]:
        thresholds = self._dataset.thresholds()
        seed = self._dataset.seed()
        return [
            User(user, name_of(user, seed), kind_of(followers, thresholds), followers, following)
            for user, (followers, following) in zip(ids, self._graph.degrees(ids), strict=True)
        ]
