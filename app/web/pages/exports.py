"""The live numbers as a flat table, for the JSON and CSV links of the charts."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import orjson

from app.bootstrap import Snapshot


def rows(snapshot: Snapshot) -> list[tuple[str, Any]]:
    """Every number of the metrics as (dotted name, value)."""
    return list(_flatten(orjson.loads(orjson.dumps(snapshot)), ""))


def as_csv(snapshot: Snapshot) -> str:
    """`name,value` lines with a head; nothing measured is an empty field."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([("name", "value"), *rows(snapshot)])
    return out.getvalue()


def _flatten(node: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, (dict, list)):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _flatten(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node
