"""The worker's loop: it keeps the rate limit, alone and with others, and nothing ends it."""

from typing import Any
from unittest.mock import Mock

import pytest

from app.bootstrap import Services
from app.engine.delivery import worker as loop
from app.engine.delivery.deliverer import Deliverer
from tests.conftest import Backend, add_readers, small_settings

AUTHOR, READERS, POSTS = 0, range(1, 41), 60


class Rounds:
    """Workers that iterate one after another; a round lasts 50 ms of the test's own clock."""

    def __init__(self, services: Services, workers: int) -> None:
        self.services = services
        self.now = 100.0
        self.workers = [
            services.engine.worker(f"w{n}", clock=lambda: self.now) for n in range(1, 1 + workers)
        ]

    def made_in(self, seconds: float) -> int:
        before = self.delivered
        for _ in range(round(seconds * 20)):
            self.now += 0.05
            for worker in self.workers:
                worker.step()
        return self.delivered - before

    @property
    def delivered(self) -> int:
        return sum(worker._deliverer.delivered for worker in self.workers)


@pytest.fixture
def crowd(backend: Backend) -> Services:
    """2,400 deliveries to make."""
    services = Services(small_settings(open_jobs=8, chunk=20), backend.store(4))
    add_readers(services, AUTHOR, READERS, users=41)
    for n in range(POSTS):
        services.engine.publish(AUTHOR, f"post {n}", "write")
    return services


def test_from_full_speed_the_limit_holds_at_once(crowd: Services) -> None:
    rounds = Rounds(crowd, 1)
    assert rounds.made_in(0.5) > 300
    crowd.engine.control.set(deliveries_per_second=100)
    rounds.made_in(loop.CONTROLS_SECONDS)  # until it looks
    assert 190 <= rounds.made_in(2) <= 210


def test_from_a_pause_and_changed_on_the_way_the_limit_holds(crowd: Services) -> None:
    rounds = Rounds(crowd, 1)
    crowd.engine.control.set(paused=True, deliveries_per_second=100)
    assert rounds.made_in(2) == 0
    crowd.engine.control.set(deliveries_per_second=100)
    rounds.made_in(loop.CONTROLS_SECONDS)
    assert 190 <= rounds.made_in(2) <= 210
    crowd.engine.control.set(deliveries_per_second=300)
    rounds.made_in(loop.CONTROLS_SECONDS)
    assert 570 <= rounds.made_in(2) <= 630
    crowd.engine.control.set(deliveries_per_second=50)
    rounds.made_in(loop.CONTROLS_SECONDS)
    assert 90 <= rounds.made_in(2) <= 110


def test_workers_share_the_limit(crowd: Services) -> None:
    rounds = Rounds(crowd, 3)
    crowd.engine.control.set(paused=True)
    rounds.made_in(0.5)
    crowd.engine.control.set(deliveries_per_second=120)
    rounds.made_in(1)  # until each has jobs and knows of the others
    assert 340 <= rounds.made_in(3) <= 380
    assert min(worker._deliverer.delivered for worker in rounds.workers) > 60


def test_a_release_keeps_the_rate_limit_on_average(backend: Backend) -> None:
    services = Services(small_settings(log_cap=100, timeline_cap=50), backend.store(4))
    add_readers(services, AUTHOR, READERS, users=41)
    for n in range(20):
        services.engine.publish(AUTHOR, f"deferred {n}", "read")
    services.engine.publish(AUTHOR, "pushed", "write")
    services.engine.deliverer("before").run_until_idle()
    services.engine.releases.run(force=True)
    rounds = Rounds(services, 1)
    services.engine.control.set(deliveries_per_second=40)
    made = rounds.made_in(10)
    assert made % 21 == 0
    assert 360 <= made <= 440


@pytest.mark.parametrize(
    "where", ["deliverer.run_iteration", "releases.run", "maintenance.run", "counters.flush"]
)
def test_no_exception_ends_the_loop(
    crowd: Services,
    where: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(loop, "REFUSED_SECONDS", 0.01)
    error = KeyError("surprise")
    owner, name = where.split(".")
    part = Deliverer if owner == "deliverer" else type(getattr(crowd.engine, owner))
    real, failures = getattr(part, name), [error] * 3

    def fails_thrice(*args: Any, **options: Any) -> Any:
        if failures:
            raise failures.pop()
        if not crowd.engine.queue().jobs:
            worker.stop()
        return real(*args, **options)

    monkeypatch.setattr(part, name, fails_thrice)
    worker = crowd.engine.worker("w")
    worker.run()
    assert crowd.engine.queue().backlog == 0
    logged = [record.exc_info for record in caplog.records if record.exc_info]
    assert [exc_info[1] for exc_info in logged] == [error] * 3


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_a_signal_to_end_ends_the_loop(
    crowd: Services, end: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = crowd.engine.worker("w")
    monkeypatch.setattr(worker, "step", Mock(side_effect=end))
    with pytest.raises(end):
        worker.run()
