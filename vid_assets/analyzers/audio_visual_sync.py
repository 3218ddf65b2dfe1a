"""Delay between sound and picture, from events that are both seen and heard.

Seen events are sudden changes of the picture from one frame to the next, without cuts. Heard events are onsets, found
by the spectral flux of log energy in bands (Bello et al., "A tutorial on onset detection in music signals", 2005), with
one value per 2 ms. For each offset between -1 and 1 s, the analyzer counts the seen events that have a sound. The
offset with the highest count is the result, if

- at least three events and half of them agree,
- no other offset has two thirds as many,
- chance gives as many in less than one video in three hundred (binomial, over all offsets tried).

Offset is sound minus picture: positive if the sound is late. One offset applies to the whole video. The method needs
things that start suddenly in both, such as claps, hits, flashes or doors; speaking faces are too smooth at 48 x 27 px.
Pictures cut to music appear in sync, whatever their original offset.
"""

import math

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vid_assets.contract import Analyzer, Answer, Audio, Column, Frames, NotApplicable, Undefined, Video
from vid_assets.drawing import line_plot
from vid_assets.measures.transitions import frame_rate

Array = NDArray[np.float64]

STEP_S = 0.002
LONGEST_S = 1.0
SLACK_S = 0.012  # maximum difference between sounds of the same event
BANDS = 12
WINDOW = 160  # 10 ms
PROMINENT = 0.3  # share of the strongest event
LEAST_LEVELS = 2.0
MOST_EVENTS = 60
FEWEST_EVENTS = 3
LEAST_AGREEING = 0.5
RUNNER_UP = 0.67
BY_CHANCE = -2.5
SHORTEST_S = 4.0


def seen(thumbs: Frames, cut_analysis: pl.DataFrame) -> tuple[Array, Array]:
    """Moments between frames and the suddenness of the change there; 0 across shot boundaries, [n - 1] each.

    Suddenness is the rise of the mean difference above that of the surrounding steps.
    """
    pictures = thumbs.array
    change = np.zeros(max(len(pictures) - 1, 0))
    for start in range(0, len(change), 512):
        part = pictures[start : start + 513].astype(np.int16)
        change[start : start + 512] = np.abs(np.diff(part, axis=0)).mean(axis=(1, 2, 3))
    for last, first in cut_analysis.select("last_frame", "first_frame").iter_rows():
        a, b = np.searchsorted(thumbs.indices, (last, first))
        change[a:b] = 0.0
    before = np.concatenate([[0.0], change[:-1]])
    rise = np.maximum(change - np.maximum(before, _around(change, 8)), 0.0)
    return thumbs.times_s[1:], rise


def heard(audio: Audio) -> Array:
    """Suddenness of the sound's rise, one value per `STEP_S`; value k belongs to the moment ``k * STEP_S``."""
    hop = round(STEP_S * audio.sample_rate)
    samples = np.concatenate([np.zeros(WINDOW // 2, np.float32), audio.samples, np.zeros(WINDOW, np.float32)])
    count = len(audio.samples) // hop
    window = np.hanning(WINDOW).astype(np.float32)
    edges = np.unique(np.geomspace(2, WINDOW // 2 + 1, BANDS + 1).round().astype(int))
    energy = np.zeros((count, len(edges) - 1))
    for start in range(0, count, 4096):
        stop = min(start + 4096, count)
        frames = np.lib.stride_tricks.sliding_window_view(samples[start * hop : (stop - 1) * hop + WINDOW], WINDOW)[
            ::hop
        ]
        power = np.abs(np.fft.rfft(frames * window)) ** 2
        energy[start:stop] = np.add.reduceat(power, edges[:-1], axis=1)
    level = np.log10(energy + 1e-3 * energy.mean() + 1e-9)
    lag = 4  # rows: the length of the window, during which an onset rises
    flux = np.zeros(count)
    flux[lag:] = np.maximum(level[lag:] - level[:-lag], 0.0).mean(axis=1)
    # the flux peaks when half of the window covers the event
    return np.maximum(flux - 2 * _around(flux, 100), 0.0)


def _around(values: Array, reach: int) -> Array:
    """Mean of the values within `reach` on both sides."""
    if not len(values):
        return values
    sums = np.concatenate([[0.0], np.cumsum(values)])
    place = np.arange(len(values))
    low, high = np.maximum(place - reach, 0), np.minimum(place + reach + 1, len(values))
    return (sums[high] - sums[low]) / (high - low)


def peaks(values: Array, least: float, apart: int) -> NDArray[np.int64]:
    """Positions of local maxima of at least `least`, ascending; of two closer than `apart`, the higher one."""
    inner = values[1:-1]
    found = np.flatnonzero((inner >= least) & (inner > values[:-2]) & (inner >= values[2:])) + 1
    kept: list[int] = []
    for place in found[np.argsort(-values[found], kind="stable")].tolist():
        if all(abs(place - other) >= apart for other in kept):
            kept.append(place)
    return np.sort(np.array(kept, np.int64))


def find_offset(seen_s: Array, heard_s: Array, half_frame_s: float) -> tuple[float, float, int] | None:
    """The offset on which most events agree.

    Args:
        seen_s: Moments of the seen events, ascending.
        heard_s: Moments of the heard events, ascending.
        half_frame_s: Accuracy of the seen moments.

    Returns:
        Offset in seconds, the logarithm (base 10) of the probability that chance gives one as good, and the number of
        events that agree. None if too few events agree, or if another offset has nearly as many.
    """
    reach = half_frame_s + SLACK_S
    gaps = (heard_s[:, None] - seen_s)[..., None]
    lags = np.arange(-LONGEST_S, LONGEST_S + 1e-9, STEP_S)
    votes = np.zeros(len(lags), np.int64)
    for start in range(0, len(lags), 64):
        close = np.abs(gaps - lags[start : start + 64]) <= reach
        votes[start : start + 64] = np.minimum(close.any(axis=0).sum(axis=0), close.any(axis=1).sum(axis=0))
    most = int(votes.max())
    if most < FEWEST_EVENTS:
        return None
    at = lags[votes == most]
    lag = float(at[len(at) // 2])
    others = votes[np.abs(lags - lag) > 2 * reach]
    if len(others) and others.max() > RUNNER_UP * most:
        return None
    near = gaps[np.abs(gaps - lag) <= reach]
    # the sounds that agree best give the best estimate of the moment
    offset = float(np.median(near))
    span = max(float(heard_s[-1] - heard_s[0]), float(seen_s[-1] - seen_s[0]), 1.0)
    chance = min(2 * reach * max(len(seen_s), len(heard_s)) / span, 1.0)
    tries = min(len(seen_s), len(heard_s))
    tail = sum(math.comb(tries, k) * chance**k * (1 - chance) ** (tries - k) for k in range(most, tries + 1))
    return offset, math.log10(max(min(tail * LONGEST_S / reach, 1.0), 1e-12)), most


def run(video: Video, thumbs: Frames, audio: Audio, cut_analysis: pl.DataFrame) -> Answer:
    """One row with the offset; undefined if sound and picture have too little in common.

    Args:
        video: Facts of the video.
        thumbs: Every frame, [n, 27, 48, 3].
        audio: The sound.
        cut_analysis: Shot boundaries.
    """
    if not audio.samples.any():
        return NotApplicable("the sound is silent")
    if video.duration_s < SHORTEST_S:
        return Undefined(f"shorter than {SHORTEST_S:g} s")
    seen_s, heard_s = _seen_events(thumbs, cut_analysis), _heard_events(audio)
    if min(len(seen_s), len(heard_s)) < FEWEST_EVENTS:
        return Undefined(f"too little happens suddenly: {len(seen_s)} events are seen, {len(heard_s)} are heard")
    found = find_offset(seen_s, heard_s, 0.5 / frame_rate(thumbs.times_s))
    if found is None:
        return Undefined("no offset fits, or several fit equally well")
    offset_s, chance, events = found
    agreeing = events / min(len(seen_s), len(heard_s))
    if chance > BY_CHANCE or events < FEWEST_EVENTS or agreeing < LEAST_AGREEING:
        return Undefined(f"sound and picture have too little in common: {events} of {len(seen_s)} seen events agree")
    row = {"offset_ms": 1000 * offset_s, "confidence": agreeing * (1 - 10**chance), "events": events}
    return pl.DataFrame([row], schema=ANALYZER.schema)


def _seen_events(thumbs: Frames, cut_analysis: pl.DataFrame) -> Array:
    """Moments of the sudden changes of the picture, at most `MOST_EVENTS`, in seconds."""
    times_s, rise = seen(thumbs, cut_analysis)
    if not len(rise) or not (rise > 0).any():
        return np.zeros(0)
    least = max(PROMINENT * float(rise.max()), LEAST_LEVELS, 8 * float(np.median(rise)))
    places = peaks(np.concatenate([[0.0], rise, [0.0]]), least, 3) - 1
    places = np.sort(places[np.argsort(-rise[places], kind="stable")][:MOST_EVENTS])
    return times_s[places]


def _heard_events(audio: Audio) -> Array:
    """Moments of the sudden sounds, at most `MOST_EVENTS`, in seconds."""
    flux = heard(audio)
    if not len(flux) or not (flux > 0).any():
        return np.zeros(0)
    places = peaks(flux, PROMINENT * float(np.quantile(flux[flux > 0], 0.999)), round(0.06 / STEP_S))
    places = np.sort(places[np.argsort(-flux[places], kind="stable")][:MOST_EVENTS])
    return places.astype(np.float64) * STEP_S


def preview(
    table: pl.DataFrame, video: Video, thumbs: Frames, audio: Audio, cut_analysis: pl.DataFrame
) -> NDArray[np.uint8] | None:
    """Seen and heard events, one above the other."""
    if table.is_empty():
        return None
    times_s, rise = seen(thumbs, cut_analysis)
    flux = heard(audio)
    places = np.searchsorted(np.arange(len(flux)) * STEP_S, times_s)
    loud = np.maximum.reduceat(flux, np.clip(places, 0, len(flux) - 1))
    return line_plot(times_s, {"picture changes": rise, "sound grows": loud}, video.duration_s)


TABLE = {
    "offset_ms": Column(pl.Float64, "ms", "Sound minus picture: positive if the sound is late.", -1000, 1000),
    "confidence": Column(pl.Float64, "1", "Clarity of the offset: 0.5 is just enough, 1 is certain.", 0, 1),
    "events": Column(pl.Int64, "1", "Number of seen events whose sound agrees.", ge=FEWEST_EVENTS),
}

ANALYZER = Analyzer(
    name="audio_visual_sync",
    version="1",
    group="sound",
    inputs=("video", "thumbs", "audio", "cut_analysis"),
    run=run,
    table=TABLE,
    preview=preview,
)
