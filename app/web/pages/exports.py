"""The live numbers as a flat table, for the JSON and CSV links of the charts."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from app.engine.store.workers import WorkerState


def rows(snapshot: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Every number of the metrics as (dotted name, value)."""
    return list(_flatten(snapshot, ""))


def as_csv(snapshot: Mapping[str, Any]) -> str:
    """`name,value` lines with a head; nothing measured is an empty field."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["name", "value"])
    writer.writerows((name, "" if value is None else value) for name, value in rows(snapshot))
    return out.getvalue()


def _flatten(node: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, WorkerState):
        node = asdict(node)
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _flatten(value, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _flatten(value, f"{prefix}.{index}")
    else:
        yield prefix, node
