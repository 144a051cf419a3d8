"""`python -m bench`: measures, prints a table, writes JSON, makes docs/benchmarks.md."""

import argparse
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from bench import loading, machine, report, report_text, servers
from bench.context import Context
from bench.rows import Row
from bench.servers import Missing
from bench.table import ROWS

STORAGES = {"file": "append-only file", "memory": "memory only"}


def main() -> int:
    """Runs what the command line asks for."""
    options = _options()
    if options.report:
        figures = asdict(report.load(options.json))
        options.report.write_text(report_text.markdown(figures, options.json.name))
        return 0
    run = report.Run(
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        command="python -m bench " + " ".join(Path(word).name for word in sys.argv[1:]),
        settings={
            "rounds": options.rounds,
            "quick": options.quick,
            "seed": options.seed,
            "storage": ", ".join(STORAGES[name] for name in options.storage),
        },
    )
    begun = time.monotonic()
    for storage in options.storage:
        context = Context(
            options.rounds, options.quick, options.server, storage == "file", options.seed
        )
        with context.stack:
            report.say(f"laying out the data, {STORAGES[storage]}")
            run.machine = machine.facts(context.fixture.client.info())
            run.settings |= report.engine_settings(context.fixture.settings)
            for row in ROWS:
                if row.number in (options.only or [row.number]):
                    _measure(row, context, run, begun)
        for preset in options.load:
            report.say(f"loading {preset}, {STORAGES[storage]}")
            run.loading.append(loading.measure(preset, context))
    run.seconds = round(time.monotonic() - begun, 1)
    report.show(run)
    if options.json:
        report.save(run, options.json)
    return 0


def _measure(row: Row, context: Context, run: report.Run, begun: float) -> None:
    report.say(f"{time.monotonic() - begun:.0f} s, row {row.number}: {row.work}")
    try:
        run.add(row, row.run(context), durable=context.durable)
    except Missing as reason:
        run.skip(row, str(reason), durable=context.durable)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the data, fewer rounds")
    parser.add_argument("--only", type=_numbers, help="rows to measure, such as 1,4,7")
    parser.add_argument("--rounds", type=int, help="rounds of each row (5; quick: 3)")
    parser.add_argument("--seed", type=int, default=1, help="of the random data (1)")
    parser.add_argument("--server", choices=servers.KINDS, default="valkey")
    parser.add_argument(
        "--storage",
        type=lambda text: text.split(","),
        default=[*STORAGES],
        help="file (servers write an append-only file, as ./start.sh runs its own), memory, or"
        " both in turn (file,memory)",
    )
    parser.add_argument(
        "--load",
        type=lambda text: [name for name in text.split(",") if name != "none"],
        default=["large"],
        help="presets to load, such as large,huge; none for no loading (large)",
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument(
        "--report", type=Path, help="write this Markdown file from the figures in --json; no run"
    )
    options = parser.parse_args()
    if options.only or options.quick:
        options.load = options.load if "--load" in sys.argv else []
    if not set(options.storage) <= set(STORAGES):
        parser.error(f"--storage takes {' and '.join(STORAGES)}")
    if options.report and not options.json:
        parser.error("--report needs --json FILE with the figures")
    options.rounds = options.rounds or (3 if options.quick else 5)
    return options


def _numbers(text: str) -> list[int]:
    known = {row.number for row in ROWS}
    numbers = [int(part) for part in text.split(",")]
    if not known.issuperset(numbers):
        raise argparse.ArgumentTypeError(f"rows are {sorted(known)}")
    return numbers


if __name__ == "__main__":
    sys.exit(main())
