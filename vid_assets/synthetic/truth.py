"""Exact ground truth of a generated clip, derived from its description and never measured."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vid_assets.synthetic.parts import Cut, Dissolve, Fade, Pan, Shot, Static, Tilt, Zoom
from vid_assets.synthetic.timeline import Clip
from vid_assets.synthetic.typeset import typeset

CLICK_S = 0.005  # length of one click


class Transition(NamedTuple):
    """A gradual transition; `kind` is dissolve, fade_to_black, fade_from_black, fade_to_white or fade_from_white."""

    kind: str
    first: int
    last: int


class Boundary(NamedTuple):
    """Where one shot gives way to the next: ``cut``, or ``gradual`` over the frames between the two."""

    kind: str
    last_frame: int
    first_frame: int


class CameraMove(NamedTuple):
    """A stretch of steady camera work; `kind` is pan, tilt, zoom or static, `rate` as in `parts`."""

    kind: str
    start_s: float
    end_s: float
    rate: float


class ShapeTruth(NamedTuple):
    """One shape of one shot: `boxes` float64 [frames of the shot, 4], x0 y0 x1 y1 in shares, cut to the picture."""

    name: str
    depth: float
    boxes: NDArray[np.float64]


class TextTruth(NamedTuple):
    """One overlay; `box` is x0 y0 x1 y1 of its ink in shares, `height` the height of its line as a share."""

    text: str
    start_s: float
    end_s: float
    box: tuple[float, float, float, float]
    height: float


class Span(NamedTuple):
    """Frames `first` to `last`, both included, and how strong it is there (0 where nothing is to be said)."""

    first: int
    last: int
    value: float = 0.0


class SoundTruth(NamedTuple):
    """What sounds when, A/V offset included; `params` as in `parts.Sound`. Gaps between sounds are ``silence``."""

    kind: str
    start_s: float
    end_s: float
    params: dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)  # arrays inside: == would be ambiguous
class Truth:
    """All that is known of a clip. Frames count from 0; times are seconds of the clip.

    Attributes:
        fps: Frames per second.
        frame_count: Frames.
        duration_s: Frames over fps; the sound lasts as long.
        shots: First and last frame of each.
        cuts: The last frame before each hard cut.
        transitions: Gradual ones in order; `first` and `last` are the frames that are changed by it.
        boundaries: Hard and gradual ones in order; a fade out and the fade in after it are one.
        camera: Whole clip without gaps, split at shots, moves, freezes and speed changes. A plain shot is static.
        shapes: Per shot, in drawing order of the description.
        texts: Overlays.
        flashes: Frames.
        freezes: All frames from first to last show the same picture. A static shot without moving shapes or grain is as
            still and not listed.
        letterbox: `value` is the share of each bar above and below.
        pillarbox: `value` is the share of each bar left and right.
        blur: `value` is sigma in px.
        noise: `value` is sigma in 8-bit levels.
        speed: `value` is the factor.
        sounds: In order of start.
        av_offset_s: Sound minus picture; positive when the sound is late.
    """

    fps: float
    frame_count: int
    duration_s: float
    shots: tuple[tuple[int, int], ...]
    cuts: tuple[int, ...]
    transitions: tuple[Transition, ...]
    boundaries: tuple[Boundary, ...]
    camera: tuple[CameraMove, ...]
    shapes: tuple[tuple[ShapeTruth, ...], ...]
    texts: tuple[TextTruth, ...]
    flashes: tuple[int, ...]
    freezes: tuple[Span, ...]
    letterbox: tuple[Span, ...]
    pillarbox: tuple[Span, ...]
    blur: tuple[Span, ...]
    noise: tuple[Span, ...]
    speed: tuple[Span, ...]
    sounds: tuple[SoundTruth, ...]
    av_offset_s: float


def paces(clip: Clip) -> NDArray[np.float64]:
    """Speed of the scene on the way into each frame, float64 [frames]: 1 is normal, 0 frozen."""
    pace = np.ones(clip.frame_count)
    for speed in clip.speeds:
        first, last = clip.span(speed.start_s, speed.end_s)
        pace[first : last + 1] = speed.factor
    for freeze in clip.freezes:
        first, last = clip.span(freeze.start_s, freeze.end_s)
        pace[first + 1 : last + 1] = 0.0
    return pace


def scene_times(clip: Clip) -> NDArray[np.float64]:
    """Time of the scene at each frame, float64 [frames], in seconds; it stands still in freezes."""
    pace = paces(clip)
    pace[0] = 0.0
    return np.cumsum(pace) / float(clip.fps)


def fade_frames(clip: Clip, fade: Fade) -> int:
    """Length of a fade in frames."""
    return max(1, round(fade.seconds * clip.fps))


def dissolve_frames(clip: Clip, dissolve: Dissolve, boundary: int) -> tuple[int, int]:
    """First and last frame of the dissolve into the shot that starts at frame `boundary`."""
    count = max(1, round(dissolve.seconds * clip.fps))
    return boundary - count // 2, boundary - count // 2 + count - 1


def transitions(clip: Clip) -> tuple[Transition, ...]:
    """All gradual transitions, in order."""
    found = []
    for shot, (first, last) in zip(clip.shots, clip.shot_frames, strict=True):
        if isinstance(shot.enter, Dissolve):
            found.append(Transition("dissolve", *dissolve_frames(clip, shot.enter, first)))
        if isinstance(shot.enter, Fade):
            end = first + fade_frames(clip, shot.enter) - 1
            found.append(Transition(f"fade_from_{shot.enter.colour}", first, end))
        if shot.leave:
            start = last - fade_frames(clip, shot.leave) + 1
            found.append(Transition(f"fade_to_{shot.leave.colour}", start, last))
    return tuple(found)


def _boundaries(clip: Clip) -> tuple[Boundary, ...]:
    found = []
    spans = clip.shot_frames
    for (before, after), ((_, last), (first, _)) in zip(pairwise(clip.shots), pairwise(spans), strict=True):
        if isinstance(after.enter, Cut):
            if before.leave is None:
                found.append(Boundary("cut", last, first))
            else:
                found.append(Boundary("gradual", last - fade_frames(clip, before.leave), first))
            continue
        if isinstance(after.enter, Dissolve):
            start, end = dissolve_frames(clip, after.enter, first)
            found.append(Boundary("gradual", start - 1, end + 1))
        else:
            start = last - fade_frames(clip, before.leave) if before.leave else last
            found.append(Boundary("gradual", start, first + fade_frames(clip, after.enter)))
    return tuple(found)


def _camera(clip: Clip) -> tuple[CameraMove, ...]:
    fps, pace, times = float(clip.fps), paces(clip), scene_times(clip)
    rows: list[tuple[int, str, float]] = []
    for number, (shot, (first, last)) in enumerate(zip(clip.shots, clip.shot_frames, strict=True)):
        for frame in range(first, last + 1):
            step = min(frame + 1, last)  # the move is felt between a frame and the next
            move = move_at(shot, times[frame] - times[first])
            rate = 0.0 if isinstance(move, Static) else move.rate * pace[step]
            kind = type(move).__name__.lower() if rate else "static"
            rows.append((number, kind, float(rate)))
    starts = [0, *(i for i in range(1, len(rows)) if rows[i] != rows[i - 1]), len(rows)]
    return tuple(CameraMove(rows[a][1], a / fps, b / fps, rows[a][2]) for a, b in pairwise(starts))


def move_at(shot: Shot, time_s: float) -> Static | Pan | Tilt | Zoom:
    """The camera move at a moment of the shot; the last one goes on after its end if it has no length."""
    end = 0.0
    for move in shot.moves:
        end += move.seconds
        if time_s < end - 1e-9:
            return move
    return Static()


def _shapes(clip: Clip) -> tuple[tuple[ShapeTruth, ...], ...]:
    times, aspect = scene_times(clip), clip.height / clip.width
    result = []
    for shot, (first, last) in zip(clip.shots, clip.shot_frames, strict=True):
        rows = []
        for mover in shot.shapes:
            at = [mover.at(times[frame] - times[first]) for frame in range(first, last + 1)]
            boxes = [(s.x - s.radius * aspect, s.y - s.radius, s.x + s.radius * aspect, s.y + s.radius) for s in at]
            rows.append(ShapeTruth(mover.shape.name, mover.shape.depth, np.clip(np.array(boxes), 0.0, 1.0)))
        result.append(tuple(rows))
    return tuple(result)


def _texts(clip: Clip) -> tuple[TextTruth, ...]:
    rows, fps = [], float(clip.fps)
    for text in clip.texts:
        first, last = clip.span(text.start_s, text.end_s)
        rows.append(
            TextTruth(text.text, first / fps, (last + 1) / fps, typeset(text, clip.width, clip.height).box, text.height)
        )
    return tuple(rows)


def _sounds(clip: Clip, duration_s: float) -> tuple[SoundTruth, ...]:
    heard = []
    for sound in clip.sounds:
        start = sound.start_s + clip.av_offset_s
        end = start + CLICK_S if sound.kind == "click" and not sound.bpm else sound.end_s + clip.av_offset_s
        start, end = max(start, 0.0), min(end, duration_s)
        if sound.kind == "silence" or end <= start:
            continue
        params = {"dbfs": sound.dbfs}
        params |= {"frequency": sound.frequency} if sound.kind in ("tone", "speech_like") else {}
        params |= {"bpm": sound.bpm} if sound.kind in ("music", "click") else {}
        params |= {"colour": sound.colour} if sound.kind == "noise" else {}
        heard.append(SoundTruth(sound.kind, start, end, params))
    heard.sort(key=lambda sound: (sound.start_s, sound.end_s))
    if not clip.sounds:
        return ()
    silent, until = [], 0.0
    for sound in heard:
        if sound.start_s > until + 1e-9:
            silent.append(SoundTruth("silence", until, sound.start_s, {}))
        until = max(until, sound.end_s)
    if until < duration_s - 1e-9:
        silent.append(SoundTruth("silence", until, duration_s, {}))
    return tuple(sorted([*heard, *silent], key=lambda sound: (sound.start_s, sound.end_s)))


def truth(clip: Clip) -> Truth:
    """Derive everything that is known of the clip."""
    fps = float(clip.fps)
    duration_s = clip.frame_count / fps
    boundaries = _boundaries(clip)
    bars = [(box.pillars, Span(*clip.span(box.start_s, box.end_s), box.share)) for box in clip.letterbox]
    return Truth(
        fps=fps,
        frame_count=clip.frame_count,
        duration_s=duration_s,
        shots=clip.shot_frames,
        cuts=tuple(boundary.last_frame for boundary in boundaries if boundary.kind == "cut"),
        transitions=transitions(clip),
        boundaries=boundaries,
        camera=_camera(clip),
        shapes=_shapes(clip),
        texts=_texts(clip),
        flashes=tuple(frame for frame in (round(t * fps) for t in clip.flashes) if 0 <= frame < clip.frame_count),
        freezes=tuple(Span(*clip.span(item.start_s, item.end_s)) for item in clip.freezes),
        letterbox=tuple(span for pillars, span in bars if not pillars),
        pillarbox=tuple(span for pillars, span in bars if pillars),
        blur=tuple(Span(*clip.span(item.start_s, item.end_s), item.sigma) for item in clip.blur),
        noise=tuple(Span(*clip.span(item.start_s, item.end_s), item.sigma) for item in clip.grain),
        speed=tuple(Span(*clip.span(item.start_s, item.end_s), item.factor) for item in clip.speeds),
        sounds=_sounds(clip, duration_s),
        av_offset_s=clip.av_offset_s,
    )
