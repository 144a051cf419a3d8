"""Counts arrive once, whatever becomes of the answer."""

import threading
import time
from typing import Any

import pytest

from app.engine.errors import StoreDown
from app.engine.store.batch import Batch
from app.engine.store.client import Store
from app.engine.store.counters import Metrics
from app.engine.store.failures import does_not_answer
from tests.conftest import Backend


class Deaf(Store):
    """A store that does what it is told; as often as `deaf` says, its answer comes too late."""

    deaf = 0

    def run(self, *args: Any, **options: Any) -> list[Any]:
        replies = super().run(*args, **options)
        if self.deaf:
            self.deaf -= 1
            raise does_not_answer()
        return replies


@pytest.fixture
def deaf(backend: Backend, store: Store) -> Deaf:
    return Deaf(lambda: store.redis, store.keys)


def counted(store: Store) -> dict[str, int]:
    return Metrics(store).read().total


def test_a_flush_that_arrived_and_timed_out_is_not_counted_again(deaf: Deaf) -> None:
    metrics = Metrics(deaf)
    metrics.add("posts", 3)
    deaf.deaf = 2
    for _ in range(2):
        with pytest.raises(StoreDown):
            metrics.flush(force=True)
        metrics.add("posts", 4)  # meanwhile work goes on
    metrics.flush(force=True)
    assert counted(deaf)["posts"] == 11
    metrics.flush(force=True)
    assert counted(deaf)["posts"] == 11


def test_a_flush_that_did_not_arrive_is_counted_later(deaf: Deaf) -> None:
    metrics = Metrics(deaf)
    metrics.add("posts", 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batch, "run", lambda *_, **__: (_ for _ in ()).throw(does_not_answer()))
        with pytest.raises(StoreDown):
            metrics.flush(force=True)
    assert "posts" not in counted(deaf)
    metrics.flush(force=True)
    assert counted(deaf)["posts"] == 3


def test_a_flush_that_arrives_after_the_next_one_is_ignored(deaf: Deaf) -> None:
    metrics = Metrics(deaf)
    for _ in range(2):
        metrics.add("posts")
        metrics.flush(force=True)
    metrics._number -= 2  # as if the first one had waited in a socket
    metrics.add("posts")
    metrics.flush(force=True)
    assert counted(deaf)["posts"] == 2


def test_the_counts_of_all_processes_are_summed(deaf: Deaf) -> None:
    for _ in range(2):
        metrics = Metrics(deaf)
        metrics.add("posts")
        metrics.flush(force=True)
    assert counted(deaf)["posts"] == 2


def test_a_flush_does_not_wait_for_another_threads_time_out(deaf: Deaf) -> None:
    metrics = Metrics(deaf)
    metrics.add("posts")
    entered, leave = threading.Event(), threading.Event()

    def hang(*_: Any, **__: Any) -> Any:
        entered.set()
        leave.wait(10)
        raise does_not_answer()

    def flush() -> None:
        with pytest.raises(StoreDown):
            metrics.flush(force=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batch, "run", hang)
        thread = threading.Thread(target=flush)
        thread.start()
        assert entered.wait(5)
        begun = time.monotonic()
        metrics.flush(force=True)
        assert time.monotonic() - begun < 1
        leave.set()
        thread.join()
    metrics.flush(force=True)
    assert counted(deaf)["posts"] == 1
