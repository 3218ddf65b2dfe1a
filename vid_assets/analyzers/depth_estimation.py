"""Depth of the pictures: shares that are near and far, and the nearness of each detected object.

A model returns the relative inverse depth of each picture, scaled so that the farthest of 64 x 64 places is 0 and the
nearest is 1. Rows of kind ``frame`` describe a whole picture. Rows of kind ``object`` describe one box of
`object_detection`, by the median of the places in its middle half. The analyzer uses one picture per second.

Nearness compares places within one picture. A value of 0.8 in two pictures need not mean the same distance, and there
are no metres. Profile ``offline`` has no such model, so the answer is undefined there. Mirrors, screens and pictures on
walls get the depth of the scene they show.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from resources.tasks.depth import DEPTH, DepthModel
from vid_assets.contract import Analyzer, Column, Frames
from vid_assets.drawing import contact_sheet

Array = NDArray[np.float64]

SIDE = 64
STEP_S = 1.0
FAR, NEAR = 1 / 3, 2 / 3


def chosen_rows(times_s: Array) -> list[int]:
    """Rows of the pictures to use: the first, and then the next one at least a second later each time."""
    rows: list[int] = []
    for row, time in enumerate(times_s.tolist()):
        if not rows or time - times_s[rows[-1]] >= STEP_S - 0.05:
            rows.append(row)
    return rows


def of_box(nearness: Array, box: tuple[float, float, float, float]) -> float:
    """Median nearness in the middle half of a box, x0 y0 x1 y1 in shares."""
    x0, y0, x1, y1 = box
    columns = [int(np.clip((x0 + (x1 - x0) * share) * SIDE, 0, SIDE - 1)) for share in (0.25, 0.75)]
    lines = [int(np.clip((y0 + (y1 - y0) * share) * SIDE, 0, SIDE - 1)) for share in (0.25, 0.75)]
    return float(np.median(nearness[lines[0] : lines[1] + 1, columns[0] : columns[1] + 1]))


def run(frames: Frames, object_detection: pl.DataFrame, model: DepthModel) -> pl.DataFrame:
    """One row per picture and one for each of its objects, ordered by time.

    Args:
        frames: Sampled pictures, [n, height, width, 3].
        object_detection: Boxes in the same pictures.
        model: Estimates relative depth.
    """
    answers = model.nearness(frames, chosen_rows(frames.times_s)).sort("row")
    rows: list[dict[str, object]] = []
    for row, data in answers.select("row", "nearness").iter_rows():
        nearness = np.frombuffer(data, np.uint8).reshape(SIDE, SIDE) / 255
        there = {"time_s": float(frames.times_s[row]), "frame": int(frames.indices[row])}
        rows.append({
            **there,
            "kind": "frame",
            "nearness": float(nearness.mean()),
            "near": float((nearness >= NEAR).mean()),
            "far": float((nearness < FAR).mean()),
            "spread": float(nearness.std()),
        })  # fmt: skip
        objects = object_detection.filter(pl.col("frame") == there["frame"]).sort("track")
        for track, label, *box in objects.select("track", "label", "x0", "y0", "x1", "y1").iter_rows():
            x0, y0, x1, y1 = box
            rows.append({
                **there,
                "kind": "object",
                "track": track,
                "label": label,
                "nearness": of_box(nearness, (x0, y0, x1, y1)),
            })  # fmt: skip
    return pl.DataFrame(rows, schema=ANALYZER.schema)


def preview(table: pl.DataFrame, frames: Frames, object_detection: pl.DataFrame) -> NDArray[np.uint8] | None:
    """Up to eight pictures, with their near and far shares."""
    if table.is_empty():
        return None
    whole = table.filter(pl.col("kind") == "frame")
    shown = whole.gather(np.unique(np.linspace(0, whole.height - 1, 8).round().astype(int)))
    rows: list[int] = np.searchsorted(frames.indices, shown["frame"].to_numpy()).tolist()
    labels = [
        f"near {100 * near:.0f} %, far {100 * far:.0f} %" for near, far in shown.select("near", "far").iter_rows()
    ]
    return contact_sheet(frames, rows, labels)


TABLE = {
    "time_s": Column(pl.Float64, "s", "Presentation time of the picture.", ge=0),
    "frame": Column(pl.Int64, "frame", "Frame number of the picture in the video, from 0.", ge=0),
    "kind": Column(pl.String, "text", "frame or object."),
    "track": Column(pl.Int64, "1", "Track number in object_detection; null for a frame.", ge=0, nullable=True),
    "label": Column(pl.String, "text", "The object's class; null for a frame.", nullable=True),
    "nearness": Column(pl.Float64, "1", "Mean of the frame, median of the object: 0 farthest, 1 nearest.", 0, 1),
    "near": Column(pl.Float64, "1", "Share of the frame nearer than 2/3; null for an object.", 0, 1, nullable=True),
    "far": Column(pl.Float64, "1", "Share of the frame farther than 1/3; null for an object.", 0, 1, nullable=True),
    "spread": Column(pl.Float64, "1", "Standard deviation over the frame; null for an object.", 0, 1, nullable=True),
}

ANALYZER = Analyzer(
    name="depth_estimation",
    version="1",
    group="objects_and_scene",
    inputs=("frames", "object_detection"),
    run=run,
    table=TABLE,
    task=DEPTH,
    coverage=0.8,
    preview=preview,
)
