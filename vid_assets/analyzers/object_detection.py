"""Objects in the sampled pictures: class, box, confidence and track.

A detector finds boxes with COCO's eighty class names. `measures.tracking` joins them into tracks, which end at cuts.
Boxes that score less than ``min_score`` count only if they continue a track.

The analyzer uses two pictures per second. It misses objects that are visible for less time. Tracks of similar things
that move fast may be swapped. The small model of profile ``offline`` misses many small, blurred or drawn objects, and
sometimes confuses cats with dogs. It looks for small objects at the sides of wide pictures once a second. Its scores
are cautious: `docs/accuracy.md` says how many boxes of a score are right.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from resources.tasks.objects import OBJECTS, ObjectModel
from vid_assets.contract import Analyzer, Column, Config, Frames, setting
from vid_assets.drawing import contact_sheet
from vid_assets.measures.tracking import SURE, Tracker, colour_histogram

BOX = ("x0", "y0", "x1", "y1")


class Settings(Config):
    """Defines which boxes count as objects."""

    min_score: float = setting(
        SURE, "1", "Score from which a box counts as an object; weaker ones only continue a track", ge=0.2, le=1
    )
    labels: list[str] = setting([], "text", "Classes to keep, such as person; empty for all")


def run(
    frames: Frames,
    cut_analysis: pl.DataFrame,
    model: ObjectModel,
    config: Settings = Settings(),
) -> pl.DataFrame:
    """One row per object and picture, ordered by time, the highest score first.

    Args:
        frames: Sampled pictures, [n, height, width, 3].
        cut_analysis: Shot boundaries.
        model: The detector.
        config: The settings.
    """
    found = model.detect(frames, range(len(frames)))
    if config.labels:
        found = found.filter(pl.col("label").is_in(config.labels))
    boundaries = cut_analysis["end_s"].sort().to_numpy()
    shots = np.searchsorted(boundaries, frames.times_s, side="right")
    tracker = Tracker(config.min_score)
    rows: list[dict[str, object]] = []
    by_row = {row: part for (row,), part in found.partition_by("row", as_dict=True).items()}
    for place in range(len(frames)):
        if place and shots[place] != shots[place - 1]:
            tracker.cut()
        part = by_row.get(place, found.clear())
        for label in sorted({*part["label"], *tracker.labels()}):
            same = part.filter(pl.col("label") == label).sort("score", descending=True)
            boxes, scores = same.select(BOX).to_numpy(), same["score"].to_numpy()
            colours = np.array([colour_histogram(frames.array[place], box) for box in boxes])
            for number, score, box in zip(tracker.add(label, boxes, scores, colours), scores, boxes, strict=True):
                if number is not None:
                    rows.append({
                        "time_s": float(frames.times_s[place]),
                        "frame": int(frames.indices[place]),
                        "track": number,
                        "label": label,
                        "score": float(score),
                        **dict(zip(BOX, box.tolist(), strict=True)),
                    })  # fmt: skip
    table = pl.DataFrame(rows, schema=ANALYZER.schema)
    return table.sort("time_s", "score", "track", descending=[False, True, False])


def preview(table: pl.DataFrame, frames: Frames, cut_analysis: pl.DataFrame) -> NDArray[np.uint8] | None:
    """The nine pictures with the most objects, ordered by time."""
    if table.is_empty():
        return None
    most = table.group_by("frame").len().sort(["len", "frame"], descending=[True, False])["frame"].head(9).sort()
    rows: list[int] = np.searchsorted(frames.indices, most.to_numpy()).tolist()
    parts = [table.filter(pl.col("frame") == frame) for frame in most]
    boxes = [part.select(BOX).rows() for part in parts]
    labels = [", ".join(f"{label} {track}" for label, track in part.select("label", "track").rows()) for part in parts]
    tags = [[str(track) for track in part["track"]] for part in parts]
    return contact_sheet(frames, rows, labels, boxes, columns=3, tags=tags)


TABLE = {
    "time_s": Column(pl.Float64, "s", "Presentation time of the picture.", ge=0),
    "frame": Column(pl.Int64, "frame", "Frame number of the picture in the video, from 0.", ge=0),
    "track": Column(pl.Int64, "1", "Track number, the same for one object in successive pictures, from 0.", ge=0),
    "label": Column(pl.String, "text", "COCO class."),
    "score": Column(pl.Float64, "1", "Confidence of the detector.", ge=0, le=1),
    "x0": Column(pl.Float64, "width", "Left edge of the box, share of the width.", ge=0, le=1),
    "y0": Column(pl.Float64, "height", "Upper edge, share of the height.", ge=0, le=1),
    "x1": Column(pl.Float64, "width", "Right edge, share of the width.", ge=0, le=1),
    "y1": Column(pl.Float64, "height", "Lower edge, share of the height.", ge=0, le=1),
}

ANALYZER = Analyzer(
    name="object_detection",
    version="2",
    group="objects_and_scene",
    inputs=("frames", "cut_analysis"),
    run=run,
    budget=0.27,
    table=TABLE,
    task=OBJECTS,
    config=Settings,
    preview=preview,
)
