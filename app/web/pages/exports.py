"""The live numbers as a flat table, for the JSON and CSV links of the charts."""

from collections.abc import Iterator
from typing import Any

import orjson

from app.bootstrap import Snapshot


def flat(snapshot: Snapshot) -> dict[str, Any]:
    """Every number of the metrics by its dotted name, such as `queue.backlog`."""
    return dict(_rows(orjson.loads(orjson.dumps(snapshot)), ""))


def _rows(node: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, (dict, list)):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _rows(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node
