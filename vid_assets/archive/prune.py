"""Removes old data: decoded streams, fetched copies, run logs and, on request, results of vanished files.

Data in use stays: open decoded streams, unfinished runs, and the events that decide the state of a partition.
"""

import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl

from resources.fs import PARTS
from resources.warehouse.records import FIXED_TABLES, SOURCES
from resources.warehouse.resource import Warehouse
from vid_assets.archive.history import forget_checks, give_back_space, old_runs
from vid_assets.archive.partitions import NAME, places
from vid_assets.media.remote import unused_copies
from vid_assets.media.scratch import last_opened, remove_streams, trim_scratch
from vid_assets.report.player import forget_proxy
from vid_assets.report.previews import forget_previews

# No write takes that long.
WRITTEN_S = 3600.0


@dataclass(slots=True)
class Pruned:
    """What was removed, or would be.

    Attributes:
        streams: Ids of videos whose decoded streams were removed.
        copies: Fetched copies of remote files.
        runs: Ids of Dagster runs, with their event logs and compute logs.
        logs: Ids of Dagster runs that stay because a partition leans on them, without their logs.
        results: Ids of videos whose tables were removed.
        leftovers: Files left by interrupted or superseded writes.
    """

    streams: list[str] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    leftovers: int = 0


def prune(
    instance: dg.DagsterInstance,
    warehouse: Warehouse,
    scratch: Path,
    reports: Path,
    tables: Collection[str],
    days: float,
    *,
    former_checks: Collection[str],
    results: bool,
    busy: Collection[str],
    dry_run: bool,
) -> Pruned:
    """Remove data that nothing has used for this number of days.

    Args:
        instance: The Dagster instance.
        warehouse: Stores the results.
        scratch: The scratch folder.
        reports: The reports folder.
        tables: Names of the analyzers' tables.
        days: Minimum age of removed data.
        former_checks: See `history.forget_checks`.
        results: Whether to also remove the rows of videos whose file vanished at least that long ago.
        busy: Videos that unfinished runs cover; nothing of theirs is removed.
        dry_run: Whether to only report.
    """
    since = time.time() - days * 86400
    made = Pruned()
    opened = last_opened(scratch)
    old = {video_id for video_id, at in opened.items() if at < since} - set(busy)
    made.streams = sorted(old) if dry_run else trim_scratch(scratch, 0, keep=opened.keys() - old)
    for copy in unused_copies(scratch, since, _contents(busy, warehouse)):
        made.copies.append(copy.name)
        if not dry_run:
            copy.unlink(missing_ok=True)
    before = datetime.now(UTC) - timedelta(days=days)
    for run in list(old_runs(instance, before)):
        (made.logs if run.needed else made.runs).append(run.run_id)
        if not dry_run:
            run.forget(instance)
    if not dry_run:
        forget_checks(instance, before, former_checks)
        give_back_space(instance)
    if results:
        gone = warehouse.read_table(SOURCES.name).filter(pl.col("vanished_at") < before).select("video_id").collect()
        made.results = sorted(set(gone["video_id"]) - set(busy))
        if not dry_run:
            _remove_results(made.results, instance, warehouse, tables, scratch, reports)
    parts = _unfinished((scratch, reports, Path(instance.root_directory)))
    made.leftovers = len(parts)
    if not dry_run:
        for part in parts:
            part.unlink(missing_ok=True)
        made.leftovers += warehouse.compact().removed
    return made


def _unfinished(folders: Collection[Path]) -> list[Path]:
    """Return files that `resources.fs.write_atomically` began an hour ago or longer: their writers were killed."""
    found: list[Path] = []
    for part in (part for folder in folders for part in folder.rglob(PARTS)):
        with suppress(FileNotFoundError):
            if part.stat().st_mtime < time.time() - WRITTEN_S:
                found.append(part)
    return found


def _contents(video_ids: Collection[str], warehouse: Warehouse) -> set[str]:
    """Return the content hashes of videos."""
    sources = warehouse.read_table(SOURCES.name).filter(pl.col("video_id").is_in(list(video_ids)))
    return set(sources.select("content_hash").collect()["content_hash"])


def _remove_results(
    video_ids: Collection[str],
    instance: dg.DagsterInstance,
    warehouse: Warehouse,
    tables: Collection[str],
    scratch: Path,
    reports: Path,
) -> None:
    names = [*tables, *(table.name for table in FIXED_TABLES if table.key == SOURCES.key)]
    buckets = set(places(warehouse)["bucket"])
    warehouse.commit({name: dict.fromkeys(video_ids) for name in names})
    for key in (*video_ids, *sorted(buckets - set(places(warehouse)["bucket"]))):
        instance.delete_dynamic_partition(NAME, key)
    for video_id in video_ids:
        remove_streams(scratch, video_id)
        forget_previews(reports, video_id)
        forget_proxy(reports, video_id)
