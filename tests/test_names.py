"""Names are computed, never stored."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from app.datasets import first_post_texts
from app.datasets.name_lists import CULTURES
from app.datasets.names import PAIRS, name_of


def test_all_lists_have_the_same_length_and_no_repetition() -> None:
    lengths = {len(names) for culture in CULTURES for names in culture}
    assert len(lengths) == 1
    assert all(len(set(names)) == len(names) for culture in CULTURES for names in culture)
    assert len(CULTURES) >= 20


def test_names_hardly_repeat() -> None:
    for users in (1_000, PAIRS, 200_000):
        names = Counter(name_of(user) for user in range(1, users + 1))
        assert users - len(names) <= users / 5_000


def test_neighbours_come_from_different_cultures() -> None:
    firsts = [name_of(user).split()[0] for user in range(1, 21)]
    assert len(set(firsts)) == 20


@given(st.integers(0, 2**27 - 1), st.integers(0, 2**53 - 1))
def test_every_id_and_seed_has_a_name_of_its_own_making(user: int, seed: int) -> None:
    name = name_of(user, seed)
    assert name == name_of(user, seed)
    assert 2 <= len(name.split()) <= 5
    assert len(name) <= 50
    assert all(char.isalpha() or char in " .-'" for char in name)


def test_another_seed_gives_other_names() -> None:
    same = sum(name_of(user, 1) == name_of(user, 2) for user in range(1_000))
    assert same < 5


def test_first_posts_are_different_and_fit() -> None:
    texts = [
        *first_post_texts.CELEBRITY_TEXTS,
        *first_post_texts.POPULAR_TEXTS,
        *first_post_texts.REGULAR_TEXTS,
    ]
    assert len(texts) == len(set(texts)) == 60
    assert max(map(len, texts)) <= 140
