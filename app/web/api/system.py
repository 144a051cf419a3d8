"""Metrics for the page, the experiment's controls, and datasets."""

from __future__ import annotations

from flask import Response, jsonify
from flask_openapi import APIBlueprint, Tag

from app.storage.control import Pace
from app.web.current import services
from app.web.schemas import (
    DatasetBody,
    DatasetOut,
    MetricsOut,
    Problem,
    WorkersBody,
    WorkersOut,
)

api = APIBlueprint(
    "system",
    __name__,
    url_prefix="/api",
    abp_tags=[Tag(name="system")],
    abp_responses={"503": Problem},
)


@api.get("/metrics", responses={200: MetricsOut})
def metrics() -> Response:
    """What the page shows: processing times, fan-out, queue, backpressure, workers"""
    return jsonify(services().metrics.snapshot())


@api.put("/workers", responses={200: WorkersOut, 400: Problem, 415: Problem})
def set_workers(body: WorkersBody) -> Response:
    """Pause the workers, or bound the deliveries per second over all of them"""
    services().control.set(body.paused, body.deliveries_per_second)
    return jsonify(_pace(services().control.pace()))


@api.post("/datasets", responses={202: DatasetOut, 400: Problem, 409: Problem, 415: Problem})
def load_dataset(body: DatasetBody) -> tuple[Response, int]:
    """Replace all users and posts by a generated dataset"""
    services().datasets.request(body.preset, body.seed)
    return jsonify(services().datasets.current()), 202


@api.get("/datasets/current", responses={200: DatasetOut})
def dataset() -> Response:
    """Which dataset is loaded, or how far the loading is"""
    return jsonify(services().datasets.current())


def _pace(pace: Pace) -> dict[str, bool | int | None]:
    return {"paused": pace.paused, "deliveries_per_second": pace.deliveries_per_second}
