"""A wake-up notification ends a worker's sleep."""

import time
from collections.abc import Callable

import pytest

from app.bootstrap import Services
from app.engine.store.control import RateLimit, WakeUps
from tests.conftest import add_users

SLEEP_SECONDS = 5.0


def publish(services: Services) -> None:
    services.engine.publish(0, "hello", "write")


def change_controls(services: Services) -> None:
    services.engine.control.set(paused=False)


@pytest.mark.parametrize("act", [publish, change_controls])
def test_a_new_job_and_changed_controls_wake_a_worker(
    services: Services, act: Callable[[Services], None]
) -> None:
    add_users(services.engine.store, range(2))
    services.engine.follow(1, 0)
    wake_ups = WakeUps(services.engine.store)
    wake_ups.wait(1.0)  # subscribes
    act(services)
    begun = time.monotonic()
    wake_ups.wait(SLEEP_SECONDS)
    wake_ups.close()
    assert time.monotonic() - begun < SLEEP_SECONDS / 2


def test_a_sleeping_worker_obeys_a_new_rate_limit_at_once(services: Services) -> None:
    worker = services.engine.worker("w", clock=lambda: 100.0)  # no look is due again by its clock
    services.engine.control.set(paused=True)
    worker.step()
    assert worker._rate_limit.paused
    worker._sleep()  # subscribes
    services.engine.control.set(paused=False)
    obeyed: list[bool] = []
    while not any(obeyed) and len(obeyed) < 20:
        worker._sleep()
        worker.step()
        obeyed.append(worker._rate_limit == RateLimit())
    assert obeyed[-1]
