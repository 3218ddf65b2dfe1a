"""Shot boundaries: hard cuts and gradual transitions, exact to the frame.

The analyzer uses pictures of 48 x 27 px of every frame, without a model; `measures.transitions` describes the method. A
fade out and the following fade in are one gradual boundary if the screen stays plain for at most 2 s between them. The
same holds for a fade out with a cut from black, and a cut to black with a fade in. A fade at the start or end of the
video is no boundary. TransNetV2 (Soucek & Lokoc, 2020) finds the same boundaries on generated clips. In real footage it
finds fewer hard cuts, and more dissolves between shots in rapid motion. It takes a hundred times as long, more than the
length of the video on two cores.

The analyzer misses wipes and other moving transitions, cuts between frames that look alike at this size, dissolves
shorter than 4 frames or longer than 2 s, and some dissolves between shots with much motion and similar colours.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vid_assets.contract import Analyzer, Column, Config, Frames, setting
from vid_assets.drawing import contact_sheet, timeline
from vid_assets.measures.shots import shot_spans
from vid_assets.measures.transitions import Cut, Ramp, cells, find_cuts, find_dissolves, find_fades, frame_rate, steps

HOLD_S = 2.0


class Boundary(NamedTuple):
    """A boundary: one shot ends with `last_frame`, the next begins with `first_frame`."""

    kind: str
    last_frame: int
    first_frame: int
    confidence: float


def boundaries(cuts: Sequence[Cut], ramps: Sequence[Ramp], frame_count: int, fps: float) -> list[Boundary]:
    """Combine the cuts, fades and dissolves of a video into boundaries, ascending.

    Args:
        cuts: Ascending.
        ramps: Fades and dissolves.
        frame_count: Number of frames of the video.
        fps: Frames per second.
    """
    events = [Boundary("cut", cut.last, cut.last + 1, cut.confidence) for cut in cuts]
    events += [Boundary(ramp.kind, ramp.last, ramp.first, ramp.confidence) for ramp in ramps]
    events.sort(key=lambda event: (event.last_frame, event.first_frame))
    hold = HOLD_S * fps
    found: list[Boundary] = []
    merged = False
    for event, following in pairwise([*events, Boundary("end", frame_count, frame_count, 1.0)]):
        if merged:
            merged = False
            continue
        last = event.first_frame if event.kind == "fade_out" else event.last_frame
        pair = event.kind, following.kind
        joins = pair in {("fade_out", "fade_in"), ("fade_out", "cut"), ("cut", "fade_in")}
        if joins and following.last_frame - last <= hold:
            sure = min(event.confidence, following.confidence)
            found.append(Boundary("gradual", event.last_frame, following.first_frame, sure))
            merged = True
        else:
            found.append(event)
    found = found[1:] if found and found[0].kind == "fade_in" else found
    found = found[:-1] if found and found[-1].kind == "fade_out" else found
    return [event if event.kind == "cut" else event._replace(kind="gradual") for event in found]


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
    rows = [
        {
            "kind": boundary.kind,
            "start_s": float(thumbs.times_s[boundary.last_frame]),
            "end_s": float(thumbs.times_s[boundary.first_frame]),
            "last_frame": int(thumbs.indices[boundary.last_frame]),
            "first_frame": int(thumbs.indices[boundary.first_frame]),
            "confidence": boundary.confidence,
        }
        for boundary in _apart(boundaries(cuts, [*fades, *dissolves], len(thumbs), fps), thumbs, config.min_shot_s)
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
    "kind": Column(pl.String, "text", "cut (from one frame to the next) or gradual (dissolve, or fade out and in)."),
    "start_s": Column(pl.Float64, "s", "Presentation time of the last frame that shows the old shot alone.", ge=0),
    "end_s": Column(pl.Float64, "s", "Presentation time of the first frame that shows the new shot alone.", ge=0),
    "last_frame": Column(pl.Int64, "frame", "Last frame that shows the old shot alone, from 0.", ge=0),
    "first_frame": Column(pl.Int64, "frame", "First frame that shows the new shot alone, from 0.", ge=1),
    "confidence": Column(pl.Float64, "1", "0.5 at the detection threshold, close to 1 far above it.", ge=0, le=1),
}

ANALYZER = Analyzer(
    name="cut_analysis",
    version="1",
    group="structure",
    inputs=("thumbs",),
    run=run,
    preview=preview,
    table=TABLE,
    config=Settings,
)
