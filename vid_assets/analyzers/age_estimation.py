"""Apparent age of the people in the video: one row per face track of `eye_tracking`.

A model returns a distribution over the years 0 to 99 for each face. Up to twelve pictures per face are averaged; the
larger and straighter ones of the track are preferred. The age is the mean of that distribution. The interval spans its
5th to 95th percentile.

The result is the age that the model sees, not the real age. The model was trained on portraits. It places children and
people over seventy closer to forty. Make-up, light and blur shift the age by ten years. It is less accurate for groups
that are rare in its training pictures. Faces smaller than 24 px, or turned away by more than 45 degrees, are left out.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from resources.tasks.ages import AGES, AgeModel
from vid_assets.contract import Analyzer, Column, Config, Frames, setting
from vid_assets.drawing import contact_sheet

MOST_PICTURES = 12
SMALLEST_PX, MOST_TURNED_DEG = 24.0, 45.0
BOX = ("x0", "y0", "x1", "y1")


def chosen(faces: pl.DataFrame, height: int, least_score: float) -> pl.DataFrame:
    """The faces to look at: certain, large and straight enough, at most `MOST_PICTURES` per track, best first."""
    tall = (pl.col("y1") - pl.col("y0")) * height
    worth = tall * pl.col("head_yaw_deg").radians().cos()
    return (
        faces.filter(
            pl.col("score") >= least_score, tall >= SMALLEST_PX, pl.col("head_yaw_deg").abs() <= MOST_TURNED_DEG
        )
        .with_columns(worth=worth)
        .sort("worth", descending=True, maintain_order=True)
        .group_by("track", maintain_order=True)
        .head(MOST_PICTURES)
    )


def percentile(distribution: NDArray[np.float64], share: float) -> float:
    """The age below which the given share of the distribution lies; each year's share is spread evenly over it."""
    sums = np.cumsum(distribution)
    wanted = share * float(sums[-1])
    year = min(int(np.searchsorted(sums, wanted)), len(distribution) - 1)
    before = float(sums[year - 1]) if year else 0.0
    return year + min(max((wanted - before) / max(float(distribution[year]), 1e-12), 0.0), 1.0)


class Settings(Config):
    """Selects the faces to look at."""

    min_face_score: float = setting(0.8, "1", "Score from which a box is a face for age estimation", ge=0.5, le=1)


def run(
    frames: Frames,
    eye_tracking: pl.DataFrame,
    model: AgeModel,
    config: Settings = Settings(),
) -> pl.DataFrame:
    """One row per face track, ordered by number; no rows if there is no usable face.

    Args:
        frames: Sampled pictures, [n, height, width, 3].
        eye_tracking: Faces with their tracks and poses.
        model: Estimates ages.
        config: The settings.
    """
    faces = chosen(eye_tracking, frames.array.shape[1], config.min_face_score)
    rows: list[int] = np.searchsorted(frames.indices, faces["frame"].to_numpy()).tolist()
    told = model.ages(frames, rows, faces.select(BOX).rows())
    found = faces.with_row_index("face").with_columns(pl.col("face").cast(pl.Int64)).join(told, on="face")
    spans = eye_tracking.group_by("track").agg(start_s=pl.col("time_s").min(), end_s=pl.col("time_s").max())
    answer: list[dict[str, object]] = []
    for (track,), part in found.sort("track").group_by("track", maintain_order=True):
        distribution = np.mean(np.array(part["ages"].to_list(), np.float64), axis=0)
        distribution /= distribution.sum()
        span = spans.row(by_predicate=pl.col("track") == track, named=True)
        best = part.row(0, named=True)
        answer.append({
            "track": track,
            "start_s": span["start_s"],
            "end_s": span["end_s"],
            "age": float(distribution @ (np.arange(len(distribution)) + 0.5)),
            "age_low": percentile(distribution, 0.05),
            "age_high": percentile(distribution, 0.95),
            "pictures": part.height,
            "best_frame": best["frame"],
        })  # fmt: skip
    return pl.DataFrame(answer, schema=ANALYZER.schema)


def preview(table: pl.DataFrame, frames: Frames, eye_tracking: pl.DataFrame) -> NDArray[np.uint8] | None:
    """The best picture of each of up to nine faces, with the age."""
    if table.is_empty():
        return None
    shown = table.sort("pictures", descending=True).head(9)
    rows: list[int] = np.searchsorted(frames.indices, shown["best_frame"].to_numpy()).tolist()
    labels: list[str] = []
    boxes: list[list[tuple[float, float, float, float]]] = []
    for row in shown.iter_rows(named=True):
        labels.append(f"face {row['track']}: {row['age']:.0f} ({row['age_low']:.0f}-{row['age_high']:.0f})")
        there = (pl.col("track") == row["track"]) & (pl.col("frame") == row["best_frame"])
        boxes.append(eye_tracking.filter(there).select(BOX).rows())
    return contact_sheet(frames, rows, labels, boxes, columns=3)


TABLE = {
    "track": Column(pl.Int64, "1", "Number of the face in eye_tracking.", ge=0),
    "start_s": Column(pl.Float64, "s", "Time at which the face first appears.", ge=0),
    "end_s": Column(pl.Float64, "s", "Time at which the face last appears.", ge=0),
    "age": Column(pl.Float64, "years", "Mean of the age distribution.", ge=0, le=100),
    "age_low": Column(pl.Float64, "years", "5th percentile of the age distribution.", ge=0, le=100),
    "age_high": Column(pl.Float64, "years", "95th percentile of the age distribution.", ge=0, le=100),
    "pictures": Column(pl.Int64, "1", "Number of pictures of the face that were used.", ge=1, le=MOST_PICTURES),
    "best_frame": Column(pl.Int64, "frame", "Frame number of the best picture in the video, from 0.", ge=0),
}

ANALYZER = Analyzer(
    name="age_estimation",
    version="3",
    group="people",
    inputs=("frames", "eye_tracking"),
    run=run,
    budget=0.01,
    table=TABLE,
    task=AGES,
    config=Settings,
    preview=preview,
)
