"""A wake-up notification ends a worker's sleep."""

import time
from collections.abc import Callable

import pytest

from app.bootstrap import Services
from app.engine.store.control import WakeUps
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
