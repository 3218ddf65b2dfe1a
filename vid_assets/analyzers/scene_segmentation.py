"""Scenes: runs of shots that return to the same places, each with a key frame.

Shots are compared by their colours, using histogram intersection (Swain & Ballard 1991) in HSV. Each shot gives three
frames, and the two most similar frames count. The shots form a graph in which shots far apart in time weigh less. The
graph is cut in two at the moment that cuts least in proportion (normalized cut, Shi & Malik 2000), and again while that
is cheap. This is the method of Rasheed & Shah, "Detection and representation of scenes in videos", 2005. A dialogue
that alternates between two cameras is therefore one scene.

The method knows colours only. A place with different colours becomes several scenes, and two successive places with
similar colours become one. Shots that never return, as in a montage, are scenes of their own.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vid_assets.contract import Analyzer, Column, Frames, Video
from vid_assets.drawing import contact_sheet
from vid_assets.measures.camera import picture_area
from vid_assets.measures.luma import grey
from vid_assets.measures.shots import shot_spans

Array = NDArray[np.float64]

SAMPLES = 3  # frames of each shot
HUES, LEVELS, VALUES = 8, 4, 8
ALIKE, WIDTH = 0.6, 0.05  # intersection at which two shots are equally likely to show one place or two
MEMORY_S = 30.0
DEAREST = 0.4  # normalized cut above which a run of shots is kept together


def histograms(pictures: NDArray[np.uint8]) -> Array:
    """Share of the pixels in each of 8 x 4 x 8 HSV cells, [n, 256], for pictures [n, height, width, 3]."""
    import cv2

    shares = np.zeros((len(pictures), HUES * LEVELS * VALUES))
    for row, picture in enumerate(pictures):
        hue, saturation, value = cv2.split(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2HSV))
        # Hue is meaningless in grey pixels.
        hue = np.where(saturation < 256 // LEVELS, 0, hue)
        cells = hue.astype(np.int64) * HUES // 180 * (LEVELS * VALUES)
        cells += saturation.astype(np.int64) * LEVELS // 256 * VALUES + value.astype(np.int64) * VALUES // 256
        shares[row] = np.bincount(cells.ravel(), minlength=shares.shape[1]) / cells.size
    return shares


def similarities(samples: Array) -> Array:
    """Probability that two shots show the same place, [shots, shots]; histograms [shots, samples, cells]."""
    shots = len(samples)
    nearest = np.zeros((shots, shots))
    for one in range(samples.shape[1]):
        for two in range(samples.shape[1]):
            for shot in range(shots):
                common = np.minimum(samples[shot, one], samples[:, two]).sum(axis=1)
                nearest[shot] = np.maximum(nearest[shot], common)
    return 1 / (1 + np.exp((ALIKE - np.maximum(nearest, nearest.T)) / WIDTH))


def split(weights: Array) -> list[int]:
    """First shot of each scene, ascending.

    Args:
        weights: How strongly each pair of shots belongs together, symmetric, [shots, shots].
    """
    sums = np.zeros((len(weights) + 1, len(weights) + 1))
    sums[1:, 1:] = weights.cumsum(axis=0).cumsum(axis=1)
    starts, todo = [0], [(0, len(weights))]
    while todo:
        a, b = todo.pop()
        if b - a < 2:
            continue
        at = np.arange(a + 1, b)
        before = sums[at, at] - sums[a, at] - sums[at, a] + sums[a, a]
        after = sums[b, b] - sums[at, b] - sums[b, at] + sums[at, at]
        between = sums[at, b] - sums[a, b] - sums[at, at] + sums[a, at]
        price = between / (before + between) + between / (after + between)
        best = int(price.argmin())
        if price[best] < DEAREST:
            cut = int(at[best])
            starts.append(cut)
            todo += [(a, cut), (cut, b)]
    return sorted(starts)


def run(video: Video, thumbs: Frames, cut_analysis: pl.DataFrame) -> pl.DataFrame:
    """One row per scene, in order, without gaps; none without a picture.

    Args:
        video: Facts of the video.
        thumbs: Every frame, [n, 27, 48, 3].
        cut_analysis: Shot boundaries.
    """
    shots: list[tuple[float, float, int, int]] = []
    for start_s, end_s in shot_spans(cut_analysis, video.duration_s):
        first, end = np.searchsorted(thumbs.times_s, (start_s, end_s), side="left")
        if end > first:
            shots.append((start_s, end_s, int(first), int(end)))
    if not shots:
        return ANALYZER.empty()
    rows, columns = picture_area(grey(thumbs.array[:: max(1, len(thumbs) // 64)]))
    places = np.array([[a + (b - a) * (2 * k + 1) // (2 * SAMPLES) for k in range(SAMPLES)] for _, _, a, b in shots])
    colours = histograms(thumbs.array[places.ravel()][:, rows, columns])
    alike = similarities(colours.reshape(len(shots), SAMPLES, -1))
    middle = np.array([(start + end) / 2 for start, end, _, _ in shots])
    starts = split(alike * np.exp(-(((middle[:, None] - middle) / MEMORY_S) ** 2)))
    # A gradual transition between two scenes belongs to both.
    edges = [0.0, *((shots[at - 1][1] + shots[at][0]) / 2 for at in starts[1:]), video.duration_s]
    answer: list[dict[str, object]] = []
    for number, (first, end) in enumerate(zip(starts, [*starts[1:], len(shots)], strict=True)):
        inside = alike[first:end, first:end]
        count = end - first
        key = int(places[first + int(inside.sum(axis=1).argmax()), SAMPLES // 2])
        answer.append({
            "scene": number,
            "start_s": edges[number],
            "end_s": edges[number + 1],
            "first_shot": first,
            "shots": count,
            "key_time_s": float(thumbs.times_s[key]),
            "key_frame": int(thumbs.indices[key]),
            "coherence": float((inside.sum() - np.trace(inside)) / (count * (count - 1))) if count > 1 else None,
        })  # fmt: skip
    return pl.DataFrame(answer, schema=ANALYZER.schema)


def preview(table: pl.DataFrame, video: Video, thumbs: Frames, cut_analysis: pl.DataFrame) -> NDArray[np.uint8] | None:
    """The key frame of each scene, for at most 24 scenes."""
    if not table.height:
        return None
    chosen: list[int] = np.unique(np.linspace(0, table.height - 1, 24).round().astype(int)).tolist()
    rows: list[int] = np.searchsorted(thumbs.indices, table["key_frame"].to_numpy()[chosen]).tolist()
    shots = table["shots"].to_list()
    labels = [f"scene {scene}: {shots[scene]} {'shot' if shots[scene] == 1 else 'shots'}" for scene in chosen]
    return contact_sheet(thumbs, rows, labels, columns=6)


TABLE = {
    "scene": Column(pl.Int64, "1", "Number of the scene, from 0.", ge=0),
    "start_s": Column(pl.Float64, "s", "Start of the scene.", ge=0),
    "end_s": Column(pl.Float64, "s", "End of the scene; the next one starts here.", ge=0),
    "first_shot": Column(pl.Int64, "1", "Number of its first shot, from 0.", ge=0),
    "shots": Column(pl.Int64, "1", "Number of its shots.", ge=1),
    "key_time_s": Column(pl.Float64, "s", "Presentation time of the key frame.", ge=0),
    "key_frame": Column(pl.Int64, "frame", "Frame number of the key frame in the video, from 0.", ge=0),
    "coherence": Column(pl.Float64, "1", "Mean similarity of its shots; null for a single shot.", 0, 1, nullable=True),
}

ANALYZER = Analyzer(
    name="scene_segmentation",
    version="1",
    group="structure",
    inputs=("video", "thumbs", "cut_analysis"),
    run=run,
    preview=preview,
    table=TABLE,
    coverage=0.9,
)
