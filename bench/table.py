"""All rows, in their order: those of every module in `rows`."""

from importlib import import_module
from pkgutil import iter_modules

from bench import rows
from bench.rows import Row

ROWS: list[Row] = sorted(
    (
        row
        for found in iter_modules(rows.__path__)
        for row in import_module(f"{rows.__name__}.{found.name}").ROWS
    ),
    key=lambda row: row.number,
)
