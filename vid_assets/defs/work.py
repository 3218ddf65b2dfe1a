"""Which videos a step works off, and what becomes of its partitions.

A partition is a video, or a bucket of videos. If you run a partition of one video, the step works it off. Of a bucket
it works off those that are due for its asset: missing, failed or out of date; see `vid_assets.archive.plan`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf
from typing import Any

import dagster as dg

from resources.warehouse.resource import Warehouse
from vid_assets.archive.partitions import members
from vid_assets.archive.plan import ATTEMPTS, due
from vid_assets.defs.checks import VIDEOS_NAMED
from vid_assets.defs.wanted import wanted_answers
from vid_assets.executor import deliver_only

# Also tries again what was given up.
RETRY_TAG = "vid/retry"
# The only videos of its partitions that a run works off, separated by commas. It works them off in any case.
VIDEOS_TAG = "vid/videos"
FAILED_TAG = "vid/failed"
LONGEST_TAG = 300


@dataclass(frozen=True, slots=True)
class Work:
    """The work of a run.

    Attributes:
        videos: The videos of each partition.
        due: For each video of a bucket the assets that it is due for; None to work off all videos.
    """

    videos: Mapping[str, Sequence[str]]
    due: Mapping[str, frozenset[str]] | None

    def of(self, partition: str, asset: str | None, *, everything: bool = False) -> list[str]:
        """Return the videos of a partition to work off.

        Args:
            partition: Its key.
            asset: The asset; None for the videos that are due for any.
            everything: Whether to work off all of them, as for a partition of one video.
        """
        videos = self.videos[partition]
        if everything or self.due is None or list(videos) == [partition]:
            return list(videos)
        return [video for video in videos if (found := self.due.get(video)) and (asset is None or asset in found)]


def work_of(context: dg.AssetExecutionContext) -> Work:
    """Return the work of the run. All of its steps in this process get the same."""
    tags = context.run.tags
    warehouse = context.resources.warehouse
    only = tuple(name for name in tags.get(VIDEOS_TAG, "").split(",") if name)
    return _work(context.run.run_id, warehouse.path, tuple(context.partition_keys), only, RETRY_TAG in tags)


@lru_cache(maxsize=8)
def _work(run_id: str, path: str, keys: tuple[str, ...], only: tuple[str, ...], retry: bool) -> Work:
    warehouse = Warehouse(path=path)
    videos = members(warehouse, keys)
    if only:
        return Work({key: [video for video in of_key if video in only] for key, of_key in videos.items()}, None)
    in_buckets = [video for key, of_key in videos.items() if of_key != [key] for video in of_key]
    if not in_buckets:
        return Work(videos, None)
    found = due(warehouse, in_buckets, wanted_answers(), inf if retry else ATTEMPTS)
    return Work(videos, {item.video_id: item.assets for item in found})


@dataclass(slots=True)
class Outcomes:
    """What became of the videos of one partition.

    Attributes:
        done: Metadata of each finished video.
        failed: Reason for each failed video.
    """

    done: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def is_delivered(self) -> bool:
        """Whether the partition is materialized: a video is finished, or none was due."""
        return bool(self.done) or not self.failed

    def metadata(self, partition: str) -> Mapping[str, Any]:
        """Return what the UI shows of the materialization."""
        if partition in self.done:
            return self.done[partition]
        shown: dict[str, Any] = {"videos": len(self.done) + len(self.failed)}
        if self.failed:
            shown |= {"failed_videos": len(self.failed), "failed": list(self.failed)[:VIDEOS_NAMED]}
        return shown


def deliver(context: dg.AssetExecutionContext, outcomes: Mapping[str, Outcomes]) -> None:
    """End a step over several partitions: those with a finished video are materialized, the others stay missing.

    Args:
        context: The context of the step.
        outcomes: What became of the videos of each partition.

    Raises:
        dagster.Failure: No partition has a finished video.
    """
    delivered = [key for key, found in outcomes.items() if found.is_delivered]
    if not delivered:
        failed = [(video, reason) for found in outcomes.values() for video, reason in found.failed.items()]
        raise dg.Failure("; ".join(f"{video}: {reason}" for video, reason in failed), allow_retries=False)
    for key in delivered:
        # for a run with one partition, naming it makes Dagster list all partitions needlessly
        context.add_asset_metadata(outcomes[key].metadata(key), partition_key=key if len(outcomes) > 1 else None)
    if len(delivered) < len(outcomes):
        deliver_only(context.get_step_execution_context(), delivered)


def tell_failed(context: dg.AssetExecutionContext, name: str, failed: Sequence[str], videos: int) -> None:
    """Tag the run with the videos for which an asset failed by itself: in a run of several, the UI shows it nowhere.

    Args:
        context: The context of the step.
        name: The asset.
        failed: These videos.
        videos: How many videos the step worked off.
    """
    if failed:
        told = f"{len(failed)} of {videos}: {', '.join(failed)}"
        context.instance.add_run_tags(context.run.run_id, {f"{FAILED_TAG}/{name}": told[:LONGEST_TAG]})
