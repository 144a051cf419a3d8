"""Random histories on every store, compared with the brute-force truth (design invariants 1-4)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from app.domain.errors import KeyReused
from app.domain.models import STRATEGIES, Strategy
from app.services.container import Services
from tests.conftest import Backend, add_users, all_pages, changed_lua
from tests.oracle.machine import strategy, user
from tests.oracle.races import Races
from tests.oracle.sequences import Sequences

EXAMPLES = {"fake": 25, "valkey": 30, "redis": 15, "cluster": 8}


class Histories(Races, Sequences):
    """All rules together, and those that no other rule makes use of."""

    @rule(author=user, how=strategy, key=st.sampled_from([None, None, "a", "b", "c"]))
    def publish(self, author: int, how: Strategy, key: str | None) -> None:
        """With a key it may be a repetition: then the answer is the first one's."""
        before = self.keys.get((author, key)) if key else None
        if before and before[0] != how:
            with pytest.raises(KeyReused):
                self.services.publishing.publish(author, f"a post by {author}", how, key)
            return
        self.post(author, how, key=key)

    @rule(author=user, count=st.integers(2, 6))
    def burst(self, author: int, count: int) -> None:
        for _ in range(count):
            self.post(author, "write")

    @precondition(lambda self: self.truth.posts)
    @rule(data=st.data())
    def delete(self, data: Any) -> None:
        post = data.draw(st.sampled_from(sorted(self.truth.posts)))
        self.services.publishing.delete(post)
        del self.truth.posts[post]


@pytest.fixture
def _few_are_many() -> Iterator[None]:
    """More than three held posts are a case of their own, as are 200 elsewhere: no history of a
    bearable length would hold back so many."""
    with changed_lua("local RELEASE_MAX = 200", "local RELEASE_MAX = 3"):
        yield


@pytest.mark.usefixtures("_few_are_many")
def test_histories(backend: Backend) -> None:
    machine = type("Histories", (Histories,), {"backend": backend})
    factor = float(os.environ.get("ORACLE_FACTOR", "1"))
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=max(1, int(EXAMPLES[backend.name] * factor)),
            stateful_step_count=60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


@pytest.mark.parametrize("how", STRATEGIES)
def test_a_feed_goes_on_past_the_cap(services: Services, how: Strategy) -> None:
    add_users(services.store, range(3))
    services.graph.follow(1, 0)
    services.feeds.page(1, "write")
    ids = [services.publishing.publish(0, f"post {n}", "write")[0].id for n in range(20)]
    services.deliverer("w").run_until_idle()
    assert all_pages(services, 1, how) == ids[::-1]
