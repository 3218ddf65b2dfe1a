"""Media files with exact contents, for the tests of ``vid_assets.media``."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av  # noqa: TID253
import numpy as np
from numpy.typing import NDArray

Picture = Callable[[int], NDArray[np.uint8]]
SIZE = 64, 36


def grey(index: int) -> NDArray[np.uint8]:
    """A plain picture whose brightness tells its number."""
    return np.full((SIZE[1], SIZE[0], 3), 8 * index % 256, np.uint8)


def click(seconds: float, at: float, rate: int = 48_000) -> NDArray[np.float32]:
    """Silence, float32 [1, n], with one smooth 2 ms pulse that peaks at `at` seconds."""
    times = np.arange(round(seconds * rate)) / rate
    return np.exp(-0.5 * ((times - at) / 0.0005) ** 2)[None].astype(np.float32) * np.float32(0.9)


def write(
    path: Path,
    *,
    stamps: Sequence[int] = (),
    restamp: Sequence[int] | None = None,
    base: Fraction = Fraction(1, 25),
    picture: Picture = grey,
    codec: str = "ffv1",
    pixels: str = "bgr0",
    rate: int = 25,
    display: tuple[float, bool, bool] | None = None,
    aspect: Fraction | None = None,
    sounds: Sequence[tuple[float, NDArray[np.float32]]] = (),
    sound_codec: str = "pcm_s16le",
    sound_rate: int = 48_000,
    layout: str = "mono",
    cover: bytes | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    tags: dict[str, int] | None = None,
    form: str | None = None,
) -> Path:
    """Write one file.

    Args:
        path: Its name; the ending chooses the container.
        stamps: Presentation time stamp of every picture, in `base`, ascending.
        restamp: What to write instead, in any order, for codecs without pictures that refer to others.
        base: Their unit.
        picture: Draws a picture, by its position in `stamps`.
        codec: Picture codec.
        pixels: Its pixel format.
        rate: Announced pictures a second.
        display: Counter-clockwise turn in degrees and flips, as a display matrix.
        aspect: Sample aspect ratio.
        sounds: Stretches of sound [channels, n], each with the time of its first sample in seconds.
        sound_codec: Sound codec.
        sound_rate: Samples a second.
        layout: Channel layout.
        cover: A JPEG to attach.
        options: Options of the picture encoder.
        container_options: Options of the muxer.
        tags: ``colorspace`` and ``color_range`` of the pictures, as FFmpeg numbers them.
        form: Container, where the ending does not tell.
    """
    with av.open(str(path), "w", format=form, options=container_options or {}) as container:
        video = audio = None
        if stamps:
            first = picture(0)
            video = container.add_stream(codec, rate=rate, options=options or {})
            video.height, video.width = first.shape[:2]
            video.pix_fmt = pixels
            video.codec_context.time_base = base
            if aspect is not None:
                video.codec_context.sample_aspect_ratio = aspect
            if display is not None:
                video.set_display_rotation(display[0], hflip=display[1], vflip=display[2])
            for name, value in (tags or {}).items():
                setattr(video.codec_context, name, value)
        if sounds:
            audio = container.add_stream(sound_codec, rate=sound_rate, layout=layout)
        if cover is not None:
            container.add_attachment("cover.jpg", "image/jpeg", cover)
        packets = []
        if video is not None:
            packets += _pictures(video, stamps, restamp, base, picture, tags or {})
        if audio is not None:
            packets += _sounds(audio, sounds, sound_rate, layout)
        container.start_encoding()
        for packet in sorted(packets, key=lambda p: float((p.dts or 0) * p.time_base)):
            container.mux(packet)
    return path


def _pictures(stream, stamps, restamp, base, picture, tags):
    packets = []
    for index, stamp in enumerate(stamps):
        frame = av.VideoFrame.from_ndarray(picture(index), format="rgb24")
        if tags:
            frame = frame.reformat(
                format=stream.pix_fmt, dst_colorspace=tags.get("colorspace"), dst_color_range=tags.get("color_range")
            )
        frame.pts, frame.time_base = stamp, base
        packets += stream.encode(frame)
    packets += stream.encode(None)
    for index, packet in enumerate(packets if restamp else []):
        # Decoding time stamps must ascend and must not exceed the presentation time stamps still to come.
        packet.pts, packet.dts = restamp[index], min(restamp[index:])
    return packets


def _sounds(stream, sounds, rate, layout):
    packets = []
    for start, samples in sounds:
        for offset in range(0, samples.shape[1], 960):
            piece = np.ascontiguousarray(samples[:, offset : offset + 960])
            frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = round(start * rate) + offset
            packets += stream.encode(frame)
    return packets + stream.encode(None)
