"""All rows, in their order."""

from __future__ import annotations

from bench.rows import Row, accepting, delivery, reading

ROWS: list[Row] = sorted(
    [*delivery.ROWS, *accepting.ROWS, *reading.ROWS],
    key=lambda row: row.number,
)
