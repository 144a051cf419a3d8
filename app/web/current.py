"""The services of the application that handles the current request."""

from __future__ import annotations

from typing import cast

from flask import current_app

from app.bootstrap import Services


def services() -> Services:
    """Wired once, by the composition root."""
    return cast(Services, current_app.extensions["fanout"])
