"""Liveness and readiness. One judgement serves `/readyz` and the pages."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flask import Blueprint, Response, jsonify

from app.bootstrap import Services
from app.current import services
from app.engine.errors import FanoutError, StoreFull
from app.engine.store.inspection import require_writable
from app.engine.store.workers import WORKER_TIMEOUT_SECONDS
from app.web.formatting import count_of
from app.web.problems import answer_to

bp = Blueprint("health", __name__)


@dataclass(frozen=True, slots=True)
class Check:
    """One part that is needed: `detail` in words for people, `facts` for programs."""

    ok: bool
    detail: str
    facts: Mapping[str, str | int] = field(default_factory=dict)


@bp.get("/healthz")
def alive() -> Response:
    """200 as long as this process answers."""
    return jsonify({"status": "alive"})


@bp.get("/readyz")
def ready() -> tuple[Response, int]:
    """200 when posts can be accepted and delivered, else 503 and which part is missing."""
    checks = readiness(services())
    fine = all(check.ok for check in checks.values())
    told = {
        name: {"ok": check.ok, **(check.facts or {"detail": check.detail})}
        for name, check in checks.items()
    }
    return jsonify({"status": "ready" if fine else "unready", "checks": told}), 200 if fine else 503


def readiness(services: Services) -> dict[str, Check]:
    """The judgement on each part; a store that takes no writes still tells of the others."""
    try:
        store, worker = _store(services), _workers(services)
        return {"store": store, "worker": worker, "dataset": dataset(services)}
    except FanoutError as error:
        return away(error)


def away(error: FanoutError) -> dict[str, Check]:
    """The judgement when nothing could be asked. To ask again would take another time-out."""
    unknown = Check(False, "Unknown while the store does not answer.")
    return {"store": Check(False, answer_to(error).detail), "worker": unknown, "dataset": unknown}


def dataset(services: Services) -> Check:
    """Whether there is a dataset, or none is wanted. Raises `StoreDown`."""
    found, wanted = services.datasets.current(), services.settings.dataset
    preset, status = found["preset"], found["status"]
    ok = status == "ready" or (status == "empty" and wanted == "none")
    match status:
        case "ready":
            detail = f"{preset}, {count_of(found['users'], 'user')}"
        case "loading" if found["waiting"]:
            detail = f"{preset} was asked for and waits for a worker."
        case "loading":
            detail = f"{preset} is being loaded: {found['percent']} percent."
        case "failed":
            detail = f"{preset} could not be loaded. {found['error']}"
        case _ if services.settings.owns_store and not ok:
            detail = f"The store is empty. A worker fills it: {wanted}."
        case _:
            command = f"flask --app app.main seed {'medium' if ok else wanted}"
            detail = f"The store is empty. To fill it, run: {command}"
    return Check(ok, detail, {"status": status} if ok else {"status": status, "detail": detail})


def _store(services: Services) -> Check:
    try:
        require_writable(services.engine.store)
    except StoreFull as full:
        return Check(False, answer_to(full).detail)
    return Check(True, "It answers and takes writes.")


def _workers(services: Services) -> Check:
    count = len(services.engine.workers.live())
    detail = count_of(count, "worker")
    if not count:
        detail = f"None was heard of in the last {WORKER_TIMEOUT_SECONDS:g} seconds. "
        detail += "Start one: flask --app app.main worker"
    elif services.engine.control.rate_limit().paused:
        detail += ", told to pause"
    return Check(count > 0, detail, {"count": count})
