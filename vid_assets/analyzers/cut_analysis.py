"""Shot boundaries: hard cuts and gradual transitions, exact to the frame.

The analyzer uses pictures of 48 x 27 px of every frame, without a model; `measures.transitions` describes the method. A
fade out and the following fade in are one gradual boundary if the screen stays plain for at most 2 s between them. The
same holds for a fade out with a cut from black, and a cut to black with a fade in. A cut with one or two plain or mixed
frames is one cut. Fades and plain frames at the start or end of the video are no boundary. Nor is a thing that passes
or leaves, a title over a running shot, a flash, or an exposure that adapts: a boundary changes most of the picture, by
more than brightness and contrast. `docs/accuracy.md` compares it with PySceneDetect and TransNetV2.

The analyzer misses wipes and other moving transitions, shots shorter than 3 frames, cuts between frames that look alike
at this size, dissolves longer than 2 s, and some dissolves between shots with much motion and similar colours.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vid_assets.contract import Analyzer, Column, Config, Frames, setting
from vid_assets.drawing import contact_sheet, timeline
from vid_assets.measures.shots import shot_spans
from vid_assets.measures.transitions import (
    Cut,
    Ramp,
    cells,
    find_cuts,
    find_dissolves,
    find_fades,
    frame_rate,
    plain_frames,
    steps,
)

HOLD_S = 2.0
TOUCHING_S, FLASH_S = 0.2, 0.12
DIM = 0.5  # of the level of the shots: a dip between them


class Boundary(NamedTuple):
    """A boundary: one shot ends with `last_frame`, the next begins with `first_frame`."""

    kind: str
    last_frame: int
    first_frame: int
    confidence: float


def boundaries(
    cuts: Sequence[Cut], ramps: Sequence[Ramp], plain: NDArray[np.bool_], level: NDArray[np.float32], fps: float
) -> list[Boundary]:
    """Combine the cuts, fades and dissolves of a video into boundaries, ascending.

    Args:
        cuts: Ascending.
        ramps: Fades and dissolves.
        plain: Whether a frame is black or white, [n].
        level: Mean level of a frame, 0..255, [n].
        fps: Frames per second.
    """
    events = [Boundary("cut", cut.last, cut.first, cut.confidence) for cut in cuts]
    events += [Boundary(ramp.kind, ramp.last, ramp.first, ramp.confidence) for ramp in ramps]
    found: list[Boundary] = []
    for event in sorted(events, key=lambda event: (event.last_frame, event.first_frame)):
        if found and _is_one(found[-1], event, plain, level, fps):
            first, sure = max(found[-1].first_frame, event.first_frame), min(found[-1].confidence, event.confidence)
            # A fade out that goes on may have a fade in yet.
            kind = "fade_out" if event.kind == found[-1].kind == "fade_out" else "gradual"
            found[-1] = Boundary(kind, found[-1].last_frame, first, sure)
        else:
            found.append(event)
    hold = HOLD_S * fps
    found = [event for event in found if not _is_edge(event, plain, hold) and not _is_flash(event, plain, fps)]
    found = found[1:] if found and found[0].kind == "fade_in" else found
    found = found[:-1] if found and found[-1].kind == "fade_out" else found
    return [event if event.kind == "cut" else event._replace(kind="gradual") for event in found]


def _is_one(
    event: Boundary, following: Boundary, plain: NDArray[np.bool_], level: NDArray[np.float32], fps: float
) -> bool:
    """Whether two events are parts of one boundary; see `boundaries`."""
    pair = event.kind, following.kind
    between = slice(event.first_frame, following.last_frame + 1)
    held = following.last_frame - event.first_frame <= HOLD_S * fps
    if held and pair in {("fade_out", "fade_in"), ("fade_out", "cut"), ("cut", "fade_in")}:
        return bool(plain[between].all())
    if "cut" in pair and event.kind == following.kind:
        return False
    # A ramp is found in parts where its speed changes, or where the shots move.
    if following.last_frame - event.first_frame <= TOUCHING_S * fps:
        return True
    around = min(level[event.last_frame], level[following.first_frame])
    return held and "cut" not in pair and bool((level[between] < DIM * around).all())


def _is_edge(event: Boundary, plain: NDArray[np.bool_], hold: float) -> bool:
    """Whether only plain frames lie between the event and one end of the video."""
    before, after = plain[: event.last_frame + 1], plain[event.first_frame :]
    return sum(len(edge) <= hold and bool(edge.all()) for edge in (before, after)) == 1


def _is_flash(event: Boundary, plain: NDArray[np.bool_], fps: float) -> bool:
    """Whether the event is a fade without a partner, to or from plain frames as short as a flash."""
    beside = {"fade_in": plain[event.last_frame :: -1], "fade_out": plain[event.first_frame :]}.get(event.kind)
    if beside is None or beside.all():
        return False
    return int(beside.argmin()) <= FLASH_S * fps


class Settings(Config):
    """Sensitivity of the boundary detection."""

    sensitivity: float = setting(
        1.0, "1", "Above 1, smaller changes count as cuts and dissolves; below 1, only larger ones", ge=0.25, le=4
    )
    min_shot_s: float = setting(0.0, "s", "A boundary that follows the previous one sooner than this is dropped", ge=0)


def run(thumbs: Frames, config: Settings = Settings()) -> pl.DataFrame:
    """One row per boundary, in order; none for fewer than two frames.

    Args:
        thumbs: Every frame, [n, 27, 48, 3].
        config: The settings.
    """
    if len(thumbs) < 2:
        return ANALYZER.empty()
    blocks, fps = cells(thumbs.array), frame_rate(thumbs.times_s)
    step = steps(blocks[:-1], blocks[1:])
    # Across a gap caused by damage, a change may have been gradual.
    step[thumbs.lost - 1] = 0
    cuts = find_cuts(blocks, step, fps, config.sensitivity)
    fades = find_fades(blocks, cuts, fps)
    dissolves = find_dissolves(thumbs.array, blocks, step, cuts, fades, fps, config.sensitivity)
    black, white = plain_frames(blocks)
    plain, level = black | white, blocks.mean(axis=(1, 2, 3))
    rows = [
        {
            "kind": boundary.kind,
            "start_s": float(thumbs.times_s[boundary.last_frame]),
            "end_s": float(thumbs.times_s[boundary.first_frame]),
            "last_frame": int(thumbs.indices[boundary.last_frame]),
            "first_frame": int(thumbs.indices[boundary.first_frame]),
            "confidence": boundary.confidence,
        }
        for boundary in _apart(boundaries(cuts, [*fades, *dissolves], plain, level, fps), thumbs, config.min_shot_s)
    ]
    return pl.DataFrame(rows, schema=ANALYZER.schema)


def _apart(found: Sequence[Boundary], thumbs: Frames, least_s: float) -> list[Boundary]:
    """The boundaries that follow the previous one after at least the given time."""
    kept: list[Boundary] = []
    for boundary in found:
        start_s = thumbs.times_s[kept[-1].first_frame] if kept else -np.inf
        if thumbs.times_s[boundary.first_frame] - start_s >= least_s:
            kept.append(boundary)
    return kept


def preview(table: pl.DataFrame, thumbs: Frames) -> NDArray[np.uint8] | None:
    """The shots and transitions on a time axis, and the middle frame of each shot, for at most 24 shots."""
    if not len(thumbs):
        return None
    starts = [0, *np.searchsorted(thumbs.indices, table["first_frame"].to_numpy()).tolist()]
    ends = [*np.searchsorted(thumbs.indices, table["last_frame"].to_numpy()).tolist(), len(thumbs) - 1]
    labels = [f"shot {number}" for number in range(len(starts))]
    middles = [(start + end) // 2 for start, end in zip(starts, ends, strict=True)]
    chosen: list[int] = np.unique(np.linspace(0, len(starts) - 1, 24).round().astype(int)).tolist()
    pictures = contact_sheet(thumbs, [middles[i] for i in chosen], [labels[i] for i in chosen], columns=6)
    duration_s = float(thumbs.times_s[-1]) + 1 / frame_rate(thumbs.times_s)
    shots = shot_spans(table, duration_s)
    lanes = {"shots": [(*span, str(number)) for number, span in enumerate(shots)]}
    for kind in ("cut", "gradual"):
        spans: list[tuple[float, float]] = table.filter(pl.col("kind") == kind).select("start_s", "end_s").rows()
        lanes |= {kind: [(*span, "") for span in spans]} if spans else {}
    return np.vstack([timeline(lanes, duration_s), pictures])


TABLE = {
    "kind": Column(pl.String, "text", "cut (at most two frames between) or gradual (dissolve, or fade out and in)."),
    "start_s": Column(pl.Float64, "s", "Presentation time of the last frame that shows the old shot alone.", ge=0),
    "end_s": Column(pl.Float64, "s", "Presentation time of the first frame that shows the new shot alone.", ge=0),
    "last_frame": Column(pl.Int64, "frame", "Last frame that shows the old shot alone, from 0.", ge=0),
    "first_frame": Column(pl.Int64, "frame", "First frame that shows the new shot alone, from 0.", ge=1),
    "confidence": Column(pl.Float64, "1", "0.5 at the detection threshold, close to 1 far above it.", ge=0, le=1),
}

ANALYZER = Analyzer(
    name="cut_analysis",
    version="2",
    group="structure",
    inputs=("thumbs",),
    run=run,
    preview=preview,
    table=TABLE,
    config=Settings,
)
