"""The JSON API, described by OpenAPI at /api/openapi.json and readable at /api/docs."""

from collections.abc import Callable
from typing import Any

from flask import Response, jsonify, render_template
from flask_openapi import Info, OpenAPI
from flask_openapi_swagger.plugins import RegisterPlugin

from app import __version__
from app.web.api import routes
from app.web.api.description import complete
from app.web.api.schemas import Problem

DESCRIPTION = (
    "Posts, feeds and measurements of write fan-out, read fan-out and a hybrid of both. "
    "Errors are application/problem+json (RFC 9457)."
)


class Application(OpenAPI):
    """Flask with the API library; `folder` holds `templates/` and `static/`."""

    def __init__(self, folder: str) -> None:
        super().__init__(
            "app",
            info=Info(title="Fanout Demo", version=__version__, description=DESCRIPTION),
            doc_ui=False,
            validation_error_model=Problem,
            root_path=folder,
        )
        self.openapi_version = "3.1.0"

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """As it is: Flask would look at each of a request's seven functions again, every time."""
        return func


def register(app: OpenAPI, page_limit: int) -> None:
    """Adds all routes of the API, its description and the page that shows it. `page_limit` is
    FANOUT_PAGE_LIMIT."""
    app.register_api(routes.api)
    description = complete(app.api_doc, page_limit)

    @app.get("/api/openapi.json", doc_ui=False)
    def openapi_json() -> Response:
        return jsonify(description)

    # The scripts and styles come from the installed package; the page is ours.
    swagger = RegisterPlugin.register(doc_url="openapi.json")
    app.register_blueprint(swagger, url_prefix="/api/docs/ui")

    @app.get("/api/docs", doc_ui=False)
    def docs() -> str:
        return render_template("docs.html")
