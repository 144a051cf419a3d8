"""The brute-force comparison, and that it finds what is wrong."""

import random

import pytest

from app.bootstrap import Services
from app.datasets import verify
from app.datasets.population import generate_sized
from app.engine.store.client import Store
from app.engine.store.truth import Truth


def nothing(done: float, total: float) -> None:
    """Reports to nobody."""


@pytest.fixture
def loaded(services: Services) -> Services:
    services.loading.load_graph(generate_sized(80, 76, 4))
    verify.publish_random(services.engine, 60, 2, nothing)
    verify.drain(services.engine)
    return services


def test_all_feeds_equal_the_truth(loaded: Services, store: Store) -> None:
    truth = Truth(store)
    users = truth.users()
    assert users == list(range(1, 81))
    verdict = verify.compare(loaded.engine, users, nothing)
    assert verdict.differences == []
    assert (verdict.users, verdict.feeds) == (80, 240)
    assert verdict.posts == 3 * sum(len(truth.feed(user)) for user in users)
    assert verdict.posts > 3 * 80


def test_verify_finds_missing_and_foreign_posts(services: Services, store: Store) -> None:
    # Only the first posts, which are all pushed: what a pulled author posts comes from the logs.
    services.loading.load_graph(generate_sized(80, 76, 4))
    truth = Truth(store)
    reader, other = next(
        (user, other)
        for user in range(1, 81)
        for other in range(1, 81)
        if len(truth.feed(user)) > 3 and set(truth.feed(other)) - set(truth.feed(user))
    )
    assert verify.compare(services.engine, [reader], nothing).differences == []

    # A push never came: only `write` and `hybrid` read the timeline.
    timeline = store.keys.timeline(reader)
    latest = truth.feed(reader)[0]
    assert store.command("LREM", timeline, 1, latest) == 1
    found = verify.compare(services.engine, [reader], nothing).differences
    assert [(one.strategy, one.missing, one.extra) for one in found] == [
        ("write", 1, 0),
        ("hybrid", 1, 0),
    ]
    # And one came that should not have.
    foreign = max(set(truth.feed(other)) - set(truth.feed(reader)))
    store.command("LPUSH", timeline, foreign)
    found = verify.compare(services.engine, [reader], nothing).differences
    assert [(one.strategy, one.missing, one.extra) for one in found] == [
        ("write", 1, 1),
        ("hybrid", 1, 1),
    ]


def test_the_truth_follows_unfollowing_and_deleting(loaded: Services, store: Store) -> None:
    reader = next(u for u in range(1, 81) if len(Truth(store).feed(u)) > 3)
    latest = Truth(store).feed(reader)[0]
    loaded.engine.delete(latest)
    assert latest not in Truth(store).feed(reader)
    authors = loaded.engine.feed(reader, "read", 20).items
    author = next(post.author_id for post in authors if post.author_id != reader)
    loaded.engine.unfollow(reader, author)
    remaining = Truth(store).feed(reader)
    assert remaining
    bodies = [loaded.engine.post(post) for post in remaining]
    assert author not in {post.author_id for post in bodies}
    assert verify.compare(loaded.engine, [reader], nothing).differences == []


def test_verify_delivers_itself_where_no_worker_runs(loaded: Services) -> None:
    verify.publish_random(loaded.engine, 20, 9, nothing)
    assert loaded.engine.queue().jobs > 0
    verify.drain(loaded.engine)
    assert loaded.engine.queue().jobs == 0


def test_verify_does_not_wait_for_ever(loaded: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "_help_or_wait", lambda *_: None)
    verify.publish_random(loaded.engine, 20, random.randrange(100), nothing)
    with pytest.raises(TimeoutError, match="jobs"):
        verify.drain(loaded.engine, patience=0.05)
