"""A whole generated clip: its shots one after the other, and what lies over them."""

import math
from dataclasses import dataclass
from fractions import Fraction

from vid_assets.synthetic.parts import (
    Blur,
    Cut,
    Dissolve,
    Freeze,
    Grain,
    Letterbox,
    SceneError,
    Shot,
    Sound,
    Speed,
    Text,
)


@dataclass(frozen=True, slots=True)
class Clip:
    """A whole clip.

    Attributes:
        shots: At least one.
        width: In px, even.
        height: In px, even.
        fps: Frames per second.
        texts: Overlays.
        flashes: Moments of single nearly white frames.
        freezes: Spans without motion.
        speeds: Spans of slow or fast motion.
        letterbox: Spans with bars.
        blur: Spans of blur.
        grain: Spans of noise.
        sounds: What is heard; empty for a clip without an audio track.
        av_offset_s: All sounds come this much later than they say; negative for earlier.
        sample_rate: Of the sound, in Hz.
        seed: Of the grain.
    """

    shots: tuple[Shot, ...]
    width: int = 640
    height: int = 360
    fps: int | Fraction = 25
    texts: tuple[Text, ...] = ()
    flashes: tuple[float, ...] = ()
    freezes: tuple[Freeze, ...] = ()
    speeds: tuple[Speed, ...] = ()
    letterbox: tuple[Letterbox, ...] = ()
    blur: tuple[Blur, ...] = ()
    grain: tuple[Grain, ...] = ()
    sounds: tuple[Sound, ...] = ()
    av_offset_s: float = 0.0
    sample_rate: int = 48000
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what could only fail in the middle of drawing."""
        if not self.shots:
            raise SceneError("Clip", "it has no shot", "give it at least one")
        if self.width % 2 or self.height % 2:
            raise SceneError("Clip", f"{self.width} x {self.height} px is odd", "use even sizes, for 4:2:0 colour")
        if isinstance(self.shots[0].enter, Dissolve):
            raise SceneError("Clip", "the first shot dissolves from nothing", "let it cut or fade in")
        self._check_transitions()
        self._check_effects()

    def _check_transitions(self) -> None:
        for number, (first, last) in enumerate(self.shot_frames):
            shot = self.shots[number]
            enter = 0.0 if isinstance(shot.enter, Cut) else shot.enter.seconds
            enter *= 0.5 if isinstance(shot.enter, Dissolve) else 1.0
            following = self.shots[number + 1].enter if number + 1 < len(self.shots) else Cut()
            leave = following.seconds / 2 if isinstance(following, Dissolve) else 0.0
            leave += shot.leave.seconds if shot.leave else 0.0
            if last - first < (enter + leave) * float(self.fps):
                culprit = f"Clip, shot {number}"
                raise SceneError(culprit, f"{shot.seconds} s has no room for its transitions", "lengthen it")

    def _check_effects(self) -> None:
        """Effects must lie in the clip; what changes inside a freeze would never be seen."""
        frozen = [self.span(freeze.start_s, freeze.end_s) for freeze in self.freezes]
        effects = [*self.texts, *self.freezes, *self.speeds, *self.letterbox, *self.blur, *self.grain]
        spans = [(repr(effect), *self.span(effect.start_s, effect.end_s)) for effect in effects]
        spans += [(f"flash at {time} s", *[round(time * self.fps)] * 2) for time in self.flashes]
        for culprit, first, last in spans:
            if last < first or last >= self.frame_count:
                raise SceneError(culprit, "not one frame of it is in the clip", "move it")
        spans += [(f"shot {number}", *span) for number, span in enumerate(self.shot_frames)]
        for culprit, first, last in spans:
            if any(start < edge <= end for start, end in frozen for edge in (first, last + 1)):
                raise SceneError(culprit, "it starts or ends inside a freeze", "move it or the freeze")

    @property
    def shot_frames(self) -> tuple[tuple[int, int], ...]:
        """First and last frame of each shot; a shot's boundary is the middle of its dissolve."""
        spans, first = [], 0
        for shot in self.shots:
            count = max(1, round(shot.seconds * self.fps))
            spans.append((first, first + count - 1))
            first += count
        return tuple(spans)

    @property
    def frame_count(self) -> int:
        """Frames of the whole clip."""
        return self.shot_frames[-1][1] + 1

    def span(self, start_s: float, end_s: float) -> tuple[int, int]:
        """First and last frame of a span of time, cut to the clip; last < first if nothing is left of it."""
        last = self.frame_count if math.isinf(end_s) else min(round(end_s * self.fps), self.frame_count)
        return max(round(start_s * self.fps), 0), last - 1
