"""The picture half of the decode pass. It runs inside the sandbox only."""

from array import array
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid_assets.media.clock import MISSING, UNKNOWN_STEP_S, Sampler, settle
from vid_assets.media.colour import HLG, PQ, TRANSFERS, ToneMapper, has_alpha, matrix, over_black
from vid_assets.media.deinterlace import FIELD_ORDERS, Deinterlacer
from vid_assets.media.geometry import TURNS, Box, displayed, inner_box, orientation, shrunk
from vid_assets.media.npy import NpyWriter
from vid_assets.media.proxy import ProxyPictures, proxy_size
from vid_assets.media.settings import MediaSettings

THUMB_WIDTH, THUMB_HEIGHT = 48, 27
# The longest duration that a file with one picture may announce.
LONGEST_STILL_S = 3600.0


class Pictures:
    """Writes ``thumbs`` (every picture) and ``frames`` (the first picture of every ``1 / frames_per_s`` seconds).

    Pictures are deinterlaced, tone-mapped to the standard range, composed over black, turned upright by the display
    matrix, and given square pixels by the sample aspect ratio. Shrinking averages over areas. The first picture fixes
    the size; later ones with other proportions get black bars.

    Attributes:
        count: Number of pictures so far.
        corrupt: Number of pictures that the decoder marked as damaged.
        damaged: Number of packets that could not be decoded; the caller that decodes counts them here.
    """

    def __init__(self, folder: Path, stream: Any, settings: MediaSettings) -> None:
        self.count = self.corrupt = self.damaged = 0
        self._folder = folder
        self._stream = stream
        self._settings = settings
        self._base = Fraction(stream.time_base)
        rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
        self._rates = [Fraction(rate) for rate in rates if rate]
        step = float(1 / self._rates[0]) if self._rates else UNKNOWN_STEP_S
        self._sampler = Sampler(settings.frames_per_s, self._base, step)
        self._deinterlacer = Deinterlacer(self._base)
        self._stamps = array("q")
        self._rows = array("q")
        self._last_length: int | None = None
        self._mapper: ToneMapper | None = None
        self.proxy: ProxyPictures | None = None
        self._proxy_threads = 0

    def make_proxy(self, threads: int) -> None:
        """Also encode a small copy of the pictures; call it before the first one."""
        self._proxy_threads = threads

    @property
    def elapsed_s(self) -> float:
        """Length of the pictures so far, in seconds."""
        return self._sampler.elapsed_s

    def add(self, frame: Any) -> None:
        """Take the next decoded picture, in presentation order."""
        self._last_length = frame.duration
        for whole in self._deinterlacer.push(frame):
            self._take(whole)

    def _take(self, frame: Any) -> None:
        self._prepare(frame)
        stamp = frame.pts
        self._stamps.append(MISSING if stamp is None else stamp)
        self.corrupt += frame.is_corrupt
        chosen = self._sampler.take(stamp)
        if self._transparent:
            frame = over_black(frame)
        self._thumbs.append(self._scaled(self._thumb_scaler, frame, self._thumb_box, (THUMB_WIDTH, THUMB_HEIGHT)))
        if chosen:
            self._frames.append(self._scaled(self._frame_scaler, frame, self._frame_box, self._frame_size))
            self._rows.append(self.count)
        if self.proxy is not None:
            self.proxy.add(self._scaled(self._proxy_scaler, frame, self._proxy_box, self._proxy_size))
        self.count += 1

    def _prepare(self, frame: Any) -> None:
        """Adapt to the form of the next picture."""
        if not self.count:
            self._begin(frame)
        elif (form := (frame.width, frame.height, frame.format.name)) != self._form:
            self._resized += form[:2] != self._form[:2]
            self._fit(frame)

    def _begin(self, frame: Any) -> None:
        """Fix the geometry from the first picture; it is the same for the whole video."""
        from av.video.reformatter import Interpolation, VideoReformatter

        self._interpolation = int(Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT)
        self._first_native = frame.width, frame.height
        self._resized = 0
        self.orientation = orientation(frame)
        self.aspect = Fraction(self._stream.sample_aspect_ratio or 1)
        self.width, self.height = self._shown(frame)
        self._frame_size = width, height = shrunk(self.width, self.height, self._settings.long_side)
        self._proxy_size = proxy_size(self.width, self.height)
        self._fit(frame)
        self.pixel_format = frame.format.name
        self.transfer = frame.color_trc
        if self.transfer in (PQ, HLG):
            self._mapper = ToneMapper(self.transfer, frame.color_primaries)
        self._thumb_scaler, self._frame_scaler = VideoReformatter(), VideoReformatter()
        if self._proxy_threads:
            self._proxy_scaler = VideoReformatter()
            self.proxy = ProxyPictures(self._folder, self._proxy_size, self._proxy_threads)
        self._open_files(width, height)

    def _open_files(self, width: int, height: int) -> None:
        """Create the files for pictures of this size."""
        shape = THUMB_HEIGHT, THUMB_WIDTH, 3
        self._thumbs = NpyWriter(self._folder / "thumbs.npy", "|u1", shape, THUMB_WIDTH * THUMB_HEIGHT * 3)
        self._frames = NpyWriter(self._folder / "frames.npy", "|u1", (height, width, 3), width * height * 3)

    def _shown(self, frame: Any) -> tuple[int, int]:
        return displayed(frame.width, frame.height, self.aspect, transposed=self.orientation[0])

    def _fit(self, frame: Any) -> None:
        """Find where pictures of this size lie in the streams, and whether they are transparent."""
        self._form = frame.width, frame.height, frame.format.name
        self._transparent = has_alpha(frame)
        canvas = self.width, self.height
        self._thumb_box = inner_box(self._shown(frame), canvas, (THUMB_WIDTH, THUMB_HEIGHT))
        self._frame_box = inner_box(self._shown(frame), canvas, self._frame_size)
        self._proxy_box = inner_box(self._shown(frame), canvas, self._proxy_size)

    def _scaled(self, scaler: Any, frame: Any, box: Box, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Return one picture, upright, uint8 RGB [height, width, 3] of `size`, black outside `box`."""
        transpose, flip_x, flip_y = self.orientation
        stored = (box.height, box.width) if transpose else (box.width, box.height)
        picture = scaler.reformat(
            frame,
            width=stored[0],
            height=stored[1],
            format="rgb48le" if self._mapper else "rgb24",
            src_colorspace=matrix(frame),
            interpolation=self._interpolation,
            threads=1,
        ).to_ndarray()
        if self._mapper:
            picture = self._mapper.apply(picture)
        if transpose:
            picture = picture.transpose(1, 0, 2)
        picture = np.ascontiguousarray(picture[:: -1 if flip_y else 1, :: -1 if flip_x else 1])
        if (box.width, box.height) == size:
            return picture
        canvas = np.zeros((size[1], size[0], 3), np.uint8)
        canvas[box.y : box.y + box.height, box.x : box.x + box.width] = picture
        return canvas

    def flush(self) -> None:
        """Take the pictures that the deinterlacer still holds back."""
        for frame in self._deinterlacer.flush():
            self._take(frame)

    def settle(self, heard_until: Fraction | None) -> None:
        """Place the pictures on their timeline; call it once, after the last picture.

        Args:
            heard_until: End of the sound on the file's own timeline, in seconds.
        """
        limit_s = self._settings.limits.duration_s
        self.timeline = settle(self._stamps, self._base, self._rates, limit_s=limit_s, heard_until=heard_until)

    @property
    def span_s(self) -> float:
        """Seconds from the start of the first picture to the end of the last; call it after `settle`."""
        step, last = self.timeline.usual_step, float(self.timeline.times[-1])
        # The header gives the last picture's length. Bound it: no shorter than usual, no longer than the whole.
        longest = LONGEST_STILL_S if self.count == 1 else max(10 * step, last)
        length = float((self._last_length or 0) * self._base)
        return last + (length if step / 2 < length <= longest else step)

    @property
    def lost(self) -> NDArray[np.int64]:
        """Rows before which damaged pictures are missing; call it after `settle`."""
        if self.damaged or self.corrupt:
            return self.timeline.missing
        return np.empty(0, np.int64)

    @property
    def fps(self) -> float:
        """Average frame rate; the constant rate if only damage makes it irregular."""
        if self.timeline.step and len(self.lost):
            return float(1 / self.timeline.step)
        return self.count / self.span_s

    def finish(self, offset: float) -> dict[str, int]:
        """Complete the files.

        Args:
            offset: Seconds from the start of the video to the first picture.

        Returns:
            File names and sizes in bytes.
        """
        rows = np.frombuffer(self._rows, np.int64)
        times = self.timeline.times + offset
        vectors = {
            "thumbs.times_s": times,
            "thumbs.indices": np.arange(self.count, dtype=np.int64),
            "thumbs.lost": self.lost,
            "frames.times_s": times[rows],
            "frames.indices": rows,
            "frames.lost": np.unique(np.searchsorted(rows, self.lost[self.lost <= rows[-1]])),
        }
        sizes = {"thumbs.npy": self._thumbs.finish(), "frames.npy": self._frames.finish()}
        for name, values in vectors.items():
            writer = NpyWriter(self._folder / f"{name}.npy", values.dtype.str, (), 8)
            writer.append(np.ascontiguousarray(values))
            sizes[f"{name}.npy"] = writer.finish()
        return sizes

    def warnings(self) -> Iterator[str]:
        """Yield what was odd, one sentence each; call it after `settle`."""
        notes = {
            "changes of the picture size, all fitted into the first": self._resized,
            **self.timeline.odd,
            "damaged pictures": self.corrupt,
            "packets of pictures that could not be decoded": self.damaged,
            "stretches of lost pictures": len(self.lost),
        }
        yield from (f"{text}: {count}" for text, count in notes.items() if count)

    def facts(self) -> dict[str, Any]:
        """Return the stream's own description, JSON; call it after `settle`."""
        turn, mirrored = TURNS[self.orientation]
        context = self._stream.codec_context
        return {
            "video_codec": context.codec.name,
            "pixel_format": self.pixel_format,
            "native_width": self._first_native[0],
            "native_height": self._first_native[1],
            "sample_aspect": f"{self.aspect.numerator}:{self.aspect.denominator}",
            "rotation_deg": turn,
            "mirrored": mirrored,
            "field_order": FIELD_ORDERS.get(context.field_order),
            "deinterlaced": self._deinterlacer.used > 0,
            "transfer": TRANSFERS.get(self.transfer),
            "tone_mapped": self._mapper is not None,
            "variable_frame_rate": self._variable(),
        }

    def _variable(self) -> bool:
        """Whether the gaps between pictures differ by more than rounding and damage explain."""
        if self.timeline.step:
            return len(self.timeline.missing) > 0 and not len(self.lost)
        gaps = np.diff(self.timeline.times)
        return len(gaps) > 0 and bool(np.ptp(gaps) > max(0.1 * float(np.median(gaps)), 2.5 * float(self._base)))
