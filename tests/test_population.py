"""Follower quantiles, generated populations, and the directories made of them."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app.datasets.directories import DIRECTORY_SIZE, directories_of, follower_counts
from app.datasets.draws import Draws
from app.datasets.edgelist import parse
from app.datasets.kinds import Thresholds, kind_of, thresholds_of
from app.datasets.population import MIN_FOLLOWING, Population, generate, generate_sized
from app.datasets.presets import PRESETS, Preset, checked_seed, preset_of
from app.datasets.quantiles import REAL_MEAN, real_followers, real_quantiles, scaled_followers
from app.engine.errors import BadRequest


def edge_keys(population: Population) -> np.ndarray:
    return population.authors.astype(np.int64) * 2**27 + population.followers


def check(population: Population, users: int, top: int) -> None:
    """What holds for every generated population."""
    keys = edge_keys(population)
    assert (np.diff(keys) > 0).all(), "sorted, without duplicates"
    assert (population.authors != population.followers).all(), "nobody follows themselves"
    for ids in (population.authors, population.followers):
        assert ids.dtype == np.int32
        assert ids.min() >= 1
        assert ids.max() <= users
    assert population.user_ids.tolist() == list(range(1, users + 1))
    following = np.bincount(population.followers, minlength=users + 1)[1:]
    assert following.min() >= MIN_FOLLOWING
    counts = follower_counts(population)
    assert sorted(counts, reverse=True) == scaled_followers(users, top).tolist()
    assert counts[0] == counts.max() == top, "user 1 is the largest celebrity"
    # Whole numbers for a hundred users leave gaps between the possible averages.
    near = 0.01 if users >= 1_000 else 0.1
    assert population.edges / users == pytest.approx(REAL_MEAN, rel=near)


def test_the_table_is_a_distribution() -> None:
    shares, followers = real_quantiles()
    assert list(shares) == sorted(set(shares))
    assert list(followers) == sorted(followers)


def test_interpolation_meets_the_table_and_stays_between_its_rows() -> None:
    shares, followers = real_quantiles()
    assert real_followers(1 - shares) == pytest.approx(followers)
    between = real_followers(np.array([0.015, 0.9, 1.0]))
    assert 60 < between[0] < 117
    assert between[1:].tolist() == pytest.approx([1, 1]), "flat below the first row"


def test_the_real_shape_gives_the_real_mean_and_concentration() -> None:
    """The source states mean 12.9, and 65 % and 48 % of the edges in the top 1 % and 0.1 %."""
    real = real_followers((np.arange(6_630_000) + 0.5) / 6_630_000)
    assert real.mean() == pytest.approx(12.9, rel=0.03)
    assert real[:66_300].sum() / real.sum() == pytest.approx(0.65, abs=0.03)
    assert real[:6_630].sum() / real.sum() == pytest.approx(0.48, abs=0.03)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_scaling_keeps_top_mean_and_order(preset: Preset) -> None:
    counts = scaled_followers(preset.users, preset.top)
    assert len(counts) == preset.users
    assert counts[0] == preset.top
    assert counts[-1] >= 1
    assert (np.diff(counts) <= 0).all()
    assert counts.mean() == pytest.approx(REAL_MEAN, rel=0.005)


def test_large_datasets_are_as_unequal_as_the_real_one() -> None:
    counts = scaled_followers(200_000, 190_000)
    assert counts[:200].sum() / counts.sum() == pytest.approx(0.48, abs=0.03)
    assert counts[:2_000].sum() / counts.sum() == pytest.approx(0.65, abs=0.03)


@pytest.mark.parametrize(
    ("users", "top", "mean"), [(1, 1, 1.0), (10, 10, 2.0), (10, 5, 6.0), (10, 5, 0.5), (10, 9, 1.0)]
)
def test_impossible_shapes_are_refused(users: int, top: int, mean: float) -> None:
    with pytest.raises(ValueError, match="no "):
        scaled_followers(users, top, mean)


@pytest.mark.parametrize("name", ["small", "medium"])
def test_a_preset_has_the_users_and_the_most_followed_it_promises(name: str) -> None:
    preset = preset_of(name)
    check(generate(name, 1), preset.users, preset.top)


@hypothesis_settings(max_examples=25, deadline=None)
@given(users=st.integers(60, 700), seed=st.integers(0, 2**53 - 1), part=st.floats(0.7, 0.99))
def test_populations_of_any_size_and_seed(users: int, seed: int, part: float) -> None:
    top = int(users * part)
    check(generate_sized(users, top, seed), users, top)


def test_a_seed_gives_the_same_population_everywhere() -> None:
    """Written down once; another platform or numpy must come to the same."""
    digest = hashlib.sha256(edge_keys(generate("medium", 1)).astype("<i8").tobytes()).hexdigest()
    assert digest[:16] == "dc9ad2ecdaacf43b"
    assert not np.array_equal(edge_keys(generate("small", 1)), edge_keys(generate("small", 2)))


def test_the_random_stream_is_written_down_too() -> None:
    draws = Draws(1)
    assert draws.raw(2).tolist() == [9441442522235856127, 17532960557476522086]
    assert draws.below(10, 8).tolist() == [1, 9, 3, 4, 8, 4, 5, 0]
    assert sorted(draws.shuffled(50).tolist()) == list(range(50))
    with pytest.raises(ValueError, match="limit"):
        draws.below(2**31 + 1, 1)


def test_draws_are_even() -> None:
    counts = np.bincount(Draws(3).below(7, 70_000), minlength=7)
    assert counts.min() > 9_600
    assert counts.max() < 10_400


def test_progress_rises_to_the_end() -> None:
    seen: list[float] = []
    generate("small", 1, lambda done, total: seen.append(done / total))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_unknown_presets_and_seeds_are_refused() -> None:
    with pytest.raises(BadRequest, match="small, medium, large, huge"):
        generate("gigantic", 1)
    for seed in (-1, 2**53):
        with pytest.raises(BadRequest, match="seed"):
            checked_seed(seed)


def test_kinds_follow_the_thresholds() -> None:
    thresholds = Thresholds(celebrity_from=100, popular_from=10)
    kinds = [kind_of(followers, thresholds) for followers in (0, 9, 10, 99, 100)]
    assert kinds == ["regular", "regular", "popular", "popular", "celebrity"]
    assert kind_of(10**8, Thresholds()) == "regular"


@hypothesis_settings(max_examples=200)
@given(st.lists(st.integers(0, 50), min_size=0, max_size=400))
def test_thresholds_never_make_most_users_famous(counts: list[int]) -> None:
    thresholds = thresholds_of(sorted(counts, reverse=True))
    assert 1 <= thresholds.popular_from <= thresholds.celebrity_from
    kinds = [kind_of(followers, thresholds) for followers in counts]
    assert kinds.count("celebrity") <= 10
    assert len(counts) - kinds.count("regular") <= max(2, min(60, len(counts) // 2 + 2))


def test_medium_has_some_of_every_kind() -> None:
    population = generate("medium", 1)
    counts = follower_counts(population)
    thresholds = thresholds_of(sorted(counts.tolist(), reverse=True))
    kinds = [kind_of(followers, thresholds) for followers in counts.tolist()]
    assert kinds.count("celebrity") == 20
    assert 150 <= kinds.count("popular") <= 250

    directories = directories_of(population, counts, thresholds, 1)
    assert directories["celebrity"] == list(range(1, 21))
    assert len(directories["popular"]) == len(directories["regular"]) == DIRECTORY_SIZE
    for kind, ids in directories.items():
        assert {kinds[user - 1] for user in ids} == {kind}
        followers = [counts[user - 1] for user in ids]
        assert followers == sorted(followers, reverse=True)
    audience = set(population.followers[population.authors == 1].tolist())
    assert audience.issuperset(directories["regular"]), "they have something to read"
    again = directories_of(population, counts, thresholds, 2)
    assert again["regular"] != directories["regular"]


def test_a_small_graph_offers_whoever_is_there() -> None:
    population = parse(["1 2", "3 4"]).population
    counts = follower_counts(population)
    thresholds = thresholds_of(sorted(counts.tolist(), reverse=True))
    directories = directories_of(population, counts, thresholds, 1)
    assert directories == {"celebrity": [2, 4], "popular": [], "regular": [1, 3]}
    nobody = parse(["5 5", "6 6"]).population
    counts = follower_counts(nobody)
    assert counts.tolist() == [0, 0]
    directories = directories_of(nobody, counts, thresholds_of([0, 0]), 1)
    assert sorted(directories["regular"]) == [5, 6]
