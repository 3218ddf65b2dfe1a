"""Moments found by meaning: what is asked for becomes a vector, and the nearest vectors of the archive answer.

``meaning`` compares it with the passages of speech, texts and captions, ``looks`` with the pictures of the shots.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from resources.catalog.store import locate
from resources.errors import ModelUnavailable
from resources.hosting.handle import ModelHostsResource, ModelResource
from resources.settings import settings
from resources.tasks import Task
from resources.tasks.picture_words import PICTURE_WORDS
from resources.tasks.pictures import PICTURES
from resources.tasks.sentences import SENTENCES
from resources.warehouse.records import ANALYZER_RUNS, VIDEOS
from resources.warehouse.resource import Warehouse
from vid_assets.configuration import configuration
from vid_assets.errors import SettingsError
from vid_assets.search.moments import Moment
from vid_assets.search.vectors import Snapshot, Vectors


@dataclass(frozen=True, slots=True)
class Way:
    """A way to compare by meaning.

    Attributes:
        table: The table with the vectors.
        columns: What is told of its rows.
        made_by: The task that made its vectors.
        asked: The task that turns a question into a vector.
        arguments: Further arguments of that.
    """

    table: str
    columns: tuple[str, ...]
    made_by: Task
    asked: Task
    arguments: tuple[tuple[str, Any], ...] = ()


WAYS = {
    "meaning": Way("passages", ("source", "start_s", "end_s", "text"), SENTENCES, SENTENCES, (("asks", True),)),
    "looks": Way("shots", ("start_s", "end_s", "time_s"), PICTURES, PICTURE_WORDS),
}


def by_meaning(
    by: str,
    text: str,
    warehouse: Warehouse,
    count: int,
    videos: Collection[str] | None = None,
    sources: Collection[str] = (),
) -> tuple[list[Moment], list[str]]:
    """Return the nearest moments, the nearest first, and what could not be searched.

    Args:
        by: One of `WAYS`.
        text: What to look for, in words.
        warehouse: The warehouse.
        count: Number of moments.
        videos: Only moments of these videos; None for all.
        sources: Only what these analyzers found; empty for all.

    Raises:
        ModelUnavailable: The profile has no model for it, or its weights are missing.
        ModelError: The model or its host failed.
        SettingsError: The models of pictures and of words for them are of different checkpoints.
    """
    way = WAYS[by]
    maker, asker = live_handle(way.made_by), live_handle(way.asked)
    made, asked = maker.spec(), asker.spec()
    if (made.repo, made.revision) != (asked.repo, asked.revision):
        culprit = f"models {made.name} and {asked.name}"
        raise SettingsError(
            culprit,
            "they are of different checkpoints",
            f"set both [models.{way.made_by.key}] and [models.{way.asked.key}] in VID_CONFIG to the same",
        )
    model = f"{made.name} {locate(made, maker.hosts.weights()).revision}"
    vectors = _vectors(warehouse.path, str(settings().scratch), way).refreshed()
    notes = _missing(vectors, model, warehouse, way.table)
    if vectors.index.filter(pl.col("model") == model, pl.col("rows") > 0).is_empty():
        return [], notes
    answer = asker.ask([text], **dict(way.arguments))
    question = np.array(answer["embedding"][0].to_list(), np.float32)
    hits = vectors.nearest(question, model, count, videos, lambda row: not sources or _source(way, row) in sources)
    return [_moment(way, hit.row, hit.score) for hit in hits], notes


def unavailable(by: str) -> str:
    """Return why nothing can be searched this way in the profile; empty if it can."""
    way = WAYS[by]
    try:
        for task in (way.made_by, way.asked):
            handle = live_handle(task)
            locate(handle.spec(), handle.hosts.weights())
    except ModelUnavailable as error:
        return str(error)
    return ""


def live_handle(task: Task) -> ModelResource:
    """Return the archive's handle of the model for a task, outside of a run of Dagster."""
    handle = configuration().handle_of(task)
    kind = type(handle)
    given = {name: getattr(handle, name) for name in kind.model_fields if name != "hosts"}
    return kind(hosts=ModelHostsResource(), **given)


@cache
def _vectors(warehouse: str, scratch: str, way: Way) -> Vectors:
    return Vectors(Warehouse(path=warehouse), Path(scratch), way.table, way.columns)


def _missing(vectors: Snapshot, model: str, warehouse: Warehouse, table: str) -> list[str]:
    """Return one line if some videos cannot be compared."""
    videos = warehouse.read_table(VIDEOS.name).select("video_id").collect()
    there = vectors.comparable(model)
    runs = warehouse.read_table(ANALYZER_RUNS.name).filter(analyzer=table, status="not_applicable")
    without = runs.select("video_id").collect()  # a file without pictures has no shots
    lacking = videos.join(there, on="video_id", how="anti").join(without, on="video_id", how="anti").height
    if not lacking:
        return []
    other = vectors.others(model)
    why = f"{other} of them have vectors of another model" if other else f"{table} has no vectors for them"
    return [f"{lacking} of {videos.height} videos cannot be compared: {why}; vid-assets backfill mends it"]


def _moment(way: Way, row: dict[str, Any], score: float) -> Moment:
    text = row.get("text") or ""
    return Moment(row["video_id"], row["start_s"], row["end_s"], _source(way, row), text, round(score, 3))


def _source(way: Way, row: dict[str, Any]) -> str:
    return row.get("source", way.table)
