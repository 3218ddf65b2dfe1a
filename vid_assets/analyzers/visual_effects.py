"""Editing effects: fades, dissolves, flashes, freeze frames, black bars, and slow or fast motion.

- fade_in, fade_out, dissolve: as in `measures.transitions`.
- flash: at most 0.12 s much brighter than the similar pictures before and after it (Yeo & Liu, "Rapid scene analysis on
  compressed video", 1995).
- freeze: at least 0.4 s without any change, in a shot that moves before or after it.
- letterbox, pillarbox: even black bars of similar size on both sides, with a sharp edge, for at least 1 s.
- speed_change: camera work that continues in the same direction at another pace, and then returns to the old pace.

A still shot looks the same as a frozen one, and counts as a freeze where its noise ends. Slow motion is found only with
moving cameras, where it looks the same as a camera that slows down for a while. The analyzer does not detect wipes,
split screens, overlays and colour effects.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vid_assets.contract import Analyzer, Column, Frames, Video
from vid_assets.drawing import timeline
from vid_assets.measures.luma import BLACK, grey
from vid_assets.measures.shots import shot_spans
from vid_assets.measures.transitions import cells, find_cuts, find_dissolves, find_fades, frame_rate, runs_of, steps

Array = NDArray[np.float64]
Grey = NDArray[np.uint8]

FLASH_S, FLASH_RISE = 0.12, 15.0
FREEZE_S, FROZEN, STOP, MOVING = 0.4, 2.0, 5.0, 2.5  # levels of change of the block that changes most
BAR_S, THINNEST, BAR_EDGE = 1.0, 0.02, 8.0
PACE, SAME_PACE, DIRECTION = 1.5, 1.25, 0.97


class Effect(NamedTuple):
    """One row of the table; see `TABLE`."""

    kind: str
    start_s: float
    end_s: float
    strength: float
    colour: str | None = None


def flashes(luma: Array, blocks: NDArray[np.float32], fps: float) -> list[tuple[int, int, float]]:
    """First frame, end frame (exclusive), and rise in luma of each flash.

    Args:
        luma: Mean of each frame, 0..255, [n].
        blocks: As `transitions.cells` returns them.
        fps: Frames per second.
    """
    found: list[tuple[int, int, float]] = []
    for length in range(1, max(1, round(FLASH_S * fps)) + 1):
        first = np.arange(1, len(luma) - length)
        if not len(first):
            break
        inside = np.min([luma[first + k] for k in range(length)], axis=0)
        rise = inside - np.maximum(luma[first - 1], luma[first + length])
        for place in np.flatnonzero(rise > FLASH_RISE):
            at = int(first[place])
            alike = steps(blocks[at - 1, None], blocks[at + length, None])[0]
            if alike < rise[place] / 3 and not any(a < at + length and b > at for a, b, _ in found):
                found.append((at, at + length, float(rise[place])))
    return sorted(found)


def freezes(change: Array, times_s: Array, shots: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """First and last frame of each freeze.

    Args:
        change: Difference from each frame to the next, for the block that changes most, in levels, [n - 1].
        times_s: Times of the frames, [n].
        shots: First frame and end frame (exclusive) of each shot.
    """
    for first, end in shots:
        inside = change[first : end - 1]
        for a, b in runs_of(inside < FROZEN):
            around = np.concatenate([inside[max(0, a - 8) : a], inside[b : b + 8]])
            if times_s[first + b] - times_s[first + a] < FREEZE_S - 1e-6 or not len(around):
                continue
            if np.median(around) > max(MOVING, STOP * float(np.median(inside[a:b]))):
                yield first + a, first + b


def bars(pictures: Grey, times_s: Array) -> Iterator[tuple[int, int, float]]:
    """First and last row of each run of pictures with bars above and below, and the share of one bar.

    Args:
        pictures: [n, height, width].
        times_s: Times of the pictures, [n].
    """
    height = pictures.shape[1]
    # Bars may contain titles, so use the upper quartile of a row and not its brightest pixel.
    bright = np.percentile(pictures, 75, axis=2)
    lit = bright > BLACK
    known: NDArray[np.int64] = np.flatnonzero(lit.any(axis=1))
    if not len(known):
        return
    above, below = lit[known].argmax(axis=1), lit[known, ::-1].argmax(axis=1)
    # A dark picture gives no information: use its nearest neighbour.
    rows = np.arange(len(pictures))
    following = np.minimum(np.searchsorted(known, rows), len(known) - 1)
    before = np.maximum(following - 1, 0)
    nearest = np.where(np.abs(known[before] - rows) < np.abs(known[following] - rows), before, following)
    thin = max(2, round(THINNEST * height))
    for first, end in runs_of(np.minimum(above, below)[nearest] >= thin):
        inside = np.unique(nearest[first:end])
        if times_s[end - 1] - times_s[first] < BAR_S / 2:
            continue
        # Dark scenes can only make bars look thicker.
        upper, lower = (int(np.percentile(size[inside], 10)) for size in (above, below))
        seen = bright[known[inside]]
        edges = seen[:, upper] - seen[:, upper - 1], seen[:, -lower - 1] - seen[:, -lower]
        sharp = min(float(np.median(edge)) for edge in edges) > BAR_EDGE
        if sharp and abs(upper - lower) <= max(2, round(0.02 * height)) and max(upper, lower) < 0.4 * height:
            yield first, end - 1, (upper + lower) / 2 / height


def _bar_effects(kind: str, frames: Frames, pictures: Grey, thumbs: Frames, small: Grey, end_s: float) -> list[Effect]:
    """Bars with their times, exact to the frame at which a bar covers the outermost row of the small pictures.

    Args:
        kind: letterbox or pillarbox.
        frames: The sampled pictures.
        pictures: Their luma, turned so that the bars are above and below.
        thumbs: Every frame.
        small: Their luma, turned in the same way.
        end_s: Duration of the video.
    """
    outer: NDArray[np.bool_] = np.percentile(small[:, [0, -1]], 75, axis=2).max(axis=1) <= BLACK
    place: NDArray[np.int64] = np.searchsorted(thumbs.indices, frames.indices)
    found: list[Effect] = []
    for first, last, share in bars(pictures, frames.times_s):
        start, end = int(place[first]), int(place[last])
        if first:
            before = int(place[first - 1])
            bright = np.flatnonzero(~outer[before:start])
            start = before + int(bright[-1]) + 1 if len(bright) else start
        if last + 1 < len(frames):
            after = int(place[last + 1])
            bright = np.flatnonzero(~outer[end:after])
            end = end + int(bright[0]) if len(bright) else after
        else:
            end = len(thumbs)
        found.append(Effect(kind, float(thumbs.times_s[start]), _time(thumbs, end, end_s), share))
    return found


def _time(thumbs: Frames, frame: int, end_s: float) -> float:
    """Start time of a frame, or the end of the video for the index after the last frame."""
    return float(thumbs.times_s[frame]) if frame < len(thumbs) else end_s


def speed_changes(camera_analysis: pl.DataFrame) -> list[Effect]:
    """Stretches of camera work whose pace differs from the similar stretches before and after."""
    names = ("pan_rate", "tilt_rate", "zoom_rate")
    moves = [
        (row["shot"], row["start_s"], row["end_s"], np.array([row[name] for name in names], np.float64))
        for row in camera_analysis.sort("start_s").iter_rows(named=True)
        if row["kind"] not in ("static", "unclear")
    ]
    found: list[Effect] = []
    for before, inside, after in zip(moves, moves[1:], moves[2:], strict=False):
        joined = before[0] == inside[0] == after[0] and before[2] >= inside[1] - 1e-6 and inside[2] >= after[1] - 1e-6
        one, here, two = (float(np.linalg.norm(move[3])) for move in (before, inside, after))
        straight = min(float(inside[3] @ move[3]) / here / norm for move, norm in ((before, one), (after, two)))
        pace = here / ((one + two) / 2)
        if joined and straight > DIRECTION and max(one, two) < SAME_PACE * min(one, two) and not 1 / PACE < pace < PACE:
            found.append(Effect("speed_change", inside[1], inside[2], pace))
    return found


def run(
    video: Video, thumbs: Frames, frames: Frames, cut_analysis: pl.DataFrame, camera_analysis: pl.DataFrame
) -> pl.DataFrame:
    """One row per effect, ordered by start.

    Args:
        video: Facts of the video.
        thumbs: Every frame, [n, 27, 48, 3].
        frames: Sampled pictures, [m, height, width, 3].
        cut_analysis: Shot boundaries.
        camera_analysis: Camera work.
    """
    if len(thumbs) < 2:
        return ANALYZER.empty()
    blocks, fps, end_s = cells(thumbs.array), frame_rate(thumbs.times_s), video.duration_s
    step = steps(blocks[:-1], blocks[1:])
    cuts = find_cuts(blocks, step, fps)
    fades = find_fades(blocks, cuts, fps)
    dissolves = find_dissolves(thumbs.array, blocks, step, cuts, fades, fps)
    times = thumbs.times_s
    found: list[Effect] = []
    for ramp in (*fades, *dissolves):
        # The plain frame belongs to its fade; frames that show only one shot belong to no dissolve.
        first, end = ramp.last + (ramp.kind != "fade_in"), ramp.first + (ramp.kind == "fade_out")
        strength, colour = ramp.strength / 255, ramp.colour or None
        found.append(Effect(ramp.kind, float(times[first]), _time(thumbs, end, end_s), strength, colour))
    small = grey(thumbs.array)
    luma = small.mean(axis=(1, 2))
    found += [
        Effect("flash", float(times[first]), _time(thumbs, end, end_s), rise / 255)
        for first, end, rise in flashes(luma, blocks, fps)
        if not any(ramp.last < end and ramp.first >= first for ramp in fades)
    ]
    spans = np.array(shot_spans(cut_analysis, end_s)).reshape(-1, 2)
    shots: list[tuple[int, int]] = np.searchsorted(times, spans, side="left").tolist()
    change = np.abs(np.diff(blocks, axis=0)).max(axis=(1, 2, 3)).astype(np.float64)
    found += [
        Effect("freeze", float(times[first]), _time(thumbs, last + 1, end_s), 1.0)
        for first, last in freezes(change, times, shots)
    ]
    stride = max(1, frames.array.shape[2] // 80), max(1, frames.array.shape[1] // 80)
    rows, columns = grey(frames.array[:, :, :: stride[0]]), grey(frames.array[:, :: stride[1]])
    found += _bar_effects("letterbox", frames, rows, thumbs, small, end_s)
    found += _bar_effects("pillarbox", frames, columns.swapaxes(1, 2), thumbs, small.swapaxes(1, 2), end_s)
    found += speed_changes(camera_analysis)
    return pl.DataFrame(sorted(found, key=lambda effect: effect[1:3]), schema=ANALYZER.schema, orient="row")


def preview(
    table: pl.DataFrame,
    video: Video,
    thumbs: Frames,
    frames: Frames,
    cut_analysis: pl.DataFrame,
    camera_analysis: pl.DataFrame,
) -> NDArray[np.uint8] | None:
    """A lane for each kind of effect that occurs."""
    lanes: dict[str, list[tuple[float, float, str]]] = {}
    for kind, start_s, end_s, strength in table.select("kind", "start_s", "end_s", "strength").iter_rows():
        lanes.setdefault(kind, []).append((start_s, end_s, f"{strength:.2f}"))
    return timeline(lanes, video.duration_s) if lanes else None


TABLE = {
    "kind": Column(
        pl.String, "text",
        "fade_in, fade_out, dissolve, flash, freeze, letterbox, pillarbox or speed_change.",
    ),
    "start_s": Column(pl.Float64, "s", "Presentation time of the first frame of the effect.", ge=0),
    "end_s": Column(pl.Float64, "s", "Presentation time of the first frame after it.", ge=0),
    "strength": Column(
        pl.Float64, "1",
        "Fade, dissolve: change of colour, share of full range. Flash: rise of luma, likewise. Letterbox, pillarbox: "
        "share of one bar. Speed change: factor. Freeze: 1.",
        ge=0,
    ),
    "colour": Column(pl.String, "text", "black or white for fades; null otherwise.", nullable=True),
}  # fmt: skip

ANALYZER = Analyzer(
    name="visual_effects",
    version="2",
    group="objects_and_scene",
    inputs=("video", "thumbs", "frames", "cut_analysis", "camera_analysis"),
    run=run,
    preview=preview,
    table=TABLE,
)
