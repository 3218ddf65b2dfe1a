"""The picture half of the decode pass. It runs inside the sandbox only."""

import itertools
import statistics
import struct
from array import array
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid_assets.media.npy import NpyWriter

THUMB_WIDTH, THUMB_HEIGHT = 48, 27
FRAMES_PER_S = 2
LONG_SIDE = 640
# A picture whose time stamp does not advance is placed this long after its predecessor: times stay ascending, and the
# next good time stamp is believed again.
NUDGE_S = 0.001
# A longer step back means that the file's clock started anew (joined recordings), not that stretches overlap.
RESTART_S = 0.25
# FFmpeg's own guess for elementary streams that carry no rate.
UNKNOWN_STEP_S = 0.04
# (transpose, flip left-right, flip top-bottom) -> (clockwise turn in degrees, mirrored left-right before the turn)
TURNS = {
    (False, False, False): (0, False),
    (True, True, False): (90, False),
    (False, True, True): (180, False),
    (True, False, True): (270, False),
    (False, True, False): (0, True),
    (True, True, True): (90, True),
    (False, False, True): (180, True),
    (True, False, False): (270, True),
}


class Clock:
    """Turns presentation time stamps into ascending seconds from the first picture.

    A stamp that is missing, does not advance, or leaps further than a whole video may last, is not believed. Where
    stretches overlap a little, the picture is placed just after its predecessor until the stamps advance again; else by
    its distance from its predecessor's stamp, so that a clock that starts anew in the middle of a file goes on.

    Attributes:
        origin: Time 0 on the file's own time line, in seconds; None until a picture carried a time stamp.
        times: Seconds of every picture so far.
        repaired: How many of them were not believed.
    """

    def __init__(self, step: float | None, limit: float) -> None:
        self.origin: Fraction | None = None
        self.times = array("d")
        self.repaired = 0
        self._step = step
        self._limit = limit
        self._previous: Fraction | None = None

    def place(self, stamp: Fraction | None, length: float | None) -> float:
        """Seconds of the next picture.

        Args:
            stamp: Its presentation time on the file's time line, in seconds.
            length: How long it is shown, in seconds, where the file says so.
        """
        step = length or self._step or UNKNOWN_STEP_S
        last = self.times[-1] if self.times else None
        if stamp is None:
            time = 0.0 if last is None else last + step
            self.repaired += 1
            self._previous = None if self._previous is None else self._previous + Fraction(step)
        else:
            if self.origin is None:
                self.origin = stamp - Fraction(0 if last is None else last + step)
            time = float(stamp - self.origin)
            if last is not None and not last < time <= last + self._limit:
                moved = float(stamp - self._previous) if self._previous is not None else 0.0
                overlaps = last - RESTART_S <= time <= last
                time = last + (NUDGE_S if overlaps else moved if 0 < moved <= self._limit else step)
                self.repaired += 1
            self._previous = stamp
        self.times.append(time)
        return time


class Pictures:
    """Writes ``thumbs`` (every picture) and ``frames`` (the first picture of every half second).

    Pictures are turned upright by the display matrix, made square-pixelled by the sample aspect ratio, and averaged
    over areas when they shrink.

    Attributes:
        clock: Their times.
        warnings: What was odd about them.
    """

    def __init__(self, folder: Path, stream: Any, limit_s: float) -> None:
        rate = stream.average_rate or stream.guessed_rate
        self.clock = Clock(float(1 / rate) if rate else None, limit_s)
        self.warnings: list[str] = []
        self.end_s = 0.0
        self.width = self.height = 0
        self._folder = folder
        self._stream = stream
        self._slot = -1
        self._indices = array("q")
        self._sampled = array("d")

    def add(self, frame: Any) -> None:
        """Take the next decoded picture, in presentation order."""
        if not self.clock.times:
            self._begin(frame)
        elif (frame.width, frame.height) != self._native:
            self._native = frame.width, frame.height
            self._resized += 1
        base = frame.time_base
        length = float(frame.duration * base) if frame.duration and frame.duration > 0 else None
        time = self.clock.place(None if frame.pts is None else frame.pts * base, length)
        self.end_s = time + (length or self._usual_step())
        self._corrupt += frame.is_corrupt
        self._thumbs.append(self._scaled(self._thumb_scaler, frame, THUMB_WIDTH, THUMB_HEIGHT))
        # The margin keeps a picture at exactly k / 2 s in its own slot whatever the rounding of its time stamp.
        slot = int(time * FRAMES_PER_S + 1e-6)
        if slot > self._slot:
            self._slot = slot
            self._frames.append(self._scaled(self._frame_scaler, frame, *self._frame_size))
            self._indices.append(len(self.clock.times) - 1)
            self._sampled.append(time)

    def _begin(self, frame: Any) -> None:
        """Fix the geometry, which must be one for the whole video, from its first picture."""
        from av.video.reformatter import VideoReformatter

        self._native = self._first_native = frame.width, frame.height
        self._resized = self._corrupt = 0
        self.orientation = orientation(frame)
        self.aspect = self._stream.sample_aspect_ratio or Fraction(1)
        upright = max(1, round(frame.width * self.aspect)), frame.height
        self.width, self.height = upright[::-1] if self.orientation[0] else upright
        scale = min(1.0, LONG_SIDE / max(upright))
        width, height = (max(1, round(side * scale)) for side in (self.width, self.height))
        self._frame_size = width, height
        self.pixel_format = frame.format.name
        self.colours = _matrix(frame)
        self._thumb_scaler, self._frame_scaler = VideoReformatter(), VideoReformatter()
        shape = THUMB_HEIGHT, THUMB_WIDTH, 3
        self._thumbs = NpyWriter(self._folder / "thumbs.npy", "|u1", shape, THUMB_WIDTH * THUMB_HEIGHT * 3)
        self._frames = NpyWriter(self._folder / "frames.npy", "|u1", (height, width, 3), width * height * 3)

    def _scaled(self, scaler: Any, frame: Any, width: int, height: int) -> NDArray[np.uint8]:
        """One picture, upright, uint8 RGB [height, width, 3]."""
        from av.video.reformatter import Interpolation

        transpose, flip_x, flip_y = self.orientation
        size = (height, width) if transpose else (width, height)
        picture = scaler.reformat(
            frame,
            width=size[0],
            height=size[1],
            format="rgb24",
            src_colorspace=_matrix(frame),
            interpolation=Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT,
            threads=1,
        ).to_ndarray()
        if transpose:
            picture = picture.transpose(1, 0, 2)
        return np.ascontiguousarray(picture[:: -1 if flip_y else 1, :: -1 if flip_x else 1])

    def _usual_step(self) -> float:
        times = self.clock.times
        return times[-1] - times[-2] if len(times) > 1 else float(1 / (self._stream.average_rate or 25))

    def finish(self) -> dict[str, int]:
        """Complete the files.

        Returns:
            Their names and sizes in bytes; empty if there was no picture.
        """
        if not self.clock.times:
            return {}
        if self._resized:
            self.warnings.append(f"changes of the picture size, all scaled to the first: {self._resized}")
        if self.clock.repaired:
            self.warnings.append(f"pictures without a usable time stamp, timed by estimate: {self.clock.repaired}")
        if self._corrupt:
            self.warnings.append(f"damaged pictures: {self._corrupt}")
        every = array("q", range(len(self.clock.times)))
        vectors = {
            "thumbs.times_s": self.clock.times,
            "thumbs.indices": every,
            "frames.times_s": self._sampled,
            "frames.indices": self._indices,
        }
        sizes = {"thumbs.npy": self._thumbs.finish(), "frames.npy": self._frames.finish()}
        for name, values in vectors.items():
            writer = NpyWriter(self._folder / f"{name}.npy", "<f8" if values.typecode == "d" else "<i8", (), 8)
            writer.append(values)
            sizes[f"{name}.npy"] = writer.finish()
        return sizes

    def facts(self) -> dict[str, Any]:
        """What the stream says about itself, JSON."""
        turn, mirrored = TURNS[self.orientation]
        return {
            "video_codec": self._stream.codec_context.codec.name,
            "pixel_format": self.pixel_format,
            "native_width": self._first_native[0],
            "native_height": self._first_native[1],
            "sample_aspect": f"{self.aspect.numerator}:{self.aspect.denominator}",
            "rotation_deg": turn,
            "mirrored": mirrored,
            "variable_frame_rate": self._variable(),
        }

    def _variable(self) -> bool:
        """Whether the gaps between pictures differ by more than the rounding of time stamps explains."""
        times = self.clock.times
        gaps = [b - a for a, b in itertools.pairwise(times)]
        if not gaps:
            return False
        return max(gaps) - min(gaps) > max(0.1 * statistics.median(gaps), 2.5 * float(self._stream.time_base))


def orientation(frame: Any) -> tuple[bool, bool, bool]:
    """How to make a picture upright: transpose it, then flip it left-right, then top-bottom.

    The display matrix maps a stored pixel (x, y) to (a x + c y, b x + d y) on the screen (libavutil/display.h). Turns
    that are no multiple of 90 degrees are taken to the nearest one.
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return False, False, False
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(data))
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return False, a < 0, d < 0
    return True, c < 0, b < 0


def _matrix(frame: Any) -> int:
    """The colour matrix of a picture, as swscale numbers it; where the file is silent, players' rule of thumb."""
    from av.video.reformatter import Colorspace

    unspecified = 2
    if frame.colorspace != unspecified:
        return frame.colorspace
    return Colorspace.ITU709 if frame.width >= 1280 or frame.height > 576 else Colorspace.ITU601
