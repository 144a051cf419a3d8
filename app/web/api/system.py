"""Metrics for the page, the experiment's controls, and datasets."""

from __future__ import annotations

from flask import Response, jsonify
from flask_openapi import APIBlueprint, Tag
from pydantic import RootModel

from app.bootstrap import Snapshot
from app.datasets.datasets import Dataset
from app.engine.store.control import RateLimit
from app.web.api.schemas import DatasetBody, Problem, WorkersBody
from app.web.current import services

api = APIBlueprint(
    "system",
    __name__,
    url_prefix="/api",
    abp_tags=[Tag(name="system")],
)


@api.get("/metrics", responses={200: RootModel[Snapshot]})
def metrics() -> Response:
    """What the page shows: processing times, fan-out, queue, backpressure, workers"""
    return jsonify(services().snapshot())


@api.put("/workers", responses={200: RootModel[RateLimit]})
def set_workers(body: WorkersBody) -> Response:
    """Pause the workers, or bound the deliveries per second over all of them"""
    services().engine.control.set(body.paused, body.deliveries_per_second)
    return jsonify(services().engine.control.rate_limit())


@api.post("/datasets", responses={202: RootModel[Dataset], 409: Problem})
def load_dataset(body: DatasetBody) -> tuple[Response, int]:
    """Replace all users and posts by a generated dataset"""
    services().datasets.request(body.preset, body.seed)
    return jsonify(services().datasets.current()), 202


@api.get("/datasets/current", responses={200: RootModel[Dataset]})
def dataset() -> Response:
    """Which dataset is loaded, or how far the loading is"""
    return jsonify(services().datasets.current())
