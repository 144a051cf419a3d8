"""Edge lists: what is accepted, what is refused, and with which words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.datasets.edgelist import parse
from app.datasets.population import Population
from app.engine.errors import BadRequest

MAX = 2**27


def pairs(population: Population) -> list[tuple[int, int]]:
    """(follower, author), as the lines of a file say it."""
    return list(zip(population.followers.tolist(), population.authors.tolist(), strict=True))


def test_comments_and_blank_lines_are_skipped_and_tabs_and_commas_separate() -> None:
    lines = ["\ufeff# SNAP\n", "\n", "% also\n", "1 2\r\n", "  3\t2  \n", "2,1\n", "   \n", "7   9"]
    found = parse(lines)
    assert sorted(pairs(found.population)) == [(1, 2), (2, 1), (3, 2), (7, 9)]
    assert found.population.user_ids.tolist() == [1, 2, 3, 7, 9]
    assert found.lines == len(lines)


def test_repetitions_and_loops_are_dropped_and_counted() -> None:
    found = parse(["1 2", "1 2", "2 1", "4 4", "1 2"])
    assert sorted(pairs(found.population)) == [(1, 2), (2, 1)]
    assert (found.duplicates, found.self_loops) == (2, 1)
    assert 4 in found.population.user_ids, "a user with no edge left still exists"


def test_undirected_makes_both_directions_and_counts_either_as_the_same() -> None:
    found = parse(["1 2", "2 1", "3 1", "5 5"], undirected=True)
    assert sorted(pairs(found.population)) == [(1, 2), (1, 3), (2, 1), (3, 1)]
    assert (found.duplicates, found.self_loops) == (1, 1)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("7", "needs two user ids"),
        ("1 2 3", "needs two user ids"),
        ("1 x", "'x' is not a user id"),
        ("-1 2", "'-1' is not a user id"),
        ("1.0 2", "'1.0' is not a user id"),
        ("1 ٣", "is not a user id"),
        ("1 ²", "is not a user id"),
        ("0x1 2", "is not a user id"),
        (f"1 {MAX}", f"must be below {MAX}"),
        ("1 " + "9" * 5_000, f"must be below {MAX}"),
        ("\0 1", "is not a user id"),
        ("{}", "needs two user ids"),
    ],
)
def test_a_broken_line_is_named(line: str, reason: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(["# ok", "1 2", line, "also broken"])
    assert "Line 3 " in caught.value.detail
    assert reason in caught.value.detail
    assert "Nothing was loaded." in caught.value.detail
    assert len(caught.value.detail) < 400


def test_the_largest_and_the_smallest_id_are_read() -> None:
    found = parse([f"0 {MAX - 1}", f"{MAX - 1} 0"], undirected=False)
    assert sorted(pairs(found.population)) == [(0, MAX - 1), (MAX - 1, 0)]
    assert pairs(parse([f"0 {MAX - 1}"], undirected=True).population) == [
        (MAX - 1, 0),
        (0, MAX - 1),
    ]


@pytest.mark.parametrize("lines", [[], ["# nothing"], [""]])
def test_a_file_without_an_edge_is_refused(lines: list[str]) -> None:
    with pytest.raises(BadRequest, match="no edge"):
        parse(lines)


def test_a_file_of_loops_leaves_users_without_edges() -> None:
    found = parse(["3 3"])
    assert found.population.user_ids.tolist() == [3]
    assert found.population.edges == 0


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=200),
    st.booleans(),
)
def test_the_graph_is_the_set_of_the_lines(edges: list[tuple[int, int]], undirected: bool) -> None:
    found = parse((f"{follower} {author}\n" for follower, author in edges), undirected=undirected)
    expected = {edge for edge in edges if edge[0] != edge[1]}
    if undirected:
        lines_kept = {(min(edge), max(edge)) for edge in expected}
        expected |= {(author, follower) for follower, author in expected}
    else:
        lines_kept = expected
    population = found.population
    assert set(pairs(population)) == expected
    assert population.edges == len(expected)
    assert set(population.user_ids.tolist()) == {user for edge in edges for user in edge}
    assert found.self_loops == sum(follower == author for follower, author in edges)
    assert found.duplicates == len(edges) - found.self_loops - len(lines_kept)
    keys = population.authors.astype(np.int64) * MAX + population.followers
    assert (np.diff(keys) > 0).all()
