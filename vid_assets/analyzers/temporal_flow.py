"""Pace over time, second by second: motion, cutting rate, and regularity of the cuts.

- Motion energy: mean absolute difference of successive frames (Divakaran & Sun's "motion activity", MPEG-7, in its
  pixel-domain form), as a share of full range per second. Steps across shot boundaries do not count.
- Shot rate: boundaries per second, with a Gaussian window (standard deviation 4 s), as in Adams, Dorai & Venkatesh,
  "Toward automatic extraction of expressive elements from motion pictures: tempo", 2002.
- Tempo: the sum of the two, each standardised over the video; 0 is the video's own average.
- Rhythm: coefficient of variation of the lengths of nearby shots; 0 is a metronome, 1 is as irregular as chance.

The analyzer knows neither sound nor story: a quarrel in still shots counts as slow. Tempo compares a video with itself
only.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vid_assets.contract import Analyzer, Column, Frames, Video
from vid_assets.drawing import line_plot
from vid_assets.measures.seconds import second_at, seconds_of
from vid_assets.measures.shots import shot_spans

Array = NDArray[np.float64]

SPREAD_S = 4.0
NEARBY_S = 15.0
FEWEST = 3  # minimum number of shots for a rhythm


def motion_energy(thumbs: Frames, cut_analysis: pl.DataFrame) -> tuple[Array, NDArray[np.bool_]]:
    """Change from each frame to the next, in shares of full range, and whether it lies within a shot, [n - 1] each."""
    pictures = thumbs.array
    change = np.empty(max(len(pictures) - 1, 0))
    for start in range(0, len(change), 256):
        part = pictures[start : start + 257].astype(np.int16)
        change[start : start + 256] = np.abs(np.diff(part, axis=0)).mean(axis=(1, 2, 3)) / 255
    within = np.ones(len(change), bool)
    for last, first in cut_analysis.select("last_frame", "first_frame").iter_rows():
        a, b = np.searchsorted(thumbs.indices, (last, first))
        within[a:b] = False
    return change, within


def shot_rate(boundaries_s: Array, times_s: Array, duration_s: float) -> Array:
    """Boundaries per second around each moment; the ends of the video shorten the window, not the rate."""
    kernel = np.exp(-(((times_s[:, None] - boundaries_s) / SPREAD_S) ** 2) / 2).sum(axis=1)
    axis = np.arange(0.05, duration_s, 0.1) if duration_s > 0.1 else np.array([duration_s / 2])
    width = min(0.1, duration_s)
    area = np.array([np.exp(-(((axis - time) / SPREAD_S) ** 2) / 2).sum() * width for time in times_s])
    return kernel / area


def _standard(values: Array) -> Array:
    spread = values.std()
    return (values - values.mean()) / spread if spread > 1e-9 else np.zeros(len(values))


def _rhythm(spans: Array, time_s: float) -> float | None:
    """Coefficient of variation of the lengths of the shots within 15 s; None for too few shots."""
    near = spans[(spans[:, 1] > time_s - NEARBY_S) & (spans[:, 0] < time_s + NEARBY_S)]
    lengths = near[:, 1] - near[:, 0]
    return float(lengths.std() / lengths.mean()) if len(lengths) >= FEWEST else None


def run(video: Video, thumbs: Frames, cut_analysis: pl.DataFrame) -> pl.DataFrame:
    """One row per second, the last one shorter; none for fewer than two frames.

    Args:
        video: Facts of the video.
        thumbs: Every frame, [n, 27, 48, 3].
        cut_analysis: Shot boundaries.
    """
    if len(thumbs) < 2:
        return ANALYZER.empty()
    change, within = motion_energy(thumbs, cut_analysis)
    start, end = seconds_of(video.duration_s)
    place = second_at(thumbs.times_s[1:], len(start))
    gap = np.diff(thumbs.times_s)
    seconds = np.bincount(place[within], gap[within], len(start))
    measured = seconds > 0
    energy = np.bincount(place[within], change[within], len(start)) / np.where(measured, seconds, 1.0)
    boundaries = cut_analysis.select((pl.col("start_s") + pl.col("end_s")) / 2).to_series().to_numpy()
    middle = (start + end) / 2
    rate = shot_rate(boundaries, middle, video.duration_s)
    cuts = np.histogram(boundaries, [*start, video.duration_s])[0]
    tempo = np.full(len(start), np.nan)
    tempo[measured] = _standard(energy[measured]) + _standard(rate[measured])
    spans = np.array(shot_spans(cut_analysis, video.duration_s)).reshape(-1, 2)
    rows = [
        {
            "start_s": float(start[k]),
            "end_s": float(end[k]),
            "motion_energy": float(energy[k]) if measured[k] else None,
            "boundaries": int(cuts[k]),
            "shot_rate": float(rate[k]),
            "tempo": float(tempo[k]) if measured[k] else None,
            "rhythm": _rhythm(spans, float(middle[k])),
        }
        for k in range(len(start))
    ]
    return pl.DataFrame(rows, schema=ANALYZER.schema)


def preview(table: pl.DataFrame, video: Video, thumbs: Frames, cut_analysis: pl.DataFrame) -> NDArray[np.uint8] | None:
    """Motion energy, shot rate and tempo over time."""
    if not table.height:
        return None
    times = table.select((pl.col("start_s") + pl.col("end_s")) / 2).to_series().to_numpy()
    names = ("motion_energy", "shot_rate", "tempo")
    series: dict[str, Array] = {name: table[name].fill_null(float("nan")).to_numpy() for name in names}
    return line_plot(times, series, video.duration_s)


TABLE = {
    "start_s": Column(pl.Float64, "s", "Start of the second.", ge=0),
    "end_s": Column(pl.Float64, "s", "End of the second, or of the video.", ge=0),
    "motion_energy": Column(
        pl.Float64, "1/s", "Change within shots, in full ranges per second; null without two frames of a shot.",
        ge=0, nullable=True,
    ),
    "boundaries": Column(pl.Int64, "1", "Number of shot boundaries in the second.", ge=0),
    "shot_rate": Column(pl.Float64, "1/s", "Shot boundaries per second around this second.", ge=0),
    "tempo": Column(
        pl.Float64, "1", "Motion energy and shot rate, in standard deviations from their means; null without motion.",
        nullable=True,
    ),
    "rhythm": Column(
        pl.Float64, "1", "Coefficient of variation of shot lengths within 15 s; null for fewer than three shots.",
        ge=0, nullable=True,
    ),
}  # fmt: skip

ANALYZER = Analyzer(
    name="temporal_flow",
    version="1",
    group="structure",
    inputs=("video", "thumbs", "cut_analysis"),
    run=run,
    preview=preview,
    table=TABLE,
    coverage=0.9,
)
