"""What the make targets run: register files, materialize everything for them, show the outcome, clear away."""

import argparse
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from resources.warehouse.records import VIDEOS
from resources.warehouse.resource import Warehouse
from vid_assets.archive.partitions import PARTITIONS
from vid_assets.archive.prune import prune
from vid_assets.archive.register import register, reject
from vid_assets.backfill import Backfill
from vid_assets.defs.automation import under_way
from vid_assets.errors import MediaError, SettingsError
from vid_assets.execute import execute
from vid_assets.executor import end_orphans
from vid_assets.pipeline.records import read_records
from vid_assets.registry import discover
from vid_assets.report import write_report
from vid_assets.report.facts import shared_wall_s
from vid_assets.report.index import INDEX, write_index
from vid_assets.report.write import is_stale
from vid_assets.settings import analyzers_named, setting
from vid_assets.sql.publish import publish

_STYLES = {"value": "green", "not_applicable": "cyan", "undefined": "yellow", "failed": "red", "disabled": "dim"}
_PARTITION_TAG = "dagster/partition"


def main(arguments: Sequence[str]) -> int:
    """Run one command.

    Returns:
        The exit code: 0; 1 if something failed; 2 if a setting or an argument is wrong.
    """
    parser = argparse.ArgumentParser(prog="vid_assets", description="Analyse videos through Dagster.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("demo", help="three clips through every analyzer")
    one = commands.add_parser("analyze", help="every analyzer for the files given")
    one.add_argument("file", nargs="+", type=Path)
    backfill = commands.add_parser("backfill", help="what is missing, failed or out of date, newest videos first")
    backfill.add_argument("--retry", action="store_true", help="also what was given up after three failures")
    backfill.add_argument("--wait", action="store_true", help="wait for another backfill that is under way")
    prune = commands.add_parser("prune", help="clear away what nobody has used for long")
    prune.add_argument("--older-than", type=float, default=30.0, metavar="DAYS")
    prune.add_argument("--results", action="store_true", help="also the results of videos whose file has vanished")
    for command in (backfill, prune):
        command.add_argument("--dry-run", action="store_true", help="tell what would be done")
    options = parser.parse_args(arguments)
    if options.command == "backfill":
        console = Console()
        tell, complain = (lambda line: _tell(line, console)), (lambda line: _complain(line, console))
        return Backfill(tell, complain, options.dry_run, options.retry, options.wait).run()
    if options.command == "prune":
        return _prune(options.older_than, Console(), results=options.results, dry_run=options.dry_run)
    if options.command == "demo":
        from vid_assets.demo import put_clips

        return _analyze(put_clips(Path(setting("VID_ARCHIVE"))), Console())
    return _analyze(options.file, Console())


def _analyze(files: Sequence[Path], console: Console) -> int:
    try:
        analyzers_named(setting("VID_DISABLED"))
    except SettingsError as error:
        _complain(f"VID_DISABLED: {error}", console)
        return 1
    warehouse = Warehouse(path=setting("VID_WAREHOUSE"))
    publish(warehouse)
    failed = shown = 0
    with dg.DagsterInstance.get() as instance:
        end_orphans(instance)
        for file in files:
            try:
                video_id = register(file, warehouse, instance).video_id
            except MediaError as error:
                reject(file, error, warehouse)
                _complain(str(error), console)
                failed += 1
                continue
            start = time.perf_counter()
            succeeded = _materialize(video_id, file.name, warehouse, instance, console)
            failed += not succeeded
            _ensure_report(video_id, warehouse)
            shown += _show(video_id, file.name, time.perf_counter() - start, warehouse, console)
    if shown:
        _show_next_steps(warehouse, console)
    return int(failed > 0)


def _materialize(
    video_id: str, title: str, warehouse: Warehouse, instance: dg.DagsterInstance, console: Console
) -> bool:
    """Run the job for one video, with a bar that follows the records as they land in the warehouse.

    Dagster's console log stays silent: the table at the end says what failed, and the run's log in the UI says it all.
    """
    names = {analyzer.name for analyzer in discover()}
    since = datetime.now(UTC)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # in a file or a pipe there is no bar, but rich would leave an empty line for it
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with ThreadPoolExecutor(1) as pool, progress:
        running = pool.submit(execute, instance, {_PARTITION_TAG: video_id})
        bar = progress.add_task(escape(_line(title)), total=len(names))
        while not running.done():
            records = read_records(video_id, warehouse).values()
            done = {record["analyzer"] for record in records if record["ended_at"] >= since}
            progress.update(bar, completed=len(names & done))
            time.sleep(0.2)
    return running.result().success


def _ensure_report(video_id: str, warehouse: Warehouse) -> None:
    """Write the page that Dagster skipped because an analyzer failed."""
    reports = Path(setting("VID_REPORTS"))
    if is_stale(warehouse, reports, video_id, discover()):
        write_report(warehouse, Path(setting("VID_SCRATCH")), reports, video_id, discover())
        write_index(reports)


def _tell(line: str, console: Console) -> None:
    console.print(line, highlight=False, soft_wrap=True, markup=False)


def _prune(days: float, console: Console, *, results: bool, dry_run: bool) -> int:
    """Clear away what is old, and say what it was."""
    warehouse = Warehouse(path=setting("VID_WAREHOUSE"))
    publish(warehouse)
    tables = [analyzer.name for analyzer in discover()]
    with dg.DagsterInstance.get() as instance:
        busy = under_way(instance, instance.get_dynamic_partitions(str(PARTITIONS.name)))
        scratch = Path(setting("VID_SCRATCH"))
        made = prune(instance, warehouse, scratch, tables, days, results=results, busy=busy, dry_run=dry_run)
    console.print(
        f"{'would remove' if dry_run else 'removed'}: decoded streams of {len(made.streams)} videos, "
        f"{len(made.copies)} fetched copies, {len(made.runs)} runs with their logs, results of {len(made.results)} "
        f"videos, {made.leftovers} leftovers in the warehouse",
        highlight=False,
        soft_wrap=True,
    )
    return 0


def _show(video_id: str, title: str, wall_s: float, warehouse: Warehouse, console: Console) -> bool:
    """A table of what each analyzer answered, or one line if the video could not be decoded.

    Returns:
        Whether there was anything to show.
    """
    records = read_records(video_id, warehouse)
    video = warehouse.read_partition(VIDEOS.name, video_id)
    if records[VIDEOS.name]["status"] == "failed" or video is None:
        _complain(records[VIDEOS.name]["reason"], console)
        return False
    duration_s = video["duration_s"].item()
    analysis_s = shared_wall_s(warehouse, video_id) or 0.0
    pace = f"{duration_s:.1f} s, {_pace(analysis_s, duration_s, 2)}x realtime, {wall_s:.0f} s in all"
    console.print(f"{_line(title)}  ({pace})", style="italic", highlight=False, soft_wrap=True, markup=False)
    table = Table()
    for heading in ("analyzer", "status"):
        table.add_column(heading, no_wrap=True)
    for heading in ("rows", "seconds", "x realtime"):
        table.add_column(heading, justify="right", no_wrap=True)
    reasons = [f"  {VIDEOS.name}: {warning}" for warning in video.row(0, named=True)["warnings"] or ()]
    for analyzer in discover():
        record = records.get(analyzer.name)
        if record is None:
            table.add_row(analyzer.name, "[red]did not run[/red]")
            continue
        seconds = sum(record[name] for name in ("load_s", "decode_s", "compute_s", "write_s"))
        style = _STYLES[record["status"]]
        table.add_row(
            analyzer.name,
            f"[{style}]{record['status']}[/{style}]",
            str(record["rows"]),
            f"{seconds:.2f}",
            _pace(seconds, duration_s, 3),
        )
        if record["reason"]:
            reasons.append(f"  {analyzer.name}: {record['reason']}")
    console.print(table)
    console.print("\n".join([*reasons, ""]), highlight=False, soft_wrap=True, markup=False)
    return True


def _pace(seconds: float, duration_s: float, places: int) -> str:
    return f"{seconds / duration_s:.{places}f}" if duration_s > 0 else "-"


def _complain(line: str, console: Console) -> None:
    console.print(f"[red]failed[/red] {escape(_line(line))}", highlight=False, soft_wrap=True)


def _line(text: str) -> str:
    """The text in one line: file names may hold line breaks and other signs that move the cursor."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _show_next_steps(warehouse: Warehouse, console: Console) -> None:
    database = warehouse.root / "results.duckdb"
    lines = [
        f"Results: {database}",
        f"Reports: {Path(setting('VID_REPORTS')).absolute() / INDEX}",
        "Next:",
        "  make ui                         # assets, runs and pictures in the browser",
        "  make analyze VIDEO=clip.mp4     # a video of your own",
        "  make models                     # what the model hosts hold; make down stops them",
        f"  duckdb {database} 'FROM realtime_factor'   # any client of DuckDB",
    ]
    console.print("\n".join(lines), highlight=False, soft_wrap=True, markup=False)
