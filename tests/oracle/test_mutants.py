"""The histories find deliberate bugs: a few of them here, all in the long form (`mutants.py`)."""

from collections.abc import Callable

import pytest

from tests.conftest import Backend, changed_lua
from tests.faults.harness import LONG
from tests.oracle.histories import Histories, few_are_many
from tests.oracle.mutants import MUTANTS, ROOT, Mutant, outcome

QUICK: dict[str, Callable[[Histories], None]] = {
    "booking goes backwards": lambda history: history.a_late_heartbeat(1, {2, 3, 4, 5}, 2),
    "large authors pass the limit": lambda history: history.a_large_author_meets_the_limit(1, 9, 3),
    "a release without counted followers drops the deferred posts": lambda history: (
        history.follow_between_count_and_release(1, 3, alone=True, posts=2, then="read")
    ),
}
"""A short history for each of these mutants, which kills it at once."""


def passes(backend: Backend, short: Callable[[Histories], None]) -> bool:
    history = type("Short", (Histories,), {"backend": backend})()
    history.begin(edges=set(), low=1, chunk_while_read=1, log_cap=100, served_by=[0])
    try:
        short(history)
        history.teardown()
    except AssertionError:
        return False
    return True


def test_every_mutant_fits_the_source() -> None:
    for mutant in MUTANTS:
        mutant.applied((ROOT / mutant.file).read_text())


@pytest.mark.parametrize("name", QUICK)
def test_short_histories_kill_a_few_mutants(backend: Backend, name: str) -> None:
    (mutant,) = (mutant for mutant in MUTANTS if mutant.name == name)
    with few_are_many():
        assert passes(backend, QUICK[name])
        with changed_lua(mutant.old, mutant.new):
            assert not passes(backend, QUICK[name])


@pytest.mark.faults
@pytest.mark.skipif(not LONG, reason="./test.sh --faults: minutes for each")
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_random_histories_kill_every_mutant(mutant: Mutant) -> None:
    assert outcome(mutant).startswith("killed")
