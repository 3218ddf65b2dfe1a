"""Foreground and background of each sampled picture: share, mask, and change of the background.

A model returns the probability of foreground for each of 64 x 64 places. A place is foreground from 0.5 on. A
foreground of less than half a percent counts as none. Masks are run-length encoded as in COCO, but row by row: they
list the lengths of alternating background and foreground runs, background first. They always cover 64 x 64 places,
whatever the picture's aspect ratio.

Background change compares a picture with the previous one in places where neither has foreground. It is the mean
difference of luma, without the change of light that both share. It is null at cuts, for the first picture, and if less
than a tenth of the picture is background in both. A moving camera changes its background all the time.

In profile ``offline``, foreground means people near the camera. Cars, dogs and distant people count as background. The
mask is coarse and loses hair and fingers.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from resources.tasks.segmentation import SEGMENTATION, SegmentationModel
from vid_assets.contract import Analyzer, Column, Frames
from vid_assets.drawing import contact_sheet
from vid_assets.measures.luma import luma_of

SIDE = 64
LEAST = 128  # of 255
SMALLEST = 0.005
LEAST_BACKGROUND = 0.1

Mask = NDArray[np.bool_]


def encode(mask: Mask) -> list[int]:
    """Run lengths of the mask in row order, False first; the first is 0 if the mask starts with True."""
    flat = mask.ravel()
    if not len(flat):
        return []
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths: list[int] = np.diff(np.concatenate([[0], edges, [len(flat)]])).tolist()
    return [0, *lengths] if flat[0] else lengths


def decode(lengths: list[int], shape: tuple[int, int]) -> Mask:
    """The mask that was passed to `encode`."""
    values = np.arange(len(lengths)) % 2 == 1
    return np.repeat(values, lengths).reshape(shape)


def run(frames: Frames, cut_analysis: pl.DataFrame, model: SegmentationModel) -> pl.DataFrame:
    """One row per sampled picture, in order.

    Args:
        frames: Sampled pictures, [n, height, width, 3].
        cut_analysis: Shot boundaries.
        model: Finds the foreground.
    """
    import cv2

    if not len(frames):
        return ANALYZER.empty()
    answers = model.segment(frames, range(len(frames))).sort("row")["mask"]
    shots = np.searchsorted(cut_analysis["end_s"].sort().to_numpy(), frames.times_s, side="right")
    before: tuple[NDArray[np.float32], Mask] | None = None
    rows: list[dict[str, object]] = []
    for place, answer in enumerate(answers):
        mask = np.frombuffer(answer, np.uint8).reshape(SIDE, SIDE) >= LEAST
        if mask.mean() < SMALLEST:
            mask = np.zeros_like(mask)
        small = np.asarray(cv2.resize(frames.array[place], (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.float32)
        luma = np.asarray(luma_of(small) / 255, np.float32)
        same_shot = before is not None and shots[place] == shots[place - 1]
        rows.append({
            "time_s": float(frames.times_s[place]),
            "frame": int(frames.indices[place]),
            "foreground": float(mask.mean()),
            "mask": encode(mask),
            "background_change": _change(before, luma, mask) if before is not None and same_shot else None,
        })  # fmt: skip
        before = luma, mask
    return pl.DataFrame(rows, schema=ANALYZER.schema)


def _change(before: tuple[NDArray[np.float32], Mask], luma: NDArray[np.float32], mask: Mask) -> float | None:
    background = ~(before[1] | mask)
    if background.mean() < LEAST_BACKGROUND:
        return None
    change = luma[background] - before[0][background]
    return float(np.abs(change - np.median(change)).mean())


def preview(table: pl.DataFrame, frames: Frames, cut_analysis: pl.DataFrame) -> NDArray[np.uint8] | None:
    """Eight pictures with a grey background."""
    import cv2

    if table.is_empty():
        return None
    rows: list[int] = np.unique(np.linspace(0, table.height - 1, 8).round().astype(int)).tolist()
    height, width = frames.array.shape[1:3]
    pictures: list[NDArray[np.uint8]] = []
    for row in rows:
        mask = decode(table["mask"][row].to_list(), (SIDE, SIDE)).astype(np.uint8)
        inside = np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST), np.bool_)
        picture = frames.array[row] // 3 + np.uint8(150)
        picture[inside] = frames.array[row][inside]
        pictures.append(picture)
    shown = Frames(np.stack(pictures), frames.times_s[rows], frames.indices[rows])
    return contact_sheet(shown, range(len(rows)), [f"{100 * table['foreground'][row]:.0f} %" for row in rows])


TABLE = {
    "time_s": Column(pl.Float64, "s", "Presentation time of the picture.", ge=0),
    "frame": Column(pl.Int64, "frame", "Frame number of the picture in the video, from 0.", ge=0),
    "foreground": Column(pl.Float64, "1", "Share of the picture that is foreground.", ge=0, le=1),
    "mask": Column(pl.List(pl.Int64), "places", "Run lengths of 64 x 64 places, background first.", ge=0),
    "background_change": Column(
        pl.Float64, "1", "Mean change of luma in the background since the last picture; null if unknown.", 0, 1,
        nullable=True,
    ),
}  # fmt: skip

ANALYZER = Analyzer(
    name="background_segmentation",
    version="1",
    group="objects_and_scene",
    inputs=("frames", "cut_analysis"),
    run=run,
    budget=0.015,
    table=TABLE,
    task=SEGMENTATION,
    coverage=0.9,
    preview=preview,
)
