"""Shots with a small picture, a hash that finds the same picture again, and a vector of what it shows.

Each shot of `cut_analysis` is represented by its middle: the frame there has the hash, so that a copy whose pictures
were sampled at other times has the same, and the nearest sampled picture is shown and has the vector. A shot that is
too short for a sampled picture is left out. The hash compares pictures as a whole: a crop, a mirrored or a turned
picture has another one. The vector needs a model that knows pictures and words; profile ``offline`` has none.
"""

import io

import numpy as np
import polars as pl
from numpy.typing import NDArray

from resources.tasks.pictures import PICTURES, PictureModel
from vid_assets.contract import Analyzer, Answer, Column, Frames, Undefined, Video
from vid_assets.measures.shots import rows_within, shot_spans
from vid_assets.measures.vectors import as_bytes, perceptual_hash

WIDTH = 160
QUALITY = 50

TABLE = {
    "shot": Column(pl.Int64, "1", "Number of the shot, from 0.", ge=0),
    "start_s": Column(pl.Float64, "s", "Start of the shot.", ge=0),
    "end_s": Column(pl.Float64, "s", "End of the shot.", ge=0),
    "time_s": Column(pl.Float64, "s", "Time of the picture that stands for it.", ge=0),
    "picture": Column(pl.Binary, "WebP", f"The picture, at most {WIDTH} px wide."),
    "phash": Column(
        pl.Int64,
        "64 bits",
        "Perceptual hash of the frame in the middle of the shot; null if it has no structure.",
        nullable=True,
    ),
    "embedding": Column(
        pl.List(pl.Int8),
        "1/127 of the largest",
        "Vector of what the picture shows, for `picture_words` of the same model; null without a model.",
        nullable=True,
    ),
}


def run(video: Video, thumbs: Frames, frames: Frames, cut_analysis: pl.DataFrame, model: PictureModel | None) -> Answer:
    """One row per shot that has a sampled picture, by time."""
    spans = shot_spans(cut_analysis, video.duration_s)
    chosen = [(shot, span, row) for shot, span in enumerate(spans) if (row := middle(frames, span)) is not None]
    if not chosen:
        return Undefined("no sampled picture lies within a shot")
    rows = [row for _, _, row in chosen]
    return pl.DataFrame(
        [
            (shot, *span, float(frames.times_s[row]), webp(frames.array[row]), hash_of(thumbs, span), vector)
            for (shot, span, row), vector in zip(chosen, vectors(frames, rows, model), strict=True)
        ],
        ANALYZER.schema,
        orient="row",
    )


def middle(frames: Frames, span: tuple[float, float]) -> int | None:
    """Return the row of the picture nearest to the middle of a shot; None if there is none in it."""
    rows = rows_within(frames, span)
    if not len(rows):
        return None
    return int(rows[np.abs(frames.times_s[rows] - sum(span) / 2).argmin()])


def hash_of(thumbs: Frames, span: tuple[float, float]) -> int | None:
    """Return the hash of the frame in the middle of a shot; None if it has no structure."""
    row = middle(thumbs, span)
    return None if row is None else perceptual_hash(thumbs.array[row])


def webp(picture: NDArray[np.uint8]) -> bytes:
    """Return the picture as WebP, scaled down to `WIDTH`."""
    from PIL import Image

    image = Image.fromarray(picture)
    image.thumbnail((WIDTH, WIDTH))
    file = io.BytesIO()
    image.save(file, "webp", quality=QUALITY, method=4)
    return file.getvalue()


def vectors(frames: Frames, rows: list[int], model: PictureModel | None) -> list[list[int] | None]:
    """Return the vector of each picture; None without a model."""
    if model is None:
        return [None] * len(rows)
    found = model.embed(frames, rows)["embedding"].to_list()
    return [vector.tolist() for vector in as_bytes(np.array(found, np.float32))]


ANALYZER = Analyzer(
    name="shots",
    version="1",
    group="archive",
    inputs=("video", "thumbs", "frames", "cut_analysis"),
    optional=frozenset({"model"}),
    run=run,
    table=TABLE,
    task=PICTURES,
    budget=0.05,
)
