"""What a run found: on the screen and as JSON."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from app.settings import Settings
from bench.formatting import number, ratio
from bench.measure import Outcome, median
from bench.rows import Row

_console = Console()
_progress = Console(stderr=True)


@dataclass
class Run:
    """One run with everything that is needed to judge or repeat it."""

    date: str
    command: str
    settings: dict[str, Any]
    machine: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    loading: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, row: Row, outcome: Outcome, *, durable: bool) -> None:
        """Notes what a row measured; `durable`: on servers with an append-only file."""
        ratios = outcome.ratios
        middle = median(ratios)
        met = (row.target is None or row.target.met(middle)) and all(outcome.others.values())
        self.rows.append(
            {
                **_head(row, durable),
                "unit": outcome.unit,
                "ours": outcome.ours,
                "baseline_figures": outcome.baseline,
                "ours_median": median(outcome.ours),
                "baseline_median": median(outcome.baseline),
                "ratio": middle,
                "ratio_low": min(ratios),
                "ratio_high": max(ratios),
                "others": outcome.others,
                "met": met if row.target or outcome.others else None,
                "notes": outcome.notes,
            }
        )

    def skip(self, row: Row, reason: str, *, durable: bool) -> None:
        """Notes that a row could not be measured."""
        self.rows.append({**_head(row, durable), "skipped": reason})


def _head(row: Row, durable: bool) -> dict[str, Any]:
    return {
        "number": row.number,
        "storage": "file" if durable else "memory",
        "work": row.work,
        "baseline": row.baseline,
        "target": None if row.target is None else str(row.target),
    }


def engine_settings(settings: Settings) -> dict[str, Any]:
    """Those settings of the engine that bear on speed."""
    names = [
        "shards",
        "chunk",
        "chunk_while_read",
        "chunks_in_flight",
        "timeline_cap",
        "timeline_slack",
    ]
    shown = {f"FANOUT_{name.upper()}": getattr(settings, name) for name in names}
    return shown | {name: text for name, text in os.environ.items() if name.startswith("FANOUT_")}


def say(text: str) -> None:
    """Tells what is going on."""
    _progress.print(f"[dim]{text}[/dim]")


def show(run: Run) -> None:
    """Prints the table."""
    table = Table(title=f"Fanout Demo, {run.date}, {run.seconds:.0f} s")
    for name in ("#", "storage", "work", "side by side with"):
        table.add_column(name)
    for name in ("ours", "baseline", "ratio (spread)", "target"):
        table.add_column(name, justify="right")
    table.add_column("met")
    for row in by_number(run.rows):
        table.add_row(*_cells(row))
    _console.print(table)
    for row in run.rows:
        for note in row.get("notes", []):
            _console.print(f"[dim]{row['number']}: {note}[/dim]", highlight=False)
    for load in run.loading:
        _console.print(
            f"seed {load['preset']}: {load['edges']:,} edges, "
            f"{load['edges_per_second']:,.0f} edges/s while loading, {load['seconds']:.1f} s in "
            f"all, {load['bytes_per_edge']:.1f} bytes an edge",
            highlight=False,
        )


def by_number(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows in their order, the append-only file before memory only."""
    return sorted(rows, key=lambda row: (row["number"], row["storage"]))


def _cells(row: dict[str, Any]) -> list[str]:
    head = [str(row["number"]), row["storage"], row["work"], row["baseline"]]
    if "skipped" in row:
        return [*head, "", "", "", row["target"] or "", f"skipped: {row['skipped']}"]
    return [
        *head,
        f"{number(row['ours_median'])} {row['unit']}",
        number(row["baseline_median"]),
        f"{ratio(row['ratio'])} ({ratio(row['ratio_low'])}-{ratio(row['ratio_high'])})",
        row["target"] or "report",
        {None: "", True: "yes", False: "no"}[row["met"]],
    ]


def save(run: Run, path: Path) -> None:
    """Writes the figures."""
    path.write_text(json.dumps(asdict(run), indent=1) + "\n")


def load(path: Path) -> Run:
    """Reads the figures of a run."""
    return Run(**json.loads(path.read_text()))
