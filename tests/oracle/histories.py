"""Random histories of all rules, compared with the brute-force truth (design invariants 1-4)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from app.engine.errors import KeyReused
from app.engine.feeds import log_cache
from app.engine.models import Strategy
from app.engine.store import transactions
from tests.conftest import Backend, changed_lua
from tests.oracle.machine import strategy, user
from tests.oracle.races import Races
from tests.oracle.sequences import Sequences


class Histories(Races, Sequences):
    """All rules together, and those that no other rule makes use of."""

    @rule(author=user, how=strategy, key=st.sampled_from([None, None, "a", "b", "c"]))
    def publish(self, author: int, how: Strategy, key: str | None) -> None:
        """With a key it may be a repetition: then the answer is the first one's."""
        before = self.keys.get((author, key)) if key else None
        if before and before[0] != how:
            with pytest.raises(KeyReused):
                self.services.engine.publish(author, f"a post by {author}", how, key)
            return
        self.post(author, how, key=key)

    @rule(author=user, count=st.integers(2, 6))
    def burst(self, author: int, count: int) -> None:
        for _ in range(count):
            self.post(author, "write")

    @precondition(lambda self: self.truth.posts)
    @rule(data=st.data())
    def delete(self, data: Any) -> None:
        self.remove(data.draw(st.sampled_from(sorted(self.truth.posts))))


@contextmanager
def few_are_many() -> Iterator[None]:
    """More than three deferred posts are a case of their own, as are 200 elsewhere, and logs are
    kept to their third post: no history of a bearable length would come so far. Each history draws
    how many followers make a job large."""
    with (
        changed_lua("local RELEASE_MAX = 200", "local RELEASE_MAX = 3"),
        patch.object(log_cache, "KEPT", 3),
        patch.object(transactions, "MIN_FOLLOWERS", 200),
    ):
        yield


def run_histories(
    backend: Backend, examples: int, number: int | None = None, **options: Any
) -> None:
    """Raises what the first history that fails raises. The same number makes the same histories."""
    machine = type("Histories", (Histories,), {"backend": backend})
    with few_are_many():
        run_state_machine_as_test(
            machine if number is None else seed(number)(machine),
            settings=settings(
                max_examples=examples,
                stateful_step_count=60,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                print_blob=True,
                **options,
            ),
        )
