"""The sound half of the decode pass. It runs inside the sandbox only."""

import contextlib
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid_assets.media.channels import HEARD_WINDOWS, ChannelStatistics, Verdict
from vid_assets.media.clock import LEAP_S, RESTART_S
from vid_assets.media.npy import HEADER_BYTES, NpyWriter

RATE = 16_000
# Containers round timestamps (Matroska: 1 ms): below this, the sample count is the better clock.
JITTER_S = Fraction(50, 1000)
# After a leap, the sound must continue this long before the leap is accepted.
CONFIRM_S = 1
CHUNK = 1 << 18
UNNAMED = ("NONE", "UNSD", "UNK")
Form = tuple[str, str, int]


class Sound:
    """Writes one sound track: mono, 16 kHz, float32, placed on the timeline by timestamps.

    Mixing follows libswresample's matrix, normalised so that full scale stays full scale. Its polyphase filter puts
    the first output sample on the first input sample, so there is no delay to remove. Two channels may replace the mix:
    left and right of stereo, centre and left of surround sound. `channels` decides at the end. Until then, the first
    is kept as its difference to the mix, and the second as its difference to the mix minus that of the first. Mono has
    neither and stereo has no second difference; what is zero is a hole in its file.

    Attributes:
        start: Time of the first sample on the file's timeline, in seconds; None until one has a timestamp.
        damaged: Number of packets that could not be decoded; the caller that decodes counts them here.
        verdict: The channel that is used; set by `flush`.
    """

    def __init__(self, folder: Path, stream: Any, limit_s: float) -> None:
        self.start: Fraction | None = None
        self.damaged = 0
        self.verdict = Verdict("mix")
        self.names: tuple[str, ...] = ()
        self._layout: tuple[str, ...] = ()
        self._folder = folder
        self._stream = stream
        self._limit_s = limit_s
        self._part = folder / f"audio.{id(self):x}.part"
        self._mix = NpyWriter(self._part, "<f4", (), 4)
        self._side = NpyWriter(self._part.with_suffix(".side"), "<f4", (), 4)
        self._other = NpyWriter(self._part.with_suffix(".other"), "<f4", (), 4)
        self._statistics = ChannelStatistics(round(RATE / 20))
        self._resampler: Any = None
        self._form: Form | None = None
        self._weights = np.ones(1, np.float32)
        self._zero = self._segment_start = Fraction(0)
        self._segment_samples = 0
        self._drop = 0
        self._first_tick = self._ticks_per_sample = self._jitter_ticks = 0.0
        self._held: list[Any] = []
        self._gaps = self._overlaps = self._restarts = self._broken = self._strays = 0

    @property
    def _writers(self) -> tuple[NpyWriter, NpyWriter, NpyWriter]:
        return self._mix, self._side, self._other

    @property
    def seconds(self) -> float:
        """Length so far, in seconds."""
        return self._mix.rows / RATE

    @property
    def heard(self) -> bool:
        """Whether there is more than silence so far."""
        return self._statistics.heard >= HEARD_WINDOWS

    @property
    def until(self) -> Fraction | None:
        """End on the file's own timeline, in seconds."""
        return None if self.start is None else self.start + Fraction(self._mix.rows, RATE)

    def add(self, frame: Any) -> None:
        """Take the next decoded piece of sound."""
        if self._continues(frame):
            self._resample(frame)
            return
        stamp = self._expected() if frame.pts is None else frame.pts * frame.time_base
        if self.start is None:
            self.start = self._zero = self._segment_start = stamp
        if self._held and not self._confirms(stamp):
            self._release(self._expected())
            self._strays += 1
        if self._held or abs(stamp - self._expected()) > LEAP_S:
            self._held.append((stamp, frame))
            if sum(f.samples / f.sample_rate for _, f in self._held) >= CONFIRM_S:
                self._release(self._held[0][0])
            return
        self._place(stamp, frame)

    def _continues(self, frame: Any) -> bool:
        """Whether a piece continues the one before it in every way, as nearly all do; a cheap check."""
        if self._held or frame.pts is None or self._form is None:
            return False
        ahead = frame.pts - self._first_tick - self._segment_samples * self._ticks_per_sample
        form = frame.format.name, frame.layout.name, frame.sample_rate
        return abs(ahead) <= self._jitter_ticks and form == self._form

    def _expected(self) -> Fraction:
        """Return the time at which the next sample should lie."""
        return self._segment_start + Fraction(self._segment_samples, self._form[2] if self._form else RATE)

    def _confirms(self, stamp: Fraction) -> bool:
        """Whether a piece continues the held pieces, rather than what came before them."""
        last, frame = self._held[-1]
        return abs(stamp - last - Fraction(frame.samples, frame.sample_rate)) < abs(stamp - self._expected())

    def _release(self, stamp: Fraction) -> None:
        """Place the held pieces, from `stamp` on."""
        held, self._held = self._held, []
        for _, frame in held:
            self._place(stamp, frame)
            stamp += Fraction(frame.samples, frame.sample_rate)

    def _place(self, stamp: Fraction, frame: Any) -> None:
        form = frame.format.name, frame.layout.name, frame.sample_rate
        if form != self._form or abs(stamp - self._expected()) > JITTER_S:
            self._begin(stamp, form, frame)
        self._resample(frame)

    def _resample(self, frame: Any) -> None:
        self._segment_samples += frame.samples
        # Otherwise the filter graph warns about the very gaps that are filled here.
        frame.pts = None
        for piece in self._resampler.resample(frame):
            self._write(piece)

    def _begin(self, stamp: Fraction, form: Form, frame: Any) -> None:
        """Start a new segment at `stamp`: pad with silence if it is late, cut it if it overlaps what is written."""
        import av

        self._drain()
        late = round((stamp - self._zero) * RATE) - self._mix.rows
        if late < -RESTART_S * RATE or late > self._limit_s * RATE:
            self._restarts += 1
            self._zero = stamp - Fraction(self._mix.rows, RATE)
            late = 0
        self._gaps += late > JITTER_S * RATE
        self._overlaps += -late > JITTER_S * RATE
        for writer in self._writers:
            writer.skip(max(0, late))
        self._drop = max(0, -late)
        if self._form is None or form[1] != self._form[1]:
            self._weights = mix_weights(frame.layout)
            self._layout = _channel_names(frame.layout)
            self.names = self.names or self._layout
        self._segment_start, self._segment_samples, self._form = stamp, 0, form
        # A decoder gives all its frames the same time base.
        base = frame.time_base or Fraction(1, form[2])
        self._first_tick, self._jitter_ticks = float(stamp / base), float(JITTER_S / base)
        self._ticks_per_sample = float(1 / (form[2] * base))
        # One second at a time: codec frames are so short that handling each costs more than the resampling.
        self._resampler = av.AudioResampler(format="flt", layout=frame.layout, rate=RATE, frame_size=RATE)

    def _drain(self) -> None:
        if self._resampler is not None:
            for piece in self._resampler.resample(None):
                if piece is not None:
                    self._write(piece)

    def _write(self, piece: Any) -> None:
        samples = piece.to_ndarray().reshape(piece.samples, -1).T[:, self._drop :]
        self._drop = max(0, self._drop - piece.samples)
        if not samples.shape[1]:
            return
        broken = np.count_nonzero(~np.isfinite(samples))
        if broken:
            self._broken += int(broken)
            samples = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
        # Lossy decoders and the resampler can exceed full scale.
        samples = np.clip(samples, -1.0, 1.0)
        mix = self._weights @ samples if len(samples) > 1 else samples[0]
        pair = _pair(self._layout)
        side = samples[pair[0]] - mix
        self._mix.append(np.ascontiguousarray(mix))
        _append(self._side, side)
        # Of stereo, the rest is nothing but rounding.
        _append(self._other, samples[pair[1]] - mix + side if len(samples) > 2 else np.zeros_like(side))
        self._statistics.add(mix, samples, self._weights, pair)

    def drop(self) -> None:
        """Complete and remove the files, before `flush`: another track is used."""
        for writer in self._writers:
            writer.finish()
        self.remove()

    def remove(self) -> None:
        """Remove the files, after `flush`: another track is used."""
        for writer in self._writers:
            writer.path.unlink(missing_ok=True)

    @property
    def is_odd(self) -> bool:
        """Whether its timestamps were rejected."""
        return bool(self._restarts or self._strays)

    def flush(self) -> None:
        """Take what is still held back; call it once, after the last piece."""
        if self._held:
            self._strays += 1
            self._release(self._expected())
        self._drain()
        for writer in self._writers:
            writer.finish()
        self.verdict = self._statistics.verdict()

    def finish(self, late: int) -> dict[str, int]:
        """Shift the sound and complete the file; call it after `flush`.

        Args:
            late: Samples of silence before the sound.

        Returns:
            File name and size in bytes; empty without samples.
        """
        whole = self._folder / "audio.npy"
        if not self._mix.rows:
            self.remove()
            return {}
        if late == 0 and self.verdict.channel == "mix":
            self._part.rename(whole)
        else:
            writer = NpyWriter(whole, "<f4", (), 4)
            writer.skip(late)
            for chunk in self._chosen():
                writer.append(chunk)
            writer.finish()
        self.remove()
        return {whole.name: whole.stat().st_size}

    def _chosen(self) -> Iterator[NDArray[np.float32]]:
        """Yield the samples of the channel that is used, in order."""
        sign = {"mix": 0, "first": 1, "second": -1}[self.verdict.channel]
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(writer.path.open("rb")) for writer in self._writers]
            for file in files:
                file.seek(HEADER_BYTES, os.SEEK_SET)
            while data := files[0].read(4 * CHUNK):
                mix = np.frombuffer(data, np.float32)
                side, other = (np.frombuffer(file.read(4 * CHUNK), np.float32) for file in files[1:])
                channel = mix + sign * side + (other if sign < 0 else 0)
                yield np.clip(channel, -1.0, 1.0).astype(np.float32) if sign else mix

    @property
    def channel(self) -> str:
        """Name of the channel that is used; call it after `flush`."""
        if self.verdict.channel == "mix" or len(self.names) < 2:
            return "mix"
        return self.names[_pair(self.names)[self.verdict.channel == "second"]]

    def warnings(self) -> Iterator[str]:
        """Yield what was odd, one sentence each; call it after `flush`."""
        notes = {
            "gaps in the sound, filled with silence": self._gaps,
            "overlaps in the sound, cut": self._overlaps,
            "restarts of the sound's clock, joined": self._restarts,
            "stray time stamps of sound, not believed": self._strays,
            "samples of sound that are no finite numbers": self._broken,
            "packets of sound that could not be decoded": self.damaged,
        }
        yield from (f"{text}: {count}" for text, count in notes.items() if count)
        if self.verdict.reason:
            yield f"{self.verdict.reason}; only {self.channel} was taken"

    def facts(self) -> dict[str, Any]:
        """Return the stream's own description, JSON; call it after `flush`."""
        context = self._stream.codec_context
        return {
            "audio_codec": context.codec.name,
            "audio_channels": context.layout.nb_channels,
            "audio_layout": context.layout.name,
            "audio_channel": self.channel,
            "audio_rate_hz": context.sample_rate,
        }


def mix_weights(layout: Any) -> NDArray[np.float32]:
    """Return the weights with which libswresample mixes a layout to mono, float32 [channels].

    Channels without a name, and layouts that libswresample cannot mix, get equal weights.
    """
    import av
    import av.error

    count = layout.nb_channels
    even = np.full(count, 1 / count, np.float32)
    if count == 1 or any(channel.name in UNNAMED for channel in layout.channels):
        return even
    # Sample i has only channel i, so the mix of these samples is the list of weights.
    frame = av.AudioFrame.from_ndarray(np.eye(count, dtype=np.float32).reshape(1, -1), "flt", layout.name)
    frame.sample_rate = RATE
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE, options={"rematrix_maxval": "1.0"})
    try:
        pieces = [*resampler.resample(frame), *resampler.resample(None)]
    except av.error.FFmpegError:
        return even
    weights = np.concatenate([piece.to_ndarray().reshape(-1) for piece in pieces if piece is not None])
    return weights[:count].astype(np.float32)


def _channel_names(layout: Any) -> tuple[str, ...]:
    """Return FFmpeg's channel names, such as FL; for channels without one, their numbers from 1."""
    names = (channel.name for channel in layout.channels)
    return tuple(str(place + 1) if name in UNNAMED else name for place, name in enumerate(names))


def _pair(names: tuple[str, ...]) -> tuple[int, int]:
    """Return the two channels that may replace the mix: the one that carries speech, and the one that is its stead."""
    if "FC" in names and "FL" in names:
        return names.index("FC"), names.index("FL")
    return 0, min(1, len(names) - 1)


def _append(writer: NpyWriter, samples: NDArray[np.float32]) -> None:
    """Write samples, or leave a hole where there are only zeros."""
    if samples.any():
        writer.append(samples)
    else:
        writer.skip(len(samples))
