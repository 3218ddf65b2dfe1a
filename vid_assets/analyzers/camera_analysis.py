"""Camera work: stretches of pan, tilt, zoom or a static camera, with signed rates.

For each shot, shift and scale of the picture are measured from frame to frame (`measures.camera`). The curve is cut
into stretches of steady rates (`measures.changepoints`). Each stretch is then measured again over several px, because
shifts far below one px are biased in pictures of 48 x 27 px. Four or more short stretches that turn back each time are
the swings of a hand: they become one stretch with its mean rate and more shake.

Rates: pan in screen widths per second, positive to the right; tilt in screen heights per second, positive downwards;
zoom as the natural logarithm of the scale per second, positive inwards. In generated clips, 98 of 100 rates are within
10 % or 0.02.

The analyzer cannot separate a pan from a sideways drive, or a zoom from a forward drive. It does not measure rolls. If
the picture is mostly plain, or filled by moving things, the result is unclear or wrong. Pans above three widths per
second are unclear.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vid_assets.contract import Analyzer, Column, Frames, Video
from vid_assets.drawing import line_plot
from vid_assets.measures import changepoints
from vid_assets.measures.camera import Motion, follow, picture_area
from vid_assets.measures.luma import grey
from vid_assets.measures.shots import shot_spans
from vid_assets.measures.transitions import frame_rate

Array = NDArray[np.float64]

SAMPLES_HZ = 12.5
SHORTEST_S = 0.32
LONGEST_LAG_S = 0.6
DISTANCE_PX = 4.0
SUPPORT = 0.55  # share of the grid that must follow the camera
LEAST_SUPPORT = 0.3
STILL = 0.02  # rates below this are noise
SWINGS, SWING_S = 4, 1.0  # stretches that turn back each time, and the longest of them: an unsteady hand


def rates(motion: Motion, gap_s: Array, width: int, height: int) -> Array:
    """Pan, tilt and zoom of the camera from the motion of the picture, [n, 3]."""
    shift = -motion.shift / np.array([width, height])
    return np.column_stack([shift, motion.scale]) / gap_s[:, None]


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Samples `start` to `end` (exclusive) of a shot's curve; `rate` is pan, tilt and zoom, None if unclear."""

    start: int
    end: int
    rate: Array | None
    shake: float
    support: float


def _runs(clear: NDArray[np.bool_], shortest: int) -> list[tuple[int, int, bool]]:
    """Stretches of clear and unclear samples; gaps shorter than `shortest` between clear samples are bridged."""
    edges = np.flatnonzero(np.diff(clear.astype(np.int8))) + 1
    runs = [(a, b, bool(clear[a])) for a, b in pairwise([0, *edges.tolist(), len(clear)]) if b > a]
    inner = {n for n in range(1, len(runs) - 1) if not runs[n][2] and runs[n][1] - runs[n][0] < shortest}
    joined: list[tuple[int, int, bool]] = []
    for number, (a, b, known) in enumerate(runs):
        known = known or number in inner
        if joined and joined[-1][2] == known:
            joined[-1] = (joined[-1][0], b, known)
        else:
            joined.append((a, b, known))
    return joined


def _unrest(shift: Array, window: int) -> float:
    """Root mean square of pan and tilt after their running mean is subtracted."""
    mean = np.stack([_running_mean(shift[:, axis], window) for axis in (0, 1)], axis=1)
    return float(np.sqrt(((shift - mean) ** 2).sum(axis=1).mean()))


def _running_mean(values: Array, window: int) -> Array:
    """Mean over `window` values around each value, [n]; fewer values at the ends."""
    ones = np.ones(min(window, len(values)))
    return np.convolve(values, ones, "same") / np.convolve(np.ones(len(values)), ones, "same")


def _kind(rate: Array | None) -> str:
    """The move with the largest average shift of the picture; a zoom shifts the edges by half its rate."""
    if rate is None:
        return "unclear"
    strength = np.abs(rate) * (1.0, 0.5625, 0.5)
    moves = np.abs(rate) > STILL
    return ("pan", "tilt", "zoom")[int(np.where(moves, strength, -1).argmax())] if moves.any() else "static"


def _merged(stretches: list[_Stretch]) -> list[_Stretch]:
    """The stretches, with similar neighbours joined."""
    merged: list[_Stretch] = []
    for new in stretches:
        old = merged[-1] if merged else None
        if old is None or _kind(old.rate) != _kind(new.rate):
            merged.append(new)
            continue
        if old.rate is not None and new.rate is not None and changepoints.differ(old.rate, new.rate):
            merged.append(new)
            continue
        a, b = old.end - old.start, new.end - new.start
        rate = None if old.rate is None or new.rate is None else (a * old.rate + b * new.rate) / (a + b)
        shake = float(np.sqrt((a * old.shake**2 + b * new.shake**2) / (a + b)))
        merged[-1] = _Stretch(old.start, new.end, rate, shake, (a * old.support + b * new.support) / (a + b))
    return merged


def _steadied(stretches: list[_Stretch], longest: int) -> list[_Stretch]:
    """The stretches, with the back and forth of an unsteady hand joined.

    Args:
        stretches: Of one shot, in order.
        longest: Samples of the longest stretch that can be a swing of the hand.
    """
    joined: list[_Stretch] = []
    group: list[_Stretch] = []
    for stretch in stretches:
        swings = stretch.rate is not None and stretch.end - stretch.start <= longest
        if swings and (not group or _turns(group[-1], stretch)):
            group.append(stretch)
            continue
        joined += _joined(group)
        group = [stretch] if swings else []
        if not swings:
            joined.append(stretch)
    joined += _joined(group)
    return joined


def _joined(group: list[_Stretch]) -> list[_Stretch]:
    """The swings as one stretch, if they are enough to be an unsteady hand."""
    return [_one(group)] if len(group) >= SWINGS else group


def _turns(one: _Stretch, two: _Stretch) -> bool:
    """Whether the second stretch goes back against the first, or one of them stands still."""
    assert one.rate is not None
    assert two.rate is not None
    return _kind(one.rate) == "static" or _kind(two.rate) == "static" or float(one.rate[:2] @ two.rate[:2]) < 0


def _one(group: list[_Stretch]) -> _Stretch:
    """One stretch of the mean rate; what the swings deviate from it is shake."""
    weights = np.array([stretch.end - stretch.start for stretch in group], np.float64)
    every: Array = np.array([stretch.rate for stretch in group])
    rate = np.average(every, axis=0, weights=weights)
    shakes = np.array([stretch.shake for stretch in group]) ** 2 + ((every - rate)[:, :2] ** 2).sum(axis=1)
    support = float(np.average([stretch.support for stretch in group], weights=weights))
    return _Stretch(group[0].start, group[-1].end, rate, float(np.sqrt(np.average(shakes, weights=weights))), support)


class _Shot:
    """A shot of at least two frames and its stretches of camera work."""

    def __init__(self, pictures: NDArray[np.uint8], times_s: Array) -> None:
        self.pictures, self.times_s = pictures, times_s
        self.fps = frame_rate(times_s)
        self.lag = min(max(1, round(self.fps / SAMPLES_HZ)), len(pictures) - 1)
        starts = np.arange(0, len(pictures) - self.lag, self.lag)
        self.pairs = np.column_stack([starts, starts + self.lag])
        rows, columns = picture_area(pictures)
        self.inside = np.ascontiguousarray(pictures[:, rows, columns])
        self.motion = follow(self.inside, self.pairs)
        self.curve = self._rates(self.motion, self.pairs)

    def _rates(self, motion: Motion, pairs: NDArray[np.int64]) -> Array:
        gaps = np.maximum(self.times_s[pairs[:, 1]] - self.times_s[pairs[:, 0]], 1e-3)
        return rates(motion, gaps, *self.pictures.shape[:0:-1])

    def stretches(self) -> list[_Stretch]:
        """All stretches, in order and without gaps."""
        shortest = max(2, round(SHORTEST_S * self.fps / self.lag))
        support = self.motion.support
        # It flickers while a large object moves through the picture.
        clear = (support >= SUPPORT) | ((support >= LEAST_SUPPORT) & (_running_mean(support, 7) >= SUPPORT))
        found: list[_Stretch] = []
        for start, end, known in _runs(clear, shortest):
            if not known:
                found.append(_Stretch(start, end, None, 0.0, float(self.motion.support[start:end].mean())))
                continue
            rows = np.arange(start, end)
            good = rows[clear[rows]]
            axes: list[Array] = [np.interp(rows, good, self.curve[good, axis]) for axis in range(3)]
            curve = np.stack(axes, axis=1)
            starts = changepoints.stretches(changepoints.median_of_three(curve), shortest)
            for a, b in pairwise([*starts, len(curve)]):
                found.append(self._measure(start + a, start + b, curve[a:b]))
        return _merged(_steadied(_merged(found), round(SWING_S * self.fps / self.lag)))

    def _measure(self, start: int, end: int, curve: Array) -> _Stretch:
        """Measure the samples `start` to `end` again, over a distance that is large compared to the bias."""
        height, width = self.pictures.shape[1:]
        first, last = int(self.pairs[start, 0]), int(self.pairs[end - 1, 1])
        rough = curve.mean(axis=0)
        speed = np.abs(rough * [width, height, width / 2.5]).max() / self.fps
        lag = max(1, min(round(DISTANCE_PX / max(speed, 1e-6)), last - first, round(LONGEST_LAG_S * self.fps)))
        count = int(np.clip((last - first) / self.fps * 4, 4, 40))
        starts = np.unique(np.linspace(first, last - lag, count).round().astype(np.int64))
        pairs = np.column_stack([starts, starts + lag])
        gaps = self.times_s[pairs[:, 1]] - self.times_s[pairs[:, 0]]
        expected = Motion(-rough[:2] * (width, height) * gaps[:, None], rough[2] * gaps, np.ones(len(pairs)))
        motion = follow(self.inside, pairs, expected)
        good = motion.support >= SUPPORT
        precise = np.median(self._rates(motion, pairs)[good], axis=0) if good.any() else rough
        window = max(1, round(0.48 * self.fps / self.lag))
        return _Stretch(
            start, end, precise, _unrest(curve[:, :2], window), float(self.motion.support[start:end].mean())
        )


def run(video: Video, thumbs: Frames, cut_analysis: pl.DataFrame) -> pl.DataFrame:
    """One row per stretch of camera work, in order; none for gradual transitions and shots under 3 frames.

    Args:
        video: Facts of the video.
        thumbs: Every frame, [n, 27, 48, 3].
        cut_analysis: Shot boundaries.
    """
    rows: list[dict[str, object]] = []
    pictures = grey(thumbs.array)
    for number, (start_s, end_s) in enumerate(shot_spans(cut_analysis, video.duration_s)):
        first, end = np.searchsorted(thumbs.times_s, (start_s, end_s), side="left")
        if end - first < 3:
            continue
        times = thumbs.times_s[first:end]
        shot = _Shot(pictures[first:end], times)
        stretches = shot.stretches()
        for stretch in stretches:
            final = stretch is stretches[-1]
            rate = stretch.rate
            pan, tilt, zoom = (None, None, None) if rate is None else (float(value) for value in rate)
            rows.append(
                {
                    "shot": number,
                    "kind": _kind(rate),
                    "start_s": float(times[shot.pairs[stretch.start, 0]]),
                    "end_s": end_s if final else float(times[shot.pairs[stretch.end, 0]]),
                    "pan_rate": pan,
                    "tilt_rate": tilt,
                    "zoom_rate": zoom,
                    "shake": None if rate is None else stretch.shake,
                    "support": stretch.support,
                }
            )
    return pl.DataFrame(rows, schema=ANALYZER.schema)


def preview(table: pl.DataFrame, video: Video, thumbs: Frames, cut_analysis: pl.DataFrame) -> NDArray[np.uint8] | None:
    """Pan, tilt and zoom over time."""
    if not table.height:
        return None
    edges = table.select("start_s", "end_s").to_numpy()
    # Each stretch is drawn as a level; the gap after it separates it from the next.
    times = np.column_stack([edges, edges[:, 1]]).ravel()
    series: dict[str, Array] = {}
    for name in ("pan_rate", "tilt_rate", "zoom_rate"):
        level = table[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        series[name] = np.column_stack([level, level, np.full(len(level), np.nan)]).ravel()
    return line_plot(times, series, video.duration_s)


TABLE = {
    "shot": Column(pl.Int64, "1", "Number of the shot, from 0.", ge=0),
    "kind": Column(pl.String, "text", "static, pan, tilt, zoom (the strongest if several), or unclear."),
    "start_s": Column(pl.Float64, "s", "Start of the stretch.", ge=0),
    "end_s": Column(pl.Float64, "s", "End of the stretch.", ge=0),
    "pan_rate": Column(pl.Float64, "widths/s", "Screen widths per second, positive to the right.", nullable=True),
    "tilt_rate": Column(pl.Float64, "heights/s", "Screen heights per second, positive downwards.", nullable=True),
    "zoom_rate": Column(pl.Float64, "ln/s", "Logarithm of the scale per second, positive inwards.", nullable=True),
    "shake": Column(pl.Float64, "screens/s", "Deviation of pan and tilt from their running mean.", ge=0, nullable=True),
    "support": Column(pl.Float64, "1", "Share of the picture that moves with the camera.", ge=0, le=1),
}

ANALYZER = Analyzer(
    name="camera_analysis",
    version="4",
    group="picture",
    inputs=("video", "thumbs", "cut_analysis"),
    run=run,
    preview=preview,
    table=TABLE,
    coverage=0.9,
)
