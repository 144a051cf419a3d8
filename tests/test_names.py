"""Names are computed, never stored."""

from collections import Counter
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from app.datasets.first_posts import texts_of
from app.datasets.kinds import KINDS
from app.datasets.names import CULTURES, NAMES, PAIRS, cultures, name_of


def test_all_lists_have_the_same_length_and_no_repetition() -> None:
    assert len(cultures()) == CULTURES
    assert all(len(set(names)) == len(names) == NAMES for both in cultures() for names in both)


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
    texts = [text for kind in KINDS for text in texts_of(kind)]
    assert len(texts) == len(set(texts)) == 60
    assert max(map(len, texts)) <= 140


def test_names_and_first_posts_are_the_same_for_a_seed_everywhere() -> None:
    """Written down once: pages, documents and recorded runs name people and posts."""
    names = [name_of(user, seed) for seed in (0, 1, 77) for user in range(50_000)]
    assert sha256("|".join(names).encode()).hexdigest()[:16] == "9a887774bb75c816"
    texts = [text for kind in KINDS for text in texts_of(kind)]
    assert sha256("|".join(texts).encode()).hexdigest()[:16] == "88f3390bf714c374"
