"""The proxy: a small copy that every browser plays, written while a file is decoded. Sandbox only.

Pictures are encoded as they come. Their times are known only after the last one; so the encoded pictures wait in a file
of their own, and get their times when the sound, which is on the video's timeline already, is written beside them.
"""

import heapq
from collections.abc import Iterator
from fractions import Fraction
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PROXY = "proxy.mp4"
SIDE = 640
_TICKS = 90_000
_SECOND = 16_000
# A player seeks to key frames; the encoder puts one at least every so many pictures.
_KEY_FRAMES = 48
_ENCODER = "libx264"
_PICTURE = {"preset": "veryfast", "crf": "28"}


def proxy_size(width: int, height: int) -> tuple[int, int]:
    """Return the size of the proxy's pictures: at most `SIDE` px, both sides even, as the codec needs them."""
    scale = min(1.0, SIDE / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


class ProxyPictures:
    """Encodes the pictures of a proxy. After a problem it encodes no more: the streams do not need it.

    Args:
        folder: Folder of the unfinished proxy.
        size: Width and height in px, both even.
        threads: Threads of the encoder.
    """

    def __init__(self, folder: Path, size: tuple[int, int], threads: int) -> None:
        self.path = folder / "proxy.part.mp4"
        self._size, self._threads = size, threads
        self._count = 0
        self._problem: Exception | None = None

    def add(self, picture: NDArray[np.uint8]) -> None:
        """Encode the next picture, uint8 RGB [height, width, 3]."""
        import av
        import av.error

        if self._problem:
            return
        try:
            if not self._count:
                self._open()
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = self._count, Fraction(1, 25)
            self._container.mux(self._stream.encode(frame))
        except (av.error.FFmpegError, ValueError) as error:
            self._problem = error
        self._count += 1

    def close(self) -> None:
        """Complete the file.

        Raises:
            av.error.FFmpegError: A picture could not be encoded.
            ValueError: This build of FFmpeg lacks the encoder.
        """
        if self._problem:
            raise self._problem
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def _open(self) -> None:
        import av

        self._container = av.open(str(self.path), "w")
        self._stream: Any = self._container.add_stream(_ENCODER, rate=25, options=_PICTURE)
        self._stream.width, self._stream.height = self._size
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.gop_size, context.thread_count = _KEY_FRAMES, self._threads
        # without them, packets leave the encoder in the order of the pictures
        context.max_b_frames = 0


def write_proxy(
    folder: Path, pictures: ProxyPictures | None, times_s: NDArray[np.float64], end_s: float
) -> tuple[dict[str, int], str]:
    """Write the proxy from the encoded pictures and from ``audio.npy``, on the video's timeline.

    Args:
        folder: Folder of the decoded streams.
        pictures: The encoded pictures; None without any.
        times_s: Time of each, in seconds.
        end_s: End of the last, in seconds.

    Returns:
        Its name and size in bytes, and an empty text; or nothing, and why it cannot be encoded.
    """
    import av.error

    target = folder / PROXY
    try:
        _write(target, pictures, times_s, end_s)
    except (av.error.FFmpegError, ValueError) as error:
        target.unlink(missing_ok=True)
        return {}, str(error)
    finally:
        if pictures is not None:
            pictures.path.unlink(missing_ok=True)
    return {PROXY: target.stat().st_size}, ""


def _write(target: Path, pictures: ProxyPictures | None, times_s: NDArray[np.float64], end_s: float) -> None:
    import av

    if pictures is not None:
        pictures.close()
    audio = target.with_name("audio.npy")
    samples = np.load(audio, mmap_mode="r") if audio.exists() else np.empty(0, np.float32)
    with av.open(str(target), "w", options={"movflags": "faststart"}) as container:
        source = av.open(str(pictures.path)) if pictures else None
        video = container.add_stream_from_template(source.streams.video[0]) if source else None
        sound: Any = container.add_stream("aac", rate=_SECOND, layout="mono") if len(samples) else None
        seen = _timed(source, video, times_s, end_s) if source else ()
        heard = _encoded(sound, samples) if sound else ()
        for _, packets in heapq.merge(seen, heard, key=itemgetter(0)):
            container.mux(packets)
        if source:
            source.close()


def _timed(source: Any, video: Any, times_s: NDArray[np.float64], end_s: float) -> Iterator[tuple[float, Any]]:
    """Yield the encoded pictures, each with its time."""
    ticks = np.rint(np.append(times_s, end_s) * _TICKS).astype(np.int64)
    packets = (packet for packet in source.demux(video=0) if packet.size)
    for packet, start, until in zip(packets, ticks[:-1].tolist(), ticks[1:].tolist(), strict=True):
        packet.stream, packet.time_base = video, Fraction(1, _TICKS)
        packet.pts = packet.dts = start
        packet.duration = max(until - start, 1)
        yield start / _TICKS, packet


def _encoded(stream: Any, samples: NDArray[np.float32]) -> Iterator[tuple[float, Any]]:
    """Yield the encoded sound by second."""
    import av

    for start in range(0, len(samples), _SECOND):
        part = np.ascontiguousarray(samples[start : start + _SECOND][None], np.float32)
        frame = av.AudioFrame.from_ndarray(part, "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = _SECOND, start, Fraction(1, _SECOND)
        yield start / _SECOND, stream.encode(frame)
    yield len(samples) / _SECOND, stream.encode(None)
