"""What is due in an archive: what is missing, failed or out of date, and how it fits into runs. Knows no Dagster.

A video is due for the assets that have no answer of the present code, and for those that rest on one of them. What
failed is tried again a few times; what answered ``undefined`` for want of a model becomes out of date when the profile
has it, since the model is part of the code version.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from resources.warehouse.records import ANALYZER_RUNS, SOURCES, VIDEOS
from resources.warehouse.resource import Warehouse

ATTEMPTS = 3
VIDEOS_A_RUN = 10
REASONS = ("missing", "failed", "stale")


@dataclass(frozen=True, slots=True)
class Due:
    """One video and what it is due for.

    Attributes:
        video_id: Partition key.
        assets: Names of the assets to materialize, those that rest on others among them included.
        reason: The first of `REASONS` that applies.
        hours: Length of the video; 0 if it is not known yet.
    """

    video_id: str
    assets: frozenset[str]
    reason: str
    hours: float = 0.0


@dataclass(frozen=True, slots=True)
class Batch:
    """Videos that stand side by side among the partitions and are due for the same; one run.

    Attributes:
        first: Key of the first.
        last: Key of the last.
        videos: How many.
        assets: As in `Due`.
        reason: As in `Due`.
    """

    first: str
    last: str
    videos: int
    assets: frozenset[str]
    reason: str


@dataclass(frozen=True, slots=True)
class Budget:
    """How much a night may take on; whichever is used up first ends it."""

    videos: float = math.inf
    hours: float = math.inf


def due(
    warehouse: Warehouse,
    keys: Sequence[str],
    versions: Mapping[str, str],
    upstream: Mapping[str, Collection[str]],
    attempts: int = ATTEMPTS,
) -> Iterator[Due]:
    """The videos that are due for something, in the order of `keys`.

    Args:
        warehouse: Where the records are.
        keys: The videos to look at.
        versions: Present code version of each asset that is switched on, each after those that it rests on.
        upstream: What each of them rests on.
        attempts: How often in a row the same code may fail for a video.
    """
    columns = ("video_id", "analyzer", "status", "code_version", "failures")
    records: dict[str, dict[str, tuple[str, str, int]]] = {}
    for video_id, analyzer, *rest in warehouse.read_table(ANALYZER_RUNS.name).select(columns).collect().iter_rows():
        records.setdefault(video_id, {})[analyzer] = (rest[0], rest[1], rest[2] or 0)
    gone = warehouse.read_table(SOURCES.name).filter(pl.col("vanished_at").is_not_null()).select("video_id").collect()
    lengths = dict(warehouse.read_table(VIDEOS.name).select("video_id", "duration_s").collect().iter_rows())
    missing = set(gone["video_id"])
    for key in keys:
        if key in missing:
            continue
        there = records.get(key, {})
        reasons = {name: why for name in versions if (why := _why(there.get(name), versions[name], attempts))}
        if _given_up(there.get(VIDEOS.name), attempts) or not reasons:
            continue
        wanted = set(reasons)
        for name in versions:
            if wanted & set(upstream[name]):
                wanted.add(name)
        first = min(reasons.values(), key=REASONS.index)
        yield Due(key, frozenset(wanted), first, (lengths.get(key) or 0.0) / 3600)


def within(items: Iterable[Due], budget: Budget) -> Iterator[Due]:
    """The first of them that fit into the budget, at least one."""
    videos, hours = 0, 0.0
    for item in items:
        videos, hours = videos + 1, hours + item.hours
        if videos > 1 and (videos > budget.videos or hours > budget.hours):
            return
        yield item


def batches(items: Iterable[Due], order: Sequence[str], size: int = VIDEOS_A_RUN) -> list[Batch]:
    """Runs for them: Dagster can name several partitions of a run only as a range without gaps.

    Args:
        items: What is due.
        order: All partition keys, as Dagster orders them.
        size: Most videos in a run.
    """
    places = {key: place for place, key in enumerate(order)}
    made: list[list[Due]] = []
    for item in sorted(items, key=lambda item: places[item.video_id]):
        latest = made[-1] if made else None
        if (
            latest is not None
            and len(latest) < size
            and places[item.video_id] == places[latest[-1].video_id] + 1
            and (item.assets, item.reason) == (latest[-1].assets, latest[-1].reason)
        ):
            latest.append(item)
        else:
            made.append([item])
    return [Batch(run[0].video_id, run[-1].video_id, len(run), run[0].assets, run[0].reason) for run in made]


def _why(record: tuple[str, str, int] | None, version: str, attempts: int) -> str | None:
    """Why an asset is due for a video; None if it is not."""
    if record is None or record[0] == "disabled":
        return "missing"
    if record[1] != version:
        return "stale"
    return "failed" if record[0] == "failed" and record[2] < attempts else None


def _given_up(record: tuple[str, str, int] | None, attempts: int) -> bool:
    return record is not None and record[0] == "failed" and record[2] >= attempts
