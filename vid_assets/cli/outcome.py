"""Show how the analyzers answered for a video, and what to do next."""

from collections.abc import Collection

from rich.console import Console
from rich.table import Table

from resources.settings import settings
from resources.warehouse.records import VIDEOS
from resources.warehouse.resource import Warehouse
from vid_assets.cli.console import complain, one_line, say
from vid_assets.pipeline.records import read_records
from vid_assets.registry import computed, discover
from vid_assets.report.facts import shared_wall_s
from vid_assets.report.index import INDEX

STYLES = {"value": "green", "not_applicable": "cyan", "undefined": "yellow", "failed": "red", "disabled": "dim"}
_SPENT = ("load_s", "decode_s", "compute_s", "write_s")


def show(
    video_id: str,
    title: str,
    wall_s: float,
    warehouse: Warehouse,
    console: Console,
    names: Collection[str] | None = None,
) -> bool:
    """Print a table of each analyzer's answer, or one line if the video could not be decoded.

    Args:
        video_id: Key of the video.
        title: Title of the video in the output.
        wall_s: Total seconds of the analysis.
        warehouse: The warehouse with the answers.
        console: Console for the output.
        names: The analyzers to show; None for all.

    Returns:
        Whether there was anything to show.
    """
    records = read_records(video_id, warehouse)
    video = warehouse.read_partition(VIDEOS.name, video_id)
    decoded = records.get(VIDEOS.name)
    if video is None or decoded is None or decoded["status"] == "failed":
        complain(decoded["reason"] if decoded else f"{title}: not decoded", console)
        return False
    duration_s = video["duration_s"].item()
    analysis_s = shared_wall_s(warehouse, video_id) or 0.0
    pace = f"{duration_s:.1f} s, {_pace(analysis_s, duration_s, 2)}x realtime, {wall_s:.0f} s in all"
    console.print(f"{one_line(title)}  ({pace})", style="italic", highlight=False, soft_wrap=True, markup=False)
    table = _table()
    reasons = [f"  {VIDEOS.name}: {warning}" for warning in video.row(0, named=True)["warnings"] or ()]
    for analyzer in discover() if names is None else computed():
        if names is not None and analyzer.name not in names:
            continue
        record = records.get(analyzer.name)
        if record is None:
            table.add_row(analyzer.name, "[red]did not run[/red]")
            continue
        seconds = sum(record[name] for name in _SPENT)
        status = f"[{STYLES[record['status']]}]{record['status']}[/]"
        pace = _pace(seconds, duration_s, 3)
        table.add_row(analyzer.name, status, str(record["rows"]), f"{seconds:.2f}", pace)
        if record["reason"]:
            reasons.append(f"  {analyzer.name}: {record['reason']}")
    console.print(table)
    say("\n".join([*reasons, ""]), console)
    return True


def show_next_steps(warehouse: Warehouse, console: Console) -> None:
    """Print where the results are, and what to run next."""
    database = warehouse.root / "results.duckdb"
    lines = [
        "Results: in the DuckLake of VID_WAREHOUSE" if warehouse.is_shared else f"Results: {database}",
        f"Reports: {settings().reports.absolute() / INDEX}",
        "Next:",
        "  vid-assets analyze clip.mp4     # a video of your own",
        "  vid-assets search WORDS         # who says, writes or shows it, and where; --by meaning",
        "  vid-assets serve                # the same as a page, over the whole archive",
        "  vid-assets models               # what the model hosts hold; vid-assets models down stops them",
        "  vid-assets ui                   # assets, runs and pictures in the browser",
    ]
    if not warehouse.is_shared:
        lines.append(f"  duckdb {database} 'FROM realtime_factor'   # any client of DuckDB")
    say("\n".join(lines), console)


def _table() -> Table:
    table = Table()
    for heading in ("analyzer", "status"):
        table.add_column(heading, no_wrap=True)
    for heading in ("rows", "seconds", "x realtime"):
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _pace(seconds: float, duration_s: float, places: int) -> str:
    return f"{seconds / duration_s:.{places}f}" if duration_s > 0 else "-"
