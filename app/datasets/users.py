"""Who is there: users by id and by kind."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.datasets.kinds import KINDS, UNREACHED, Kind, Thresholds, kind_of
from app.datasets.names import name_of
from app.datasets.state import DatasetState
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
        return self.get_many([user_id])[0]

    def get_many(self, user_ids: Sequence[int]) -> list[User]:
        """These users, in this order, in two round trips. They must exist."""
        dataset = self._dataset.current()
        reached = (dataset["celebrity_from"], dataset["popular_from"])
        thresholds = Thresholds(*(followers or UNREACHED for followers in reached))
        return [
            User(user, name_of(user, dataset["seed"]), kind_of(degrees[0], thresholds), *degrees)
            for user, degrees in zip(user_ids, self._graph.degrees(user_ids), strict=True)
        ]

    def list(self, kind: Kind | None = None, limit: int = 20) -> Sequence[User]:
        """Users of a kind, most followed first; without a kind some of each."""
        if kind is None:
            return self.of_each_kind(-(-limit // len(KINDS)))[:limit]
        return self.get_many(self._dataset.directories(limit)[kind])

    def of_each_kind(self, limit: int) -> Sequence[User]:
        """Up to `limit` users of each kind, celebrities first, in three round trips."""
        directories = self._dataset.directories(limit)
        return self.get_many([user for users in directories.values() for user in users])
