"""The services of the application that runs the current request or command."""

from typing import cast

from flask import current_app

from app.bootstrap import Services


def services() -> Services:
    """Built once for each application, by `create_app`."""
    return cast(Services, current_app.extensions["fanout"])
