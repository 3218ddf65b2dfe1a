"""Automation: the archive sensor, the nightly backfill, and re-runs after code changes."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import dagster as dg
import polars as pl

from resources.settings import settings
from resources.warehouse.resource import Warehouse
from vid_assets.archive.exclusive import LOCK, holder
from vid_assets.archive.partitions import partition_keys, places
from vid_assets.archive.plan import (
    ATTEMPTS,
    Batch,
    Budget,
    Due,
    DuePartition,
    GivenUp,
    batches,
    by_partition,
    due,
    given_up,
    upstream_of,
    within,
)
from vid_assets.archive.register import take_in
from vid_assets.archive.scan import Archive
from vid_assets.archive.standing import standing
from vid_assets.defs.jobs import analyze_videos
from vid_assets.defs.report import REPORT
from vid_assets.defs.wanted import wanted_answers, wanted_assets
from vid_assets.disk import check
from vid_assets.errors import FolderError, MediaError
from vid_assets.executor import end_orphans
from vid_assets.report.write import pages_behind
from vid_assets.settings import Settings
from vid_assets.sql.publish import publish

REASON_TAG = "vid/reason"
# The sensor's cursor: whether a folder had no room.
FULL, ROOM = "full", "room"
TOLD = 20
PRIORITIES = {"new": "10", "missing": "0", "failed": "-5", "stale": "-10"}
_RANGE_TAGS: tuple[str, str] = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
_PARTITION_TAG = "dagster/partition"
_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dg.sensor(
    job=analyze_videos,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Registers new and changed files of the archive and requests runs for the new videos.",
)
def archive_sensor(
    context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings], warehouse: dg.ResourceParam[Warehouse]
) -> dg.SensorResult | dg.SkipReason:
    """Registers new and changed files of the archive, marks vanished files, and requests runs for new videos.

    Videos that another process registered are left to that process or to the nightly backfill. The sensor also ends
    runs whose process no longer exists.
    """
    for run_id in end_orphans(context.instance):
        context.log.warning(f"run {run_id} was ended: its process no longer exists")
    scratch = Path(settings.scratch)
    try:
        # while a disk is full nothing is taken in, and so nothing is lost
        check()
    except FolderError as error:
        context.update_cursor(FULL)
        return dg.SkipReason(str(error))
    publish(warehouse)
    try:
        with Archive(settings.archive, scratch) as archive:
            taken = take_in(archive, scratch, warehouse, context.instance)
    except MediaError as error:
        return dg.SkipReason(str(error))
    for problem in taken.refused:
        context.log.error(problem)
    for problem in taken.unreadable[:TOLD]:
        context.log.warning(f"{problem}; it is tried again")
    for group in taken.skipped[:TOLD]:
        context.log.info(str(group))
    for video_id in taken.vanished:
        context.log.warning(f"{video_id}: its file has vanished; its results are kept")
    if context.cursor == FULL:
        # what the full disk made fail goes on now, with what is new
        now = datetime.now(UTC)
        again = [request(batch, now) for batch in planned(context.instance, warehouse)]
        return dg.SensorResult(run_requests=again, cursor=ROOM)
    if not taken.partitions:
        waiting = taken.settling + taken.left
        opened = f"; {len(taken.new)} new videos wait for their bucket to be closed" if taken.new else ""
        return dg.SkipReason(f"nothing new to run{opened}; {waiting} files are still being written or read")
    everything = frozenset(wanted_assets())
    new = [DuePartition(key, everything, "new", videos) for key, videos in taken.partitions.items()]
    made = batches(new, partition_keys(context.instance))
    return dg.SensorResult(run_requests=[request(batch) for batch in made])


@dg.schedule(
    job=analyze_videos,
    cron_schedule="0 1 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Requests runs for what is missing, failed or out of date, newest first, within a night's budget.",
)
def nightly_backfill(
    context: dg.ScheduleEvaluationContext, warehouse: dg.ResourceParam[Warehouse]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Requests runs for missing, failed and out-of-date results, newest videos first, within a nightly budget.

    ``VID_BACKFILL_VIDEOS`` and ``VID_BACKFILL_HOURS`` (hours of video) set the budget. Videos that an unfinished run
    covers are skipped.
    """
    try:
        check()
    except FolderError as error:
        yield dg.SkipReason(str(error))
        return
    publish(warehouse)
    newest = context.instance.get_backfills(limit=100)
    if active := [backfill.backfill_id for backfill in newest if backfill.status.name in ("REQUESTED", "CANCELING")]:
        yield dg.SkipReason(f"backfill {active[0]} is under way")
        return
    if other := holder(Path(context.instance.root_directory) / LOCK):
        yield dg.SkipReason(f"a backfill of the command line is under way: {other}")
        return
    end_orphans(context.instance)
    made = planned(context.instance, warehouse)
    night = context.scheduled_execution_time
    yield from (request(batch, night) for batch in made)
    if not made:
        left = len(hopeless(context.instance, warehouse))
        hint = f"; {left} videos were given up, `vid-assets backfill --retry` tries them again" if left else ""
        yield dg.SkipReason(f"nothing {'else ' if left else ''}is missing, failed or out of date{hint}")


def planned(
    instance: dg.DagsterInstance,
    warehouse: Warehouse,
    attempts: float = ATTEMPTS,
    order: Sequence[str] | None = None,
) -> list[Batch]:
    """Return what `nightly_backfill` would run now. With infinite attempts it includes what was given up.

    First it publishes what killed runs left, so that they go on where they ended. `order` are all partition keys, if
    they are known.

    Raises:
        SettingsError: A budget is not a number, or an analyzer to leave out does not exist.
    """
    warehouse.adopt()
    order = partition_keys(instance) if order is None else order
    busy = under_way(instance, order)
    videos = videos_of([key for key in reversed(order) if key not in busy], warehouse)
    wanted = wanted_answers()
    budget = Budget(settings().backfill_videos, settings().backfill_hours or math.inf)
    found = list(due(warehouse, videos["video_id"], wanted, attempts))
    if len(found) < budget.videos:  # pages come last, and each costs a look at its file
        answers = pl.DataFrame({"video_id": [item.video_id for item in found]}, {"video_id": pl.String})
        others = videos.join(answers, on="video_id", how="anti", maintain_order="left")
        others = others.join(standing(warehouse, upstream_of(wanted)), on="video_id", maintain_order="left")
        pages = pages_behind(warehouse, settings().reports, others)
        found += [Due(key, frozenset({REPORT}), "missing") for key in pages]
    ids = pl.DataFrame({"video_id": [item.video_id for item in found]}, {"video_id": pl.String})
    buckets = dict(videos.join(ids, on="video_id", how="semi").iter_rows())
    return batches(within(by_partition(found, buckets), budget), order)


def hopeless(instance: dg.DagsterInstance, warehouse: Warehouse, order: Sequence[str] | None = None) -> list[GivenUp]:
    """Return the videos that were given up, newest first. `order` are all partition keys, if they are known."""
    videos = videos_of((partition_keys(instance) if order is None else order)[::-1], warehouse)
    return list(given_up(warehouse, videos["video_id"], wanted_answers()))


def videos_of(keys: Sequence[str], warehouse: Warehouse) -> pl.DataFrame:
    """Return the videos in these partitions, in their order, as ``video_id`` and ``partition``."""
    partitions = pl.DataFrame({"partition": keys}, {"partition": pl.String})
    placed = places(warehouse).rename({"bucket": "partition"})
    found = partitions.join(placed, on="partition", how="left", maintain_order="left_right")
    return found.select(pl.coalesce("video_id", "partition").alias("video_id"), "partition")


def request(batch: Batch, night: datetime | None = None) -> dg.RunRequest:
    """Return the run request of a batch. The same batch is requested once per night, or only once without a night."""
    text = f"{night}|{batch.first}|{batch.last}|{sorted(batch.assets)}"
    return dg.RunRequest(
        run_key=hashlib.sha256(text.encode()).hexdigest()[:16],
        tags=tags_of(batch) | {"dagster/priority": PRIORITIES[batch.reason]},
        asset_selection=selection_of(batch),
    )


def tags_of(batch: Batch) -> dict[str, str]:
    """Return the tags that name the partitions of a run and the reason for it."""
    return dict(zip(_RANGE_TAGS, (batch.first, batch.last), strict=True)) | {REASON_TAG: batch.reason}


def selection_of(batch: Batch) -> Sequence[dg.AssetKey] | None:
    """Return the assets of a run, including the report page; None selects the whole job."""
    return _selection(batch.assets, settings().disabled)


@lru_cache(maxsize=64)
def _selection(assets: frozenset[str], _disabled: str) -> Sequence[dg.AssetKey] | None:
    if assets >= set(wanted_assets()):
        return None
    return [dg.AssetKey(name) for name in sorted({*assets, REPORT})]


def under_way(instance: dg.DagsterInstance, order: Sequence[str]) -> set[str]:
    """Return the keys of the partitions that unfinished runs cover."""
    places = {key: place for place, key in enumerate(order)}
    keys: set[str] = set()
    for run in instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED)):
        keys.update(_partitions_of(run.tags, order, places))
    return keys


def _partitions_of(tags: Mapping[str, str], order: Sequence[str], places: Mapping[str, int]) -> Sequence[str]:
    first, last = (tags.get(name, "") for name in _RANGE_TAGS)
    if first in places and last in places:
        return order[places[first] : places[last] + 1]
    return [tags[_PARTITION_TAG]] if _PARTITION_TAG in tags else []


# Dagster stores the last seen code version of each asset under this name. When a release changes the formula of code
# versions, rename the sensor; otherwise every answer becomes stale for no reason.
rerun_after_changes = dg.AutomationConditionSensorDefinition(
    "rerun_after_changes",
    target=dg.AssetSelection.all(),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=60,
    description="Reruns analyzers whose code version changed, and what depends on them, for videos that had an answer.",
)

defs = dg.Definitions(sensors=[archive_sensor, rerun_after_changes], schedules=[nightly_backfill])
