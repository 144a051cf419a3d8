"""All rows, in their order."""

from bench.rows import (
    Row,
    accepting,
    delivery,
    limits,
    memory,
    ordinary,
    readers,
    reading,
    scaling,
    storage,
    web,
)

ROWS: list[Row] = sorted(
    (
        row
        for module in (
            accepting,
            delivery,
            limits,
            memory,
            ordinary,
            readers,
            reading,
            scaling,
            storage,
            web,
        )
        for row in module.ROWS
    ),
    key=lambda row: row.number,
)
