"""Plans what is due in an archive: missing, failed or out of date, and split into runs. It does not depend on Dagster.

A video is due for each asset that has no answer for the current code and settings, and for each asset that depends on
one of these. An answer from a run with its own settings stays until the code changes. Failed assets are tried again a
few times. The model is part of the code version. So an ``undefined`` answer for lack of a model becomes out of date
when the profile gets the model.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import polars as pl

from resources.warehouse.records import ANALYZER_RUNS, SOURCES, VIDEOS
from resources.warehouse.resource import Warehouse
from vid_assets.archive.standing import standing
from vid_assets.pipeline.provenance import provenance

ATTEMPTS = 3
VIDEOS_A_RUN = 10
_AT_A_TIME = 5_000
# So many videos are looked at one by one, instead of all records of the archive.
_FEW = 1_000
REASONS = ("new", "missing", "failed", "stale")
_COLUMNS = (
    "video_id", "analyzer", "status", "code_version", "failures", "content_hash", "own_settings", "provenance",
    "reason",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an asset's answers should be.

    Attributes:
        version: Its current code version.
        accepted: Other code versions with the same answers.
        upstream: The assets that it depends on, in the order of its inputs.
    """

    version: str
    accepted: frozenset[str] = frozenset()
    upstream: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Due:
    """One video and what it is due for.

    Attributes:
        video_id: Its id.
        assets: Names of the assets to materialize, including their downstream assets.
        reason: The first of `REASONS` that applies.
        hours: Length of the video; 0 if unknown.
    """

    video_id: str
    assets: frozenset[str]
    reason: str
    hours: float = 0.0


@dataclass(frozen=True, slots=True)
class DuePartition:
    """One partition and what its videos are due for.

    Attributes:
        key: Partition key.
        assets: See `Due`; of all its videos.
        reason: The first of the reasons of its videos.
        videos: Number of videos that are due.
        hours: Length of these videos.
    """

    key: str
    assets: frozenset[str]
    reason: str
    videos: int = 1
    hours: float = 0.0


@dataclass(frozen=True, slots=True)
class Batch:
    """One run: adjacent partitions whose videos are due for the same assets.

    Attributes:
        first: Key of the first partition.
        last: Key of the last partition.
        videos: Number of videos that are due.
        assets: See `Due`.
        reason: See `Due`.
    """

    first: str
    last: str
    videos: int
    assets: frozenset[str]
    reason: str


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits for one night. The first limit that is reached ends it."""

    videos: float = math.inf
    hours: float = math.inf


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A video with an asset that failed too often to be tried again automatically.

    Attributes:
        video_id: Its id.
        assets: Names of the failed assets, without those that only depend on one of them.
        reason: Why the first of them failed last.
    """

    video_id: str
    assets: tuple[str, ...]
    reason: str


def due(
    warehouse: Warehouse, keys: Sequence[str] | pl.Series, wanted: Mapping[str, Wanted], attempts: float = ATTEMPTS
) -> Iterator[Due]:
    """Yield the videos that are due for something, in the order of `keys`.

    Args:
        warehouse: Stores the records.
        keys: The videos to check.
        wanted: The wanted answer of each enabled asset. Each asset comes after the assets it depends on.
        attempts: How many times in a row the same code may fail for a video. Infinity also retries what was given up.
    """
    todo = _present(warehouse, keys).join(
        _standing(warehouse, keys, wanted), on="video_id", how="left", maintain_order="left"
    )
    kinds = todo.drop_nulls("kind").unique("kind", keep="first", maintain_order=True).select("video_id", "kind")
    found = _records(warehouse, kinds["video_id"].to_list())
    of_kind = {
        kind: answer
        for (_, records), kind in zip(found, kinds["kind"], strict=True)
        if (answer := _needs(records, wanted, attempts, in_order=True))
    }
    needy = pl.Series(list(of_kind), dtype=pl.UInt64).implode()
    todo = todo.filter(pl.col("kind").is_null() | pl.col("kind").is_in(needy))
    lengths = _lengths(warehouse, todo["video_id"])
    alone = _records(warehouse, todo.filter(pl.col("kind").is_null())["video_id"].to_list())
    for key, kind in todo.select("video_id", "kind").iter_rows():
        answer = of_kind[kind] if kind is not None else _needs(next(alone)[1], wanted, attempts)
        if answer:
            yield Due(key, *answer, (lengths.get(key) or 0.0) / 3600)


def given_up(
    warehouse: Warehouse, keys: Sequence[str] | pl.Series, wanted: Mapping[str, Wanted], attempts: float = ATTEMPTS
) -> Iterator[GivenUp]:
    """Yield the videos that `due` leaves out, fully or in part, because they failed too often. Arguments: see `due`."""
    often = standing(warehouse, upstream_of(wanted)).filter(pl.col("failures") >= attempts)
    failed = _present(warehouse, keys).join(often, on="video_id", how="semi", maintain_order="left")
    for key, there in _records(warehouse, failed["video_id"].to_list()):
        itself = [name for name in _hopeless(there, wanted, attempts) if (there[name]["failures"] or 0) >= attempts]
        if itself:
            yield GivenUp(key, tuple(itself), there[itself[0]]["reason"] or "")


def _needs(
    records: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, Wanted], attempts: float, *, in_order: bool = False
) -> tuple[frozenset[str], str] | None:
    """Return what a video with these records is due for, and why; None if it is due for nothing.

    Args:
        records: Its records by asset.
        wanted: See `due`.
        attempts: See `due`.
        in_order: Whether each answer is known to be computed from the latest ones.
    """
    if not records:
        return frozenset(wanted), "missing"
    hopeless = _hopeless(records, wanted, attempts, in_order=in_order)
    reasons = {
        name: why
        for name, want in wanted.items()
        if name not in hopeless and (why := _why(name, records, want, in_order=in_order))
    }
    if VIDEOS.name in hopeless or not reasons:
        return None
    assets = set(reasons)
    for name, want in wanted.items():
        if assets & set(want.upstream):
            assets.add(name)
    return frozenset(assets), min(reasons.values(), key=REASONS.index)


def _standing(warehouse: Warehouse, keys: Sequence[str] | pl.Series, wanted: Mapping[str, Wanted]) -> pl.DataFrame:
    """Return the kind of each video; without kinds, for few videos: all of them are looked at by themselves."""
    if len(keys) <= _FEW:
        return pl.DataFrame(schema={"video_id": pl.String, "kind": pl.UInt64})
    return standing(warehouse, upstream_of(wanted)).select("video_id", "kind")


def upstream_of(wanted: Mapping[str, Wanted]) -> dict[str, Sequence[str]]:
    """Return the analyzers that each asset is computed from."""
    return {name: [each for each in want.upstream if each != VIDEOS.name] for name, want in wanted.items()}


def _lengths(warehouse: Warehouse, keys: pl.Series) -> dict[str, float | None]:
    videos = warehouse.read_table(VIDEOS.name).select("video_id", "duration_s")
    return dict(videos.join(keys.to_frame().lazy(), on="video_id", how="semi").collect().iter_rows())


def _records(warehouse: Warehouse, keys: Sequence[str]) -> Iterator[tuple[str, dict[str, dict[str, Any]]]]:
    """Yield each video with its records by asset; a part of the videos is in memory at a time."""
    runs = warehouse.read_table(ANALYZER_RUNS.name).select(_COLUMNS)
    for start in range(0, len(keys), _AT_A_TIME):
        part = keys[start : start + _AT_A_TIME]
        records: dict[str, dict[str, dict[str, Any]]] = {key: {} for key in part}
        for row in runs.filter(pl.col("video_id").is_in(list(part))).collect().iter_rows(named=True):
            records[row["video_id"]][row["analyzer"]] = row
        yield from records.items()


def _present(warehouse: Warehouse, keys: Sequence[str] | pl.Series) -> pl.DataFrame:
    """Return the videos whose file still exists, in their order, as ``video_id``."""
    gone = warehouse.read_table(SOURCES.name).filter(pl.col("vanished_at").is_not_null()).select("video_id").collect()
    return pl.DataFrame({"video_id": keys}, {"video_id": pl.String}).join(
        gone, on="video_id", how="anti", maintain_order="left"
    )


def _hopeless(
    records: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, Wanted], attempts: float, *, in_order: bool = False
) -> list[str]:
    """Return the assets that failed too often, and those that failed because they depend on one of them."""
    found: list[str] = []
    for name, want in wanted.items():
        record = records.get(name)
        if record is None or _why(name, records, want, in_order=in_order) != "failed":
            continue
        if (record["failures"] or 0) >= attempts or set(found) & set(want.upstream):
            found.append(name)
    return found


def by_partition(items: Iterable[Due], buckets: Mapping[str, str]) -> Iterator[DuePartition]:
    """Yield the partitions that have one of these videos, in the order of their first videos.

    Args:
        items: The videos that are due.
        buckets: The partition of each video; it may lack those that are partitions themselves. Those of a bucket are
            adjacent in `items`.
    """
    for key, videos in groupby(items, key=lambda item: buckets.get(item.video_id, item.video_id)):
        found = list(videos)
        yield DuePartition(
            key,
            frozenset().union(*(item.assets for item in found)),
            min((item.reason for item in found), key=REASONS.index),
            len(found),
            sum(item.hours for item in found),
        )


def within(items: Iterable[DuePartition], budget: Budget) -> Iterator[DuePartition]:
    """Return the first items that fit into the budget, at least one."""
    videos, hours = 0, 0.0
    for place, item in enumerate(items):
        videos, hours = videos + item.videos, hours + item.hours
        if place and (videos > budget.videos or hours > budget.hours):
            return
        yield item


def batches(items: Iterable[DuePartition], order: Sequence[str], size: int = VIDEOS_A_RUN) -> list[Batch]:
    """Split the items into runs. Dagster can name several partitions of a run only as a range without gaps.

    Args:
        items: What is due.
        order: All partition keys, in Dagster's order.
        size: Maximum number of videos in a run of several partitions.
    """
    places = {key: place for place, key in enumerate(order)}
    made: list[list[DuePartition]] = []
    for item in sorted(items, key=lambda item: places[item.key]):
        latest = made[-1] if made else None
        if (
            latest is not None
            and sum(other.videos for other in latest) + item.videos <= size
            and places[item.key] == places[latest[-1].key] + 1
            and (item.assets, item.reason) == (latest[-1].assets, latest[-1].reason)
        ):
            latest.append(item)
        else:
            made.append([item])
    return [
        Batch(run[0].key, run[-1].key, sum(item.videos for item in run), run[0].assets, run[0].reason) for run in made
    ]


def _why(name: str, records: Mapping[str, Mapping[str, Any]], want: Wanted, *, in_order: bool = False) -> str | None:
    """Return why an asset is due for a video; None if it is not."""
    record = records.get(name)
    if record is None or record["status"] == "disabled":
        return "missing"
    inputs = [records.get(upstream) for upstream in want.upstream if upstream != VIDEOS.name]
    if not _is_current(record, want) or (not in_order and _is_behind(record, inputs)):
        return "stale"
    return "failed" if record["status"] == "failed" else None


def _is_current(record: Mapping[str, Any], want: Wanted) -> bool:
    """Whether the answer has the wanted code, or the same code with a run's own settings."""
    if record["code_version"] == want.version or record["code_version"] in want.accepted:
        return True
    same_code = str(record["code_version"]).partition("-")[0] == want.version.partition("-")[0]
    return bool(record["own_settings"]) and same_code and record["status"] != "failed"


def _is_behind(record: Mapping[str, Any], inputs: Sequence[Mapping[str, Any] | None]) -> bool:
    """Whether an answer that this one was computed from has changed since."""
    if record["provenance"] is None:
        return False
    now = provenance(record["code_version"], record["content_hash"], inputs)
    return now is not None and now != record["provenance"]
