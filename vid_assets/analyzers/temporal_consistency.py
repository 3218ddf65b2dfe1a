"""Steadiness from frame to frame, second by second: flicker, repeated frames, irregular timing, and jitter.

- Flicker: swing of the brightness of the whole picture between successive frames. It is half the mean absolute second
  difference of mean luma. Steady fades and slow changes have none. Schallauer et al., "Automatic quality analysis for
  film and video restoration", 2007, measure global brightness likewise.
- Repeated: share of frames that equal the previous one, while the shot moves otherwise (3:2 pulldown, dropped frames).
- Irregular: coefficient of variation of the time from frame to frame; 0 at a constant frame rate.
- Jitter: root mean square second difference of the picture's shift (`measures.camera`), in screen widths. Steady camera
  work of any speed has none. Morimoto & Chellappa, "Evaluation of image stabilization algorithms", 1998, judge
  stabilisers by the remaining motion between frames.

Pairs of frames across shot boundaries do not count. Flicker of a part of the picture counts only with its share. Jitter
below about a thousandth of the width is too small to measure at 48 x 27 px. In a still shot, repeated frames look the
same as stillness, so the share is null.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vid_assets.contract import Analyzer, Column, Frames, Video
from vid_assets.drawing import line_plot
from vid_assets.measures.camera import follow, picture_area
from vid_assets.measures.luma import grey
from vid_assets.measures.seconds import second_at, seconds_of
from vid_assets.measures.shots import shot_spans
from vid_assets.measures.transitions import frame_rate

Array = NDArray[np.float64]

SAME = 0.5  # levels of the most different block, below which two frames are the same
MOVES = 2.0  # levels; a shot that changes less is still
SUPPORT = 0.55
JITTER_HZ = 6.0  # maximum rate of jitter measurements


def _changes(pictures: NDArray[np.uint8]) -> Array:
    """Largest mean difference of a block of 3 x 3 px from each frame to the next, in levels, [n - 1]."""
    change = np.empty(max(len(pictures) - 1, 0))
    for start in range(0, len(change), 256):
        part = np.diff(pictures[start : start + 257].astype(np.int16), axis=0)
        n, height, width = part.shape
        blocks = part.reshape(n, height // 3, 3, width // 3, 3).sum(axis=(2, 4), dtype=np.int32)
        change[start : start + 256] = np.abs(blocks).max(axis=(1, 2)) / 9
    return change


def _mean(values: Array, place: NDArray[np.int64], count: int) -> Array:
    """Mean of the finite values in each window, NaN without any, [count]."""
    known = np.isfinite(values)
    number = np.bincount(place[known], minlength=count)
    total = np.bincount(place[known], values[known], count)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def _steps(thumbs: Frames, shots: list[tuple[int, int]], luma: NDArray[np.uint8]) -> dict[str, Array]:
    """Flicker, repeated and jitter on the way into each frame, NaN if unknown, [n] each."""
    n = len(thumbs)
    flicker, repeated, jitter = (np.full(n, np.nan) for _ in range(3))
    mean = luma.reshape(n, -1).mean(axis=1, dtype=np.float64) / 255
    for first, end in shots:
        if end - first < 3:
            continue
        flicker[first + 2 : end] = np.abs(np.diff(mean[first:end], n=2)) / 2
        change = _changes(luma[first:end])
        if np.median(change) > MOVES or np.percentile(change, 90) > 2 * MOVES:
            repeated[first + 1 : end] = change < SAME
        rows, columns = picture_area(luma[first:end])
        # Two successive steps give one value; a few values per second are enough.
        middle = np.arange(1, end - first - 1, max(1, round(frame_rate(thumbs.times_s[first:end]) / JITTER_HZ)))
        pairs = np.stack([middle - 1, middle, middle, middle + 1], axis=1).reshape(-1, 2)
        motion = follow(np.ascontiguousarray(luma[first:end, rows, columns]), pairs)
        shift = motion.shift / luma.shape[2] * (1.0, luma.shape[2] / luma.shape[1] * 9 / 16)
        shift[motion.support < SUPPORT] = np.nan
        jitter[first + middle] = ((shift[1::2] - shift[::2]) ** 2).sum(axis=1)
    return {"flicker": flicker, "repeated": repeated, "jitter": jitter}


def run(video: Video, thumbs: Frames, cut_analysis: pl.DataFrame) -> pl.DataFrame:
    """One row per second, the last one shorter; none for fewer than two frames.

    Args:
        video: Facts of the video.
        thumbs: Every frame, [n, 27, 48, 3].
        cut_analysis: Shot boundaries.
    """
    if len(thumbs) < 2:
        return ANALYZER.empty()
    spans = np.array(shot_spans(cut_analysis, video.duration_s)).reshape(-1, 2)
    shots: list[tuple[int, int]] = np.searchsorted(thumbs.times_s, spans, side="left").tolist()
    steps = _steps(thumbs, shots, grey(thumbs.array))
    start, end = seconds_of(video.duration_s)
    count = len(start)
    place = second_at(thumbs.times_s, count)
    gap = np.concatenate([[np.nan], np.diff(thumbs.times_s)])
    mean_gap, mean_square = _mean(gap, place, count), _mean(gap**2, place, count)
    spread = np.sqrt(np.maximum(mean_square - mean_gap**2, 0))
    columns = {name: _mean(values, place, count) for name, values in steps.items()}
    columns["jitter"] = np.sqrt(columns["jitter"])
    # Time stamps are rounded, to a millisecond in some containers; this does not count as irregular.
    columns["irregular"] = np.where(spread < 0.001, 0.0, spread / np.where(mean_gap > 0, mean_gap, np.nan))
    columns["irregular"][np.isnan(mean_gap)] = np.nan
    table = pl.DataFrame({
        "start_s": start,
        "end_s": end,
        **{name: pl.Series(columns[name], nan_to_null=True) for name in ("flicker", "repeated", "irregular", "jitter")},
    })  # fmt: skip
    return table.cast(ANALYZER.schema)


def preview(table: pl.DataFrame, video: Video, thumbs: Frames, cut_analysis: pl.DataFrame) -> NDArray[np.uint8] | None:
    """The four measures over time."""
    if not table.height:
        return None
    times = table.select((pl.col("start_s") + pl.col("end_s")) / 2).to_series().to_numpy()
    names = ("flicker", "repeated", "irregular", "jitter")
    series: dict[str, Array] = {name: table[name].fill_null(float("nan")).to_numpy() for name in names}
    return line_plot(times, series, video.duration_s)


TABLE = {
    "start_s": Column(pl.Float64, "s", "Start of the second.", ge=0),
    "end_s": Column(pl.Float64, "s", "End of the second, or of the video.", ge=0),
    "flicker": Column(
        pl.Float64, "1", "Swing of mean luma from frame to frame, share of full range.", 0, 1, nullable=True
    ),
    "repeated": Column(
        pl.Float64, "1", "Share of frames that equal the previous one; null in still shots.", 0, 1, nullable=True
    ),
    "irregular": Column(pl.Float64, "1", "Coefficient of variation of the time between frames.", ge=0, nullable=True),
    "jitter": Column(
        pl.Float64, "widths", "Unsteady part of the shift from frame to frame; null if unclear.", 0, nullable=True
    ),
}

ANALYZER = Analyzer(
    name="temporal_consistency",
    version="2",
    group="picture",
    inputs=("video", "thumbs", "cut_analysis"),
    run=run,
    preview=preview,
    table=TABLE,
    coverage=0.9,
)
