"""What every answer carries, and which requests are turned away before anything is done.

Three guards, all for pages and API alike:

* headers that forbid the browser to load or run anything that is not ours;
* a host allow-list, so that a foreign site cannot point its own name at this address
  (DNS rebinding) and read the answers. An IP address or localhost cannot be rebound;
* unsafe methods only from our own pages. A browser always says where a request comes from
  (`Sec-Fetch-Site`, else `Origin`); curl sends neither and is let through.
"""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask, Request, request

from app.web.problems import ForeignHost, ForeignOrigin

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Swagger UI writes styles into its elements and draws its icons from data: addresses."""

DOCS_PREFIX = "/api/docs"
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked by probes and scrapers under whatever name the network gives us; nothing to steal there."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Embedder-Policy", "require-corp"),
    ("X-Frame-Options", "DENY"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
)


def install(app: Flask, allowed_hosts: str) -> None:
    """Put the guards in front of every route of `app`.

    `allowed_hosts` is FANOUT_ALLOWED_HOSTS: names separated by commas, or `*` for any.
    """
    names = frozenset(name.strip().lower() for name in allowed_hosts.split(",") if name.strip())

    @app.before_request
    def guard() -> None:
        if request.path not in OPEN_PATHS and not host_allowed(request.host, names):
            raise ForeignHost(f"The request was sent to {request.host!r}.")
        if request.method not in SAFE_METHODS and not same_origin(request):
            raise ForeignOrigin("The request came from another site.")

    app.wsgi_app = _hardened(app.wsgi_app, app.static_url_path or "/static")  # type: ignore[method-assign, assignment]


def _hardened(app: WSGIApplication, static: str) -> WSGIApplication:
    """`app` with our headers on every answer, whoever made it. Beneath Flask, whose header objects
    take fifty times as long for the same ones every time."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        policy = DOCS_POLICY if path.startswith(DOCS_PREFIX) else PAGE_POLICY

        def start(status: str, headers: list[tuple[str, str]], *failure: Any) -> Any:
            headers = [*headers, *HEADERS, ("Content-Security-Policy", policy)]
            if not path.startswith(static) and all(name != "Cache-Control" for name, _ in headers):
                headers.append(("Cache-Control", "no-store"))
            return start_response(status, headers, *failure)

        return app(environ, start)

    return answer


@lru_cache(maxsize=256)
def host_allowed(host: str, names: frozenset[str]) -> bool:
    """True for localhost, for any IP address (it cannot be rebound) and for the names given."""
    if "*" in names:
        return True
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        if name in names or name == "localhost" or name.endswith(".localhost"):
            return True
        ip_address(name)
    except ValueError:
        return False
    return True


def same_origin(req: Request) -> bool:
    """True when the browser says that our own page sent this, or when it is no browser."""
    site = req.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = req.headers.get("Origin")
    return origin is None or origin == f"{req.scheme}://{req.host}"
