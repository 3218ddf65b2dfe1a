"""``vid-assets status``: show what is done, what is running, what failed, and which models are loaded."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb
    from rich.console import Console

    from resources.warehouse.resource import Warehouse

Video = Annotated[
    str, typer.Argument(metavar="VIDEO", show_default=False, help="Only this one: id, start of it, file name, or path.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, without the model hosts.")]
SHOWN = 10
RETRY = "vid-assets backfill --retry"
_VIDEOS = """
SELECT count(*) AS registered, count(*) FILTER (missing = 0 AND failed = 0) AS complete,
    count(*) FILTER (failed > 0) AS with_failures, count(*) FILTER (missing > 0) AS with_missing,
    (SELECT count(*) FROM sources WHERE vanished_at IS NOT NULL) AS vanished
FROM video_quality"""
_ANSWERS = """
SELECT analyzer, count(*) FILTER (status = 'value') AS "value",
    count(*) FILTER (status = 'not_applicable') AS not_applicable, count(*) FILTER (status = 'undefined') AS undefined,
    count(*) FILTER (status = 'failed') AS failed, count(*) FILTER (status = 'disabled') AS disabled
FROM analyzer_runs WHERE analyzer IN (SELECT name FROM analyzers) GROUP BY analyzer ORDER BY analyzer"""
_FAILED = """
SELECT video_id, analyzer, reason FROM analyzer_runs WHERE status = 'failed'
ORDER BY ended_at DESC, analyzer LIMIT $1"""


def status(video: Video = "", as_json: AsJson = False) -> int:
    """Show what is done, what runs, what failed, and which models are loaded."""
    _check_settings()
    from resources.settings import settings
    from resources.warehouse.resource import Warehouse
    from vid_assets.cli.console import console
    from vid_assets.sql.publish import publish

    warehouse = Warehouse(path=str(settings().warehouse))
    publish(warehouse)
    if video:
        return _show_video(video, warehouse, console())
    facts = collect(warehouse)
    facts["page"] = str(write_page(facts))
    if as_json:
        sys.stdout.write(json.dumps(facts, default=str, ensure_ascii=False) + "\n")
        return 0
    _show(facts, console())
    return 0


def _check_settings() -> None:
    """Refuse what would end a backfill.

    Raises:
        SettingsError: ``VID_CONFIG``, ``VID_DISABLED`` or ``VID_ARCHIVE`` is wrong.
        CatalogueError: ``VID_CATALOG`` is wrong.
    """
    from resources.catalog.rows import catalogue
    from resources.settings import settings
    from vid_assets.archive.filesystem import check_archive
    from vid_assets.configuration import configuration
    from vid_assets.settings import analyzers_named

    configuration()
    catalogue()
    analyzers_named(settings().disabled)
    # without a setting, the folder need not exist: files can be analysed by name
    if "archive" in settings().model_fields_set:
        check_archive(settings().archive)


def collect(warehouse: "Warehouse") -> dict[str, Any]:
    """Return the state of the archive: video counts, answers per analyzer, failures, and unfinished runs.

    Returns:
        ``videos`` (counts by state), ``answers`` (one row per analyzer that has run), ``failed`` (at most `SHOWN` rows,
        latest first), ``unanswered`` (at most `SHOWN` kinds of reasons), ``remaining`` (what the rest will take),
        ``running`` (partition keys of the unfinished runs), ``decoder`` (what confines it), ``compaction`` (why it
        fails, or null).
    """
    from resources.warehouse.compaction import problem
    from vid_assets.archive.partitions import partition_keys
    from vid_assets.defs.automation import under_way
    from vid_assets.runs.home import instance
    from vid_assets.sql.progress import remaining, unanswered

    with warehouse.connect() as connection:
        facts: dict[str, Any] = {
            "videos": _rows(connection, _VIDEOS)[0],
            "answers": _rows(connection, _ANSWERS),
            "failed": _rows(connection, _FAILED, SHOWN),
            "compaction": problem(warehouse.root),
            "unanswered": [asdict(item) for item in unanswered(connection, SHOWN)],
            "remaining": asdict(remaining(connection)),
        }
    with instance() as dagster:
        facts["running"] = sorted(under_way(dagster, partition_keys(dagster)))
    facts["decoder"] = _decoder()
    return facts


def _decoder() -> str:
    """Return what confines a decoder; if none starts, why."""
    from vid_assets.errors import VidAssetsError
    from vid_assets.media.sandbox import protection

    try:
        return str(protection())
    except VidAssetsError as error:
        return str(error)


def write_page(facts: Mapping[str, Any]) -> "Path":
    """Write the page of the archive's state into the reports folder, and return its path."""
    from resources.hosting.local.hosts import LocalHosts
    from resources.settings import settings
    from vid_assets.report.status import write_status

    hosts = LocalHosts(settings().scratch.absolute()).standing()
    return write_status(settings().reports.absolute(), facts, left_to_do(facts["remaining"]), hosts, RETRY)


def _rows(connection: "duckdb.DuckDBPyConnection", query: str, *values: object) -> list[dict[str, Any]]:
    answer = connection.execute(query, list(values))
    names = [column[0] for column in answer.description or ()]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def _show(facts: dict[str, Any], console: "Console") -> None:
    from vid_assets.cli.console import complain, one_line, say, table
    from vid_assets.cli.models import show_hosts
    from vid_assets.disk import open_to_others

    say("videos: " + ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in facts["videos"].items()), console)
    if facts["answers"]:
        table(list(facts["answers"][0]), [[str(cell) for cell in row.values()] for row in facts["answers"]], console)
    for row in facts["failed"]:
        complain(f"{row['video_id']} {row['analyzer']}: {row['reason']}", console)
    if facts["compaction"]:
        complain(f"compaction fails: {facts['compaction']}; `vid-assets compact` tries it again", console)
    if facts["failed"]:
        say(f"Try again with: {RETRY}", console)
    kinds = [item for item in facts["unanswered"] if item["status"] == "undefined"]
    for item in kinds:
        say(f"not answered by {item['analyzer']} for {item['videos']}: {one_line(item['reason'])}", console)
    running = facts["running"]
    for line in open_to_others():
        complain(line, console)
    say(f"running: {', '.join(running[:SHOWN]) or 'nothing'}{' ...' if len(running) > SHOWN else ''}", console)
    say(f"decoder: {facts['decoder']}", console)
    say(left_to_do(facts["remaining"]), console)
    show_hosts(console)
    say(f"As a page: {facts['page']}", console)


def left_to_do(remaining: Mapping[str, Any]) -> str:
    """Return what is left to do, and what it will take, as a sentence."""
    from vid_assets.sql.progress import lasting

    if not remaining["videos"]:
        return "left to do: nothing"
    length = "" if remaining["video_s"] is None else f", {lasting(remaining['video_s'])} of video"
    if remaining["wall_s"] is None:
        took = "how long it takes is known after the first video"
    else:
        took = f"about {lasting(remaining['wall_s'])} at the pace so far"
    never = remaining["unknown"]
    rest = f", without {never} analyzers that have never run" if never and remaining["wall_s"] is not None else ""
    videos = f"{remaining['videos']} video{'' if remaining['videos'] == 1 else 's'}"
    return f"left to do: {videos}{length}; {took}{rest}"


def _show_video(video: str, warehouse: "Warehouse", console: "Console") -> int:
    from vid_assets.cli.console import table
    from vid_assets.export.subject import find
    from vid_assets.pipeline.records import read_records

    video_id = find(video, warehouse)
    rows = [
        (name, record["status"], str(record["rows"]), record["reason"] or "")
        for name, record in sorted(read_records(video_id, warehouse).items())
    ]
    table(("analyzer", "status", "rows", "reason"), rows, console)
    return 0
