"""The figures of the warm models: ``make bench-warm``, or ``vid-assets bench -- --only blip2 reuse``.

Every figure is a ratio of two things measured in turns in this run; README.md says what each means. The file is written
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

from benchmarks import architectures, blip2_load, blocking, memory, overhead, records, reuse
from benchmarks.kit import Home, temporary_home
from benchmarks.plan import Plan
from benchmarks.report import Report
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
}
TARGETS = {
    "overhead_ratio": ("at least", 20.0),
    "blip2_cold_ratio": ("at least", 6.0),
    "blip2_warm_ratio": ("at least", 10.0),
    "reuse_wait_s": ("at most", 0.1),
    "loads": ("at most", 1),
    "blocking_ratio": ("at most", 1.05),
    "baseline_architecture_ratio": ("at least", 5.0),
    "idle_memory_mb": ("at most", 3000.0),
    "event_rows": ("at most", 60.0),
    "record_mb": ("at most", 0.3),
}
WARM = Path(__file__).parent / "warm.json"


def main() -> int:
    """Measures what was asked for and shows it.

    Returns:
        The exit code: 0, or 1 if a figure misses its target.
    """
    parser = argparse.ArgumentParser(
        prog="vid-assets bench --", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", action="extend", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--repeats", type=int, default=3, help="how often each side of a ratio is measured")
    parser.add_argument("--rehearse", action="store_true", help="small stand-ins; writes nothing that lasts")
    parser.add_argument("--out", type=Path, default=WARM)
    options = parser.parse_args()
    only = [name for names in options.only or PARTS for name in names.split(",")]
    if unknown := set(only) - set(PARTS):
        parser.error(f"unknown parts {sorted(unknown)}; use {', '.join(PARTS)}")
    if not options.rehearse:
        return measure(only, options.repeats, Report(options.out), rehearse=False)
    with tempfile.TemporaryDirectory(prefix="vid-rehearsal-") as folder:
        return measure(only, options.repeats, Report(Path(folder) / "warm.json"), rehearse=True)


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


def met(name: str, value: Any) -> bool:
    """Whether a figure, or every one of several, reaches its target."""
    direction, target = TARGETS[name]
    values = value if isinstance(value, list) else [value]
    return all(item >= target if direction == "at least" else item <= target for item in values)


def show(values: dict[str, Any], console: Console) -> None:
    """One line per figure."""
    table = Table("figure", "value", "target")
    for name, (direction, target) in TARGETS.items():
        if name in values:
            found = values[name] if isinstance(values[name], list) else [values[name]]
            style = "green" if met(name, values[name]) else "red"
            text = ", ".join(f"{item:.4g}" for item in found)
            table.add_row(name, f"[{style}]{text}[/{style}]", f"{direction} {target:g}")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
