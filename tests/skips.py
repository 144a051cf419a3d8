"""What a run left out, in a few lines: for each missing program, how many tests and what to do."""

import os
import re
from collections import Counter
from typing import NoReturn

import pytest

MISSING = re.compile(r"Skipped: (?P<what>.+) is missing: (?P<remedy>.+)")


def missing(what: str, remedy: str, *, required: bool | None = None) -> NoReturn:
    """Skips the test, or fails it where the thing is required: in CI, if not said otherwise."""
    reason = f"{what} is missing: {remedy}"
    if os.environ.get("CI") if required is None else required:
        pytest.fail(reason)
    pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints a line for each missing thing, and one for all other skips."""
    reasons = Counter(str(report.longrepr[2]) for report in terminalreporter.getreports("skipped"))
    if not reasons:
        return
    terminalreporter.section("not run")
    others = 0
    for reason, count in reasons.most_common():
        if found := MISSING.match(reason):
            what, remedy = found.groups()
            terminalreporter.write_line(
                f"{count:4} tests: {what} is missing. To run them: {remedy}"
            )
        else:
            others += count
    if others:
        terminalreporter.write_line(f"{others:4} tests for other reasons, which -rs lists")
