"""Merging of descending id lists, of which each may be known only down to its last element."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Source:
    """The newest ids of one log or timeline, descending.

    `complete`: nothing older exists. Otherwise the list is known down to its last element only.
    """

    ids: list[int]
    complete: bool

    @classmethod
    def asked(cls, ids: list[int], count: int) -> Self:
        """The answer to a question for `count` ids: fewer are all there are."""
        return cls(ids, len(ids) < count)


@dataclass(frozen=True, slots=True)
class Merged:
    """The union of the sources, as far as it is certain.

    `floor` is the lowest id down to which it is certain; 0 when that is to the very end.
    """

    ids: list[int]
    floor: int


def merge(sources: Iterable[Source]) -> Merged:
    """The union, descending and without duplicates, cut where it stops being certain.

    A source that goes on below its last element may have anything there, so the union is certain
    down to the highest such element. This is the stop rule of the threshold algorithm (Fagin,
    Lotem, Naor 2001) for lists that are sorted by the key itself.
    """
    union: set[int] = set()
    floor = 0
    for source in sources:
        union.update(source.ids)
        if not source.complete and source.ids and source.ids[-1] > floor:
            floor = source.ids[-1]
    ids = sorted(union, reverse=True)
    if floor:
        while ids and ids[-1] < floor:
            ids.pop()
    return Merged(ids, floor)
