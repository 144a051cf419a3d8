"""Random histories on every store (design invariants 1-4)."""

import os

import pytest

from app.bootstrap import Services
from app.engine.models import STRATEGIES, Strategy
from tests.conftest import Backend, add_users, all_pages
from tests.oracle.histories import run_histories

EXAMPLES = {"fake": 25, "valkey": 30, "redis": 15, "cluster": 8}


def test_random_histories_equal_the_truth(backend: Backend) -> None:
    factor = float(os.environ.get("ORACLE_FACTOR", "1"))
    run_histories(backend, max(1, int(EXAMPLES[backend.name] * factor)))


@pytest.mark.parametrize("how", STRATEGIES)
def test_a_feed_goes_on_past_the_cap(services: Services, how: Strategy) -> None:
    add_users(services.engine.store, range(3))
    services.engine.follow(1, 0)
    services.engine.feed(1, "write")
    ids = [services.engine.publish(0, f"post {n}", "write")[0].id for n in range(20)]
    services.engine.deliverer("w").run_until_idle()
    assert all_pages(services, 1, how) == ids[::-1]
