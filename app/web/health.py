"""Liveness and readiness, for supervisors and for people."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from app.domain.errors import FanoutError
from app.web.current import services

bp = Blueprint("health", __name__)


@bp.get("/healthz")
def alive() -> Response:
    """200 as long as this process answers."""
    return jsonify({"status": "alive"})


@bp.get("/readyz")
def ready() -> tuple[Response, int]:
    """200 when posts can be accepted and delivered, else 503 and which part is missing."""
    checks = {"store": _check("store")}
    for name in ("worker", "dataset"):
        # Asking a store that does not answer once more would only take a time-out longer.
        checks[name] = _check(name) if checks["store"]["ok"] else {"ok": False}
    fine = all(check["ok"] for check in checks.values())
    body = {"status": "ready" if fine else "unready", "checks": checks}
    return jsonify(body), 200 if fine else 503


def _check(name: str) -> dict[str, Any]:
    try:
        match name:
            case "store":
                store = services().store
                store.call("writable", store.keys.control)
                return {"ok": True}
            case "worker":
                count = len(services().control.workers())
                return {"ok": count > 0, "count": count}
            case _:
                status = services().datasets.current()["status"]
                wanted = services().settings.dataset != "none"
                fine = status == "ready" or (status == "empty" and not wanted)
                return {"ok": fine, "status": status}
    except FanoutError as error:
        return {"ok": False, "detail": error.detail}
