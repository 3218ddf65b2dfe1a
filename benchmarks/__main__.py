"""The figures of the pipeline: ``make bench``, or ``vid-assets bench -- --only blip2 reuse``.

Ratios are of two things measured in turns in this run; README.md says what each figure means. The files are written
anew after each part, so that an interrupted run keeps what it has measured.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks import (
    architectures,
    blip2_load,
    blocking,
    light,
    memory,
    overhead,
    realtime,
    records,
    reuse,
    throughput,
)
from benchmarks.kit import Home, temporary_home
from benchmarks.peers import compare
from benchmarks.plan import Plan
from benchmarks.report import Report
from benchmarks.targets import TARGETS, as_text, met, slower
from resources.catalog import store as weights
from resources.catalog.rows import catalogue

Measure = Callable[[Home, Plan], tuple[dict[str, Any], dict[str, Any]]]
PARTS: dict[str, Measure] = {
    "reuse": reuse.measure,
    "memory": memory.measure,
    "overhead": overhead.measure,
    "records": records.measure,
    "blocking": blocking.measure,
    "blip2": blip2_load.measure,
    "baseline": architectures.measure,
    "realtime": realtime.measure,
    "light": light.measure,
    "throughput": throughput.measure,
    "peers": compare.measure,
}
RESULTS = Path(__file__).parent / "results.json"


def main() -> int:
    """Measures what was asked for and shows it.

    Returns:
        The exit code: 0, or 1 if a figure misses its target, or with ``--check`` got slower.
    """
    parser = argparse.ArgumentParser(
        prog="vid-assets bench --", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", action="extend", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--repeats", type=int, default=3, help="how often each side of a ratio is measured")
    parser.add_argument("--rehearse", action="store_true", help="small stand-ins; writes nothing that lasts")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--check", action="store_true", help="compare the ratios with those of --out; writes nothing")
    options = parser.parse_args()
    only = [name for names in options.only or PARTS for name in names.split(",")]
    if unknown := set(only) - set(PARTS):
        parser.error(f"unknown parts {sorted(unknown)}; use {', '.join(PARTS)}")
    if not options.rehearse and not options.check:
        return measure(only, options.repeats, Report(options.out), rehearse=False)
    with tempfile.TemporaryDirectory(prefix="vid-bench-") as folder:
        report = Report(Path(folder) / "results.json")
        missed = measure(only, options.repeats, report, rehearse=options.rehearse)
        return missed if options.rehearse else tell(slower(Report(options.out).values, report.values))


def measure(only: list[str], repeats: int, report: Report, *, rehearse: bool) -> int:
    """Runs the parts in order, and writes after each."""
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with temporary_home() as home, Progress(*columns, console=console) as progress:
        for spec in catalogue():
            if "offline" in spec.profiles:
                weights.pull(spec, home.models)
        bar = progress.add_task("starting", total=len(only))
        for name in (name for name in PARTS if name in only):
            plan = Plan(repeats, rehearse, lambda text: progress.update(bar, description=text))
            report.put(name, *PARTS[name](home, plan))
            progress.update(bar, advance=1)
        progress.update(bar, description="done")
    show(report.values, console)
    return int(any(not met(name, report.values[name]) for name in TARGETS if name in report.values))


def tell(got_slower: list[str]) -> int:
    """Says what got slower.

    Returns:
        The exit code: 1 if anything did.
    """
    print("\n".join(got_slower) or "Nothing got slower.")
    return int(bool(got_slower))


def show(values: dict[str, Any], console: Console) -> None:
    """One line per figure."""
    table = Table("figure", "value", "target")
    for name, (direction, target) in TARGETS.items():
        if name in values:
            style = "green" if met(name, values[name]) else "red"
            table.add_row(name, f"[{style}]{as_text(values[name])}[/{style}]", f"{direction} {target:g}")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
