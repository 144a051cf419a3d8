"""Reads a graph from an edge list as the SNAP collection writes them.

One edge per line, `follower author`, separated by blanks, tabs or a comma. Lines that are empty
or start with `#` or `%` are comments. All is checked before anything is returned.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from app.datasets.draws import Numbers
from app.datasets.population import Population
from app.engine.errors import BadRequest
from app.engine.store.keys import MAX_USER_ID

_SHOWN = 80
"""Characters of a broken line that an error quotes."""


@dataclass(frozen=True, slots=True)
class EdgeList:
    """What a file held: the graph, and what was dropped on the way."""

    population: Population
    lines: int
    duplicates: int
    self_loops: int


def parse(lines: Iterable[str], *, undirected: bool = False) -> EdgeList:
    """The graph in `lines`. With `undirected` each line makes two edges, one in each direction.

    User ids lie in [0, MAX_USER_ID). An edge given twice counts once, and an edge to oneself not
    at all; both are counted in the answer (undirected: a line repeated in either direction).
    Raises `BadRequest` for the first bad line, and when there is no edge at all.
    """
    ends = array("q")
    number = 0
    for number, line in enumerate(lines, 1):
        text = line.strip().lstrip("\ufeff")
        if text and text[0] not in "#%":
            ends.extend(_edge(number, text))
    return _graph(np.frombuffer(ends, dtype=np.int64), number, undirected)


def _edge(number: int, text: str) -> tuple[int, int]:
    words = text.replace(",", " ").split()
    if len(words) != 2:
        raise _broken(number, text, "it needs two user ids, the follower and the author")
    for word in words:
        # isdecimal alone would accept the digits of other scripts.
        if not (word.isascii() and word.isdecimal()):
            raise _broken(number, text, f"{word[:_SHOWN]!r} is not a user id")
        if len(word) > 18 or int(word) >= MAX_USER_ID:
            raise _broken(number, text, f"user ids must be below {MAX_USER_ID}")
    return int(words[0]), int(words[1])


def _broken(number: int, text: str, reason: str) -> BadRequest:
    shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return BadRequest(f"Line {number} is not an edge: {shown!r}: {reason}. Nothing was loaded.")


def _graph(ends: Numbers, lines: int, undirected: bool) -> EdgeList:
    if not len(ends):
        raise BadRequest("The edge list holds no edge. Nothing was loaded.")
    followers, authors = ends[0::2], ends[1::2]
    users = np.unique(ends)
    others = followers != authors
    followers, authors = followers[others], authors[others]
    if undirected:
        followers, authors = np.minimum(followers, authors), np.maximum(followers, authors)
    width = int(users[-1]) + 1
    keys = np.unique(authors * width + followers)
    duplicates = len(followers) - len(keys)
    if undirected:
        keys = np.sort(np.concatenate([keys, keys % width * width + keys // width]))
    arrays = (users, keys // width, keys % width)
    population = Population(*(array.astype(np.int32) for array in arrays))
    return EdgeList(population, lines, duplicates, len(others) - len(followers))
