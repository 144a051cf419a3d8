"""What a run did not test is told in a few lines."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.processes import ROOT

TESTS = """
import pytest
from tests.skips import missing

@pytest.mark.parametrize("number", range(30))
def test_with_a_browser(number):
    missing("Chromium", "apt-get install chromium")

def test_with_a_server():
    missing("redis-server", "apt-get install redis-server")

@pytest.mark.parametrize("number", range(2))
def test_on_other_machines(number):
    pytest.skip("a reason of its own")

def test_that_runs():
    pass
"""


def run(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs pytest on the tests above as ./test.sh does, with the project's own options."""
    file = folder / "test_sample.py"
    file.write_text(TESTS)
    command = ["-m", "pytest", "-p", "tests.skips", "-c", str(ROOT / "pyproject.toml"), str(file)]
    env = {name: value for name, value in os.environ.items() if name != "CI"} | environment
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )


def test_each_missing_thing_is_one_line_with_the_command_that_helps(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 0, done.stdout
    assert re.findall(r"^ *\d+ tests.*", done.stdout, re.MULTILINE) == [
        "  30 tests: Chromium is missing. To run them: apt-get install chromium",
        "   1 tests: redis-server is missing. To run them: apt-get install redis-server",
        "   2 tests for other reasons, which -rs lists",
    ]
    assert "SKIPPED" not in done.stdout


def test_what_is_missing_fails_in_ci(tmp_path: Path) -> None:
    done = run(tmp_path, CI="true")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "31 failed, 1 passed, 2 skipped" in done.stdout
    assert "Chromium is missing: apt-get install chromium" in done.stdout
