"""Removes old data: decoded streams, fetched copies, run logs and, on request, results of vanished files.

Data in use stays: open decoded streams, unfinished runs, and runs whose materialization is still the latest of its
partition. Without the last, Dagster would treat the partition as missing.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl

from resources.warehouse.records import FIXED_TABLES, SOURCES
from resources.warehouse.resource import Warehouse
from vid_assets.archive.partitions import PARTITIONS
from vid_assets.media.remote import unused_copies
from vid_assets.media.scratch import last_opened, remove_streams, trim_scratch

_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


@dataclass(slots=True)
class Pruned:
    """What was removed, or would be.

    Attributes:
        streams: Ids of videos whose decoded streams were removed.
        copies: Fetched copies of remote files.
        runs: Ids of Dagster runs, with their event logs and compute logs.
        results: Ids of videos whose tables were removed.
        leftovers: Files left in the warehouse by interrupted or superseded writes.
    """

    streams: list[str] = field(default_factory=list)
    copies: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    leftovers: int = 0


def prune(
    instance: dg.DagsterInstance,
    warehouse: Warehouse,
    scratch: Path,
    tables: Collection[str],
    days: float,
    *,
    results: bool,
    busy: Collection[str],
    dry_run: bool,
) -> Pruned:
    """Remove data that nothing has used for this number of days.

    Args:
        instance: The Dagster instance.
        warehouse: Stores the results.
        scratch: The scratch folder.
        tables: Names of the analyzers' tables.
        days: Minimum age of removed data.
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
    for run in instance.get_runs(dg.RunsFilter(statuses=_ENDED, created_before=before)):
        if not _is_latest_anywhere(instance, run.run_id):
            made.runs.append(run.run_id)
            if not dry_run:
                instance.compute_log_manager.delete_logs(prefix=[run.run_id])
                instance.delete_run(run.run_id)
    if results:
        gone = warehouse.read_table(SOURCES.name).filter(pl.col("vanished_at") < before).select("video_id").collect()
        made.results = sorted(set(gone["video_id"]) - set(busy))
        if not dry_run:
            _remove_results(made.results, instance, warehouse, tables, scratch)
    if not dry_run:
        made.leftovers = warehouse.compact().removed
    return made


def _contents(video_ids: Collection[str], warehouse: Warehouse) -> set[str]:
    """Return the content hashes of videos."""
    sources = warehouse.read_table(SOURCES.name).filter(pl.col("video_id").is_in(list(video_ids)))
    return set(sources.select("content_hash").collect()["content_hash"])


def _is_latest_anywhere(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a materialization of the run is still the latest of its partition."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
        event = entry.dagster_event
        if event is None or event.asset_key is None:
            continue
        partitions = None if event.partition is None else [event.partition]
        latest = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=event.asset_key, asset_partitions=partitions), limit=1
        ).records
        if latest and latest[0].run_id == run_id:
            return True
    return False


def _remove_results(
    video_ids: Collection[str],
    instance: dg.DagsterInstance,
    warehouse: Warehouse,
    tables: Collection[str],
    scratch: Path,
) -> None:
    names = [*tables, *(table.name for table in FIXED_TABLES if table.key == SOURCES.key)]
    warehouse.commit({name: dict.fromkeys(video_ids) for name in names})
    for video_id in video_ids:
        instance.delete_dynamic_partition(str(PARTITIONS.name), video_id)
        remove_streams(scratch, video_id)
