"""The partitions: a video, or a bucket of videos that arrived together.

Column ``bucket`` of ``sources`` tells where a video is: null for a partition of its own, whose key is the video's id,
and else the key of its bucket. It is empty while the video waits for its bucket to be closed. A bucket becomes a
partition when it is closed, and never changes afterwards. So both kinds of partitions go together in one archive, and
`VID_PARTITION` says which kind new videos get.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

import dagster as dg
import polars as pl

from resources.settings import settings
from resources.warehouse.files import locked
from resources.warehouse.records import SOURCES
from resources.warehouse.resource import Warehouse

PARTITIONS = dg.DynamicPartitionsDefinition(name="videos")
NAME = str(PARTITIONS.name)
BUCKET, WAITING = "bucket", ""
OPEN_FOR = timedelta(hours=1)
# SQLite refuses statements with more than about 32,000 values, and Dagster writes a batch in one statement.
_CHUNK = 10_000


def bucket_of_new() -> str | None:
    """Return the bucket that a new video gets for now: see this module's docstring."""
    return WAITING if settings().partition == BUCKET else None


def add_partitions(instance: dg.DagsterInstance, keys: Iterable[str]) -> None:
    """Add any number of partition keys. Existing keys stay unchanged."""
    iterator = iter(keys)
    while chunk := list(islice(iterator, _CHUNK)):
        instance.add_dynamic_partitions(NAME, chunk)


def partition_keys(instance: dg.DagsterInstance) -> Sequence[str]:
    """Return all partition keys, in Dagster's order."""
    return instance.get_dynamic_partitions(NAME)


def members(warehouse: Warehouse, keys: Sequence[str]) -> dict[str, list[str]]:
    """Return the videos of each of these partitions, in the order in which they arrived."""
    found = _placed(warehouse, pl.col("bucket").is_in(list(keys)))
    videos: dict[str, list[str]] = {key: [] for key in keys}
    for video_id, bucket in found.iter_rows():
        videos[bucket].append(video_id)
    return {key: of_key or [key] for key, of_key in videos.items()}


def places(warehouse: Warehouse) -> pl.DataFrame:
    """Return each video that is in a bucket, as ``video_id`` and ``bucket``, in the order in which they arrived."""
    return _placed(warehouse, pl.col("bucket") != WAITING)


def partition_of(warehouse: Warehouse, video_id: str) -> str:
    """Return the key of the partition that the video is in, or will be."""
    source = warehouse.read_partition(SOURCES.name, video_id)
    bucket = None if source is None or "bucket" not in source.columns else source["bucket"].item()
    return bucket or video_id


def close_buckets(
    warehouse: Warehouse, instance: dg.DagsterInstance, now: datetime | None = None, *, everything: bool = False
) -> dict[str, int]:
    """Close the buckets that are full or old enough, and make them partitions.

    Args:
        warehouse: Stores which video is in which bucket.
        instance: The Dagster instance.
        now: The time; the present one without it.
        everything: Whether to close the last bucket in any case.

    Returns:
        How many videos each new partition has.
    """
    now = now or datetime.now(UTC)
    with locked(warehouse.root, "buckets"):
        sources = warehouse.read_table(SOURCES.name).filter(pl.col("bucket") == WAITING)
        waiting = sources.sort("registered_at", "video_id").collect()
        if waiting.is_empty():
            return {}
        size = settings().bucket_videos
        rest = waiting.height % size
        is_young = rest and now - waiting["registered_at"][-rest] < OPEN_FOR
        last = waiting.height - rest if is_young and not everything else waiting.height
        closed = [waiting[start : start + size] for start in range(0, last, size)]
        keys = _new_keys(warehouse, [rows["registered_at"][0] for rows in closed])
        named = [rows.with_columns(bucket=pl.lit(key)) for key, rows in zip(keys, closed, strict=True)]
        warehouse.commit({SOURCES.name: {row["video_id"].item(): row for rows in named for row in rows.iter_slices(1)}})
    add_partitions(instance, keys)
    return {key: rows.height for key, rows in zip(keys, closed, strict=True)}


def add_missing(warehouse: Warehouse, instance: dg.DagsterInstance) -> None:
    """Add the partitions of buckets that were closed by a process that was killed right after that."""
    buckets = warehouse.read_table(SOURCES.name).select(pl.col("bucket").unique()).drop_nulls().collect()["bucket"]
    if missing := set(buckets) - {WAITING} - set(partition_keys(instance) if len(buckets) else ()):
        add_partitions(instance, sorted(missing))


def _new_keys(warehouse: Warehouse, times: Sequence[datetime]) -> list[str]:
    """Return a key for each bucket: the hour of its first video, and a number in it."""
    hours = [f"{time:%Y-%m-%dT%H}" for time in times]
    hour = pl.col("bucket").str.head(len("2026-01-01T00")).alias("hour")
    buckets = warehouse.read_table(SOURCES.name).filter(hour.is_in(hours))
    last = buckets.group_by(hour).agg(pl.col("bucket").max()).collect().iter_rows()
    numbers = {hour: int(key.rpartition("-")[2]) for hour, key in last}
    keys: list[str] = []
    for name in hours:
        numbers[name] = numbers.get(name, 0) + 1
        keys.append(f"{name}-{numbers[name]:06}")
    return keys


def _placed(warehouse: Warehouse, which: pl.Expr) -> pl.DataFrame:
    sources = warehouse.read_table(SOURCES.name).filter(which)
    return sources.sort("registered_at", "video_id").select("video_id", "bucket").collect()
