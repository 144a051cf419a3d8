"""What a process keeps of pulled authors is late by its age at most, and its own posts never."""

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest

from app.bootstrap import Services
from app.engine.models import Strategy
from app.engine.store.posts import Posts
from app.engine.store.pulled_authors import PulledAuthors
from tests.conftest import Backend, add_users, small_settings


class Clock:
    """Seconds that pass when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def processes(backend: Backend, clock: Clock, count: int = 1) -> list[Services]:
    """Processes on one store. User 1 follows user 0 and has a timeline."""
    settings = small_settings(pulled_authors_cache_ms=100, log_cache_ms=500)
    store = backend.store(settings.shards)
    add_users(store, range(3))
    made = [Services(settings, store, clock) for _ in range(count)]
    made[0].engine.follow(1, 0)
    made[0].engine.feed(1, "write")
    return made


def post(services: Services) -> int:
    return services.engine.publish(0, "pulled", "read")[0].id


def seen(services: Services, how: Strategy = "hybrid") -> list[int]:
    return [post.id for post in services.engine.feed(1, how).items]


def after(of: type, name: str, act: Callable[[], None]) -> Any:
    """`act` happens once: when the method has its answer and its caller has not."""
    real, acts = getattr(of, name), [act]

    def slow(*args: Any, **options: Any) -> Any:
        reply = real(*args, **options)
        if acts:
            acts.pop()()
        return reply

    return patch.object(of, name, slow)


@pytest.mark.parametrize(("of", "name"), [(Posts, "log_pages"), (PulledAuthors, "all")])
def test_a_copy_that_was_fetched_before_a_post_of_this_process_is_not_kept(
    backend: Backend, of: type, name: str
) -> None:
    clock = Clock()
    (services,) = processes(backend, clock)
    posts: list[int] = []
    if name == "log_pages":
        posts.append(post(services))
    else:
        clock.now += 1  # the empty list of pulled authors that the first page kept is too old
    with after(of, name, lambda: posts.append(post(services))):
        seen(services)
    assert seen(services) == posts[::-1]


def test_a_second_read_uses_the_copies_of_the_first(backend: Backend) -> None:
    (services,) = processes(backend, Clock())
    ids = [post(services)]
    assert seen(services) == ids
    with (
        patch.object(Posts, "log_pages", side_effect=AssertionError("fetched again")),
        patch.object(PulledAuthors, "all", side_effect=AssertionError("fetched again")),
    ):
        assert seen(services) == ids


def test_another_process_sees_a_pulled_post_when_its_copies_expire(backend: Backend) -> None:
    clock = Clock()
    here, there = processes(backend, clock, 2)
    ids = [post(here)]
    assert seen(there) == ids
    ids = [post(here), *ids]
    assert seen(here) == seen(there, "write") == ids
    assert seen(there) == ids[1:]
    clock.now += 0.6
    assert seen(there) == ids
    there.engine.counters.flush(force=True)
    assert here.snapshot()["hybrid"]["cache_misses"] >= 2
