"""The sound half of the decode pass. It runs inside the sandbox only."""

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from vid_assets.media.npy import HEADER_BYTES, NpyWriter
from vid_assets.media.pictures import RESTART_S

RATE = 16_000
# Containers round time stamps (Matroska: 1 ms): below this, the count of samples is the better clock.
JITTER_S = Fraction(50, 1000)


class Sound:
    """Writes ``audio``: mono, 16 kHz, float32, laid on the time line by time stamps.

    Mixing follows libswresample's matrix, normalised so that full scale stays full scale. Its polyphase filter puts
    the first output sample on the first input sample, so that no delay has to be taken out.

    Attributes:
        start: Time of the first sample on the file's time line, in seconds; None until one came with a time stamp.
        warnings: What was odd.
    """

    def __init__(self, folder: Path, stream: Any, limit_s: float) -> None:
        self.start: Fraction | None = None
        self.warnings: list[str] = []
        self._folder = folder
        self._stream = stream
        self._limit_s = limit_s
        self._writer = NpyWriter(folder / "audio.part", "<f4", (), 4)
        self._resampler: Any = None
        self._form: tuple[str, str, int] | None = None
        self._zero = Fraction(0)
        self._segment_start = Fraction(0)
        self._segment_samples = 0
        self._drop = 0
        self._gaps = self._overlaps = self._restarts = self._broken = 0

    @property
    def seconds(self) -> float:
        """Length so far."""
        return self._writer.rows / RATE

    def add(self, frame: Any) -> None:
        """Take the next decoded stretch of sound.

        Raises:
            OverflowError: A gap in the time stamps would make the sound longer than the limit.
        """
        form = frame.format.name, frame.layout.name, frame.sample_rate
        expected = self._segment_start + Fraction(self._segment_samples, self._form[2] if self._form else RATE)
        stamp = expected if frame.pts is None else frame.pts * frame.time_base
        if self.start is None:
            self.start = self._zero = stamp
        if form != self._form or abs(stamp - expected) > JITTER_S:
            self._begin(stamp, form)
        self._segment_samples += frame.samples
        # The filter graph would otherwise warn about the very gaps that are filled here.
        frame.pts = None
        for piece in self._resampler.resample(frame):
            self._write(piece)

    def _begin(self, stamp: Fraction, form: tuple[str, str, int]) -> None:
        """Start a new stretch at `stamp`: silence before it if it is late, cut if it overlaps what is written."""
        import av

        self._drain()
        rows = round((stamp - self._zero) * RATE)
        if rows > self._limit_s * RATE:
            raise OverflowError
        late = rows - self._writer.rows
        if late < -RESTART_S * RATE:
            self._restarts += 1
            self._zero = stamp - Fraction(self._writer.rows, RATE)
            late = 0
        self._gaps += late > JITTER_S * RATE
        self._overlaps += -late > JITTER_S * RATE
        self._writer.skip(max(0, late))
        self._drop = max(0, -late)
        self._segment_start, self._segment_samples, self._form = stamp, 0, form
        options = {"rematrix_maxval": "1.0"}
        # A second at a time: codecs' own frames are so short that handling each would cost more than the resampling.
        self._resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE, frame_size=RATE, options=options)

    def _drain(self) -> None:
        if self._resampler is not None:
            for piece in self._resampler.resample(None):
                if piece is not None:
                    self._write(piece)

    def _write(self, piece: Any) -> None:
        samples = piece.to_ndarray().reshape(-1)
        dropped = min(self._drop, len(samples))
        self._drop -= dropped
        samples = samples[dropped:]
        broken = np.count_nonzero(~np.isfinite(samples))
        if broken:
            self._broken += int(broken)
            samples = np.nan_to_num(samples, nan=0.0)
        # Lossy decoders and the resampler overshoot full scale.
        self._writer.append(np.clip(samples, -1.0, 1.0))

    def finish(self, origin: Fraction) -> dict[str, int]:
        """Shift the sound so that sample 0 lies at `origin`, and complete the file.

        Args:
            origin: Time 0 on the file's time line, in seconds.

        Returns:
            The file's name and size in bytes; empty if no sample is left.

        Raises:
            OverflowError: The silence before the sound would be longer than the limit.
        """
        self._drain()
        self._writer.finish()
        part, whole = self._folder / "audio.part", self._folder / "audio.npy"
        late = 0 if self.start is None else round((self.start - origin) * RATE)
        rows = self._writer.rows + late
        if rows > (self._limit_s + 1) * RATE:
            raise OverflowError
        self._note(late, rows)
        if rows <= 0:
            part.unlink()
            return {}
        if late == 0:
            part.rename(whole)
            return {whole.name: whole.stat().st_size}
        writer = NpyWriter(whole, "<f4", (), 4)
        writer.skip(max(0, late))
        with part.open("rb") as file:
            file.seek(HEADER_BYTES + max(0, -late) * 4, os.SEEK_SET)
            while chunk := file.read(1 << 20):
                writer.append(chunk)
        part.unlink()
        return {whole.name: writer.finish()}

    def _note(self, late: int, rows: int) -> None:
        notes = {
            f"gaps in the sound, filled with silence: {self._gaps}": self._gaps,
            f"overlaps in the sound, cut: {self._overlaps}": self._overlaps,
            f"restarts of the sound's clock, joined: {self._restarts}": self._restarts,
            f"samples of sound that are no finite numbers: {self._broken}": self._broken,
            f"the first {-late / RATE:.3f} s of sound lie before the first picture and were cut": late < -RATE,
            "all the sound lies before the first picture and was cut": self._writer.rows and rows <= 0,
        }
        self.warnings += [text for text, count in notes.items() if count]

    def facts(self) -> dict[str, Any]:
        """What the stream says about itself, JSON."""
        context = self._stream.codec_context
        return {
            "audio_codec": context.codec.name,
            "audio_channels": context.layout.nb_channels,
            "audio_layout": context.layout.name,
            "audio_rate_hz": context.sample_rate,
        }
