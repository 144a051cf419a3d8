"""Merging of descending id lists, of which each may be known only down to its last element."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Source:
    """The newest ids of a log, a timeline or of several together, descending. Unless it is
    `complete`, which means that nothing older exists, it is known down to its last element only."""

    ids: list[int]
    complete: bool

    @property
    def floor(self) -> int:
        """The lowest id down to which it is known; 0 when that is to the very end."""
        return 0 if self.complete else self.ids[-1]

    @classmethod
    def asked(cls, ids: list[int], count: int) -> Self:
        """The answer to a question for `count` ids: fewer are all there are."""
        return cls(ids, len(ids) < count)


def merge(sources: Iterable[Source]) -> Source:
    """The union, descending and without duplicates. A source that goes on below its last element
    may have anything there, so the union is cut at the highest such element: the stop rule of the
    threshold algorithm (Fagin, Lotem, Naor 2001) for lists that are sorted by the key itself."""
    union: set[int] = set()
    floor = 0
    for source in sources:
        union.update(source.ids)
        floor = max(floor, source.floor)
    ids = sorted(union, reverse=True)
    while ids and ids[-1] < floor:
        ids.pop()
    return Source(ids, complete=floor == 0)
