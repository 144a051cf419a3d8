"""All rows, in their order."""

from __future__ import annotations

from bench.rows import Row, accepting, delivery, reading, web

ROWS: list[Row] = sorted(
    [*delivery.ROWS, *accepting.ROWS, *reading.ROWS, *web.ROWS],
    key=lambda row: row.number,
)
