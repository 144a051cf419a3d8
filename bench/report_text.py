"""docs/benchmarks.md, from the figures of a run."""

from typing import Any

from bench.formatting import number, ratio
from bench.report import by_number

INTRO = """# Benchmarks

This file is made by the bench; do not edit it. Ours stands side by side with the pattern of
others, written by us from the published algorithm, in one run on one machine. Both sides
alternate, round by round; the ratio is taken within each round. Trust the ratios: absolute figures
change with the machine and with what else runs on it. Storage `file` is a server that writes an
append-only file and syncs it every second, as `./start.sh` runs its own; `memory` keeps nothing.

"""


def markdown(run: dict[str, Any], source: str) -> str:
    """The whole file. `source` is the JSON file's name."""
    parts = [
        INTRO,
        _commands(run, source),
        _table(run["rows"]),
        _details(run["rows"]),
        _loading(run.get("loading", [])),
        _machine(run),
    ]
    return "\n".join(part for part in parts if part)


def _commands(run: dict[str, Any], source: str) -> str:
    return (
        f"```\n{run['command'].strip()}\npython -m bench --json {source} "
        f"--report docs/benchmarks.md\n```\n\n"
        f"Measured {run['date']}, {run['settings']['rounds']} rounds, "
        f"in {run['seconds']:.0f} seconds. The spread is the lowest and the highest ratio of the "
        "rounds.\n"
    )


def _table(rows: list[dict[str, Any]]) -> str:
    names = ("#", "storage", "work", "side by side with", "ours", "baseline", "ratio (spread)")
    lines = _head(*names, "target", "met")
    for row in by_number(rows):
        head = f"| {row['number']} | {row['storage']} | {row['work']} | {row['baseline']} |"
        if "skipped" in row:
            lines.append(f"{head} | | | {row['target'] or ''} | skipped |")
            continue
        spread = f"{ratio(row['ratio_low'])}-{ratio(row['ratio_high'])}"
        lines.append(
            f"{head} {number(row['ours_median'])} {row['unit']} | {number(row['baseline_median'])} "
            f"| **{ratio(row['ratio'])}×** ({spread}) | {row['target'] or 'report'} "
            f"| {_met(row)} |"
        )
    return "\n".join(lines) + "\n"


def _head(*names: str) -> list[str]:
    return [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]


def _met(row: dict[str, Any]) -> str:
    return {None: "", True: "yes", False: "no"}[row["met"]]


def _details(rows: list[dict[str, Any]]) -> str:
    lines = ["## What was checked, and what to know\n"]
    for row in by_number(rows):
        if "skipped" in row:
            lines.append(f"- {_name(row)} was skipped: {row['skipped']}")
            continue
        others = [f"{what}: {'yes' if met else 'no'}" for what, met in row["others"].items()]
        lines.append(f"- {_name(row)}: " + "; ".join([*row["notes"], *others]) + ".")
    return "\n".join(lines) + "\n"


def _name(row: dict[str, Any]) -> str:
    return f"Row {row['number']}, {row['storage']}"


def _loading(loads: list[dict[str, Any]]) -> str:
    if not loads:
        return ""
    lines = [
        "## Loading a dataset\n",
        "`flask --app app.main seed PRESET` on an empty server.\n",
        *_head(
            "preset",
            "storage",
            "users",
            "edges",
            "edges/s while loading",
            "seconds in all",
            "bytes an edge",
        ),
    ]
    lines += [
        f"| {load['preset']} | {load['storage']} | {load['users']:,} | {load['edges']:,} "
        f"| {load['edges_per_second']:,.0f} | {load['seconds']:.1f} "
        f"| {load['bytes_per_edge']:.1f} |"
        for load in loads
    ]
    return "\n".join(lines) + "\n"


def _machine(run: dict[str, Any]) -> str:
    facts = {**run["machine"]}
    packages = facts.pop("packages", {})
    facts["packages"] = ", ".join(f"{name} {version}" for name, version in packages.items())
    lines = ["## Machine and settings\n"]
    lines += [f"- {name.replace('_', ' ')}: {value}" for name, value in facts.items()]
    lines += [f"- {name}: {value}" for name, value in run["settings"].items()]
    return "\n".join(lines) + "\n"
