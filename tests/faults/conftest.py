"""Faults are injected into real processes; each test says what it measured."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.faults.harness import Rig


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/faults" in str(item.path):
            item.add_marker(pytest.mark.faults)


@pytest.fixture
def start() -> Iterator[Callable[..., Rig]]:
    """Makes rigs; all of their processes end with the test."""
    rigs: list[Rig] = []

    def made(**options: Any) -> Rig:
        rigs.append(Rig(**options))
        return rigs[-1]

    yield made
    for rig in rigs:
        rig.stop()


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Prints figures past pytest's capture: they are the point of these tests."""

    def say(figures: str) -> None:
        with capsys.disabled():
            print(f"\n    {figures}", end="", flush=True)

    return say
