"""Media files with exact contents, for the tests of ``vid_assets.media``."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av  # noqa: TID253
import numpy as np
from av.stream import Disposition  # noqa: TID253
from av.subtitles.subtitle import SubtitleSet  # noqa: TID253
from numpy.typing import NDArray

from vid_assets.media import Media, MediaSettings, identify, open_media

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
        rate: Announced pictures per second.
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
            # Packed, since PyAV fills no more than seven planes.
            frame = av.AudioFrame.from_ndarray(piece.T.reshape(1, -1), format="flt", layout=layout)
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = round(start * rate) + offset
            packets += stream.encode(frame)
    return packets + stream.encode(None)


@dataclass(frozen=True, kw_only=True)
class VideoTrack:
    """Pictures of one track, evenly spaced.

    Attributes:
        pictures: uint8 RGB [height, width, 3] each, or frames that are ready.
        rate: Pictures a second.
        start: Time of the first, in seconds.
        codec: Picture codec.
        pixels: Its pixel format.
        options: Options of the encoder.
        context: Attributes of the codec context.
        flags: Names of dispositions.
        metadata: Such as language or title.
    """

    pictures: Sequence[Any]
    rate: int = 25
    start: float = 0.0
    codec: str = "libx264"
    pixels: str = "yuv420p"
    options: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    flags: Sequence[str] = ("default",)
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SoundTrack:
    """Sound of one track.

    Attributes:
        samples: float32 [channels, n].
        rate: Samples a second.
        layout: Channel layout.
        start: Time of the first sample, in seconds.
        codec: Sound codec.
        flags: Names of dispositions.
        metadata: Such as language or title.
    """

    samples: NDArray[np.float32]
    rate: int = 48_000
    layout: str = "mono"
    start: float = 0.0
    codec: str = "aac"
    flags: Sequence[str] = ("default",)
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TextTrack:
    """Subtitles of one track.

    Attributes:
        lines: Start and end in seconds, and the text.
        codec: ``mov_text``, ``subrip``, ``ass`` or ``webvtt``.
        metadata: Such as language.
    """

    lines: Sequence[tuple[float, float, str]]
    codec: str = "mov_text"
    metadata: Mapping[str, str] = field(default_factory=dict)


def mux(
    path: Path,
    *tracks: VideoTrack | SoundTrack | TextTrack,
    chapters: Sequence[tuple[float, float, str]] = (),
    metadata: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
) -> Path:
    """Write a file of several tracks, in this order.

    Args:
        path: Its name; the ending chooses the container.
        tracks: Its tracks.
        chapters: Start and end in seconds, and title.
        metadata: Of the container.
        options: Options of the muxer.
    """
    with av.open(str(path), "w", options=dict(options or {})) as container:
        container.metadata.update(metadata or {})
        packets = []
        makers = [_add_track(container, track) for track in tracks]
        if chapters:
            container.set_chapters([_chapter(i, *chapter) for i, chapter in enumerate(chapters)])
        for maker in makers:
            packets += maker()
        for packet in sorted(packets, key=lambda p: float((p.dts or 0) * p.time_base)):
            container.mux(packet)
    # SVT-AV1's encoder gives the thread that calls it real-time priority, where it may: it would starve all others.
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return path


def _chapter(index: int, start: float, end: float, title: str) -> Any:
    return {
        "id": index,
        "start": round(start * 1000),
        "end": round(end * 1000),
        "time_base": Fraction(1, 1000),
        "metadata": {"title": title},
    }


def _add_track(container: Any, track: VideoTrack | SoundTrack | TextTrack) -> Callable[[], list[Any]]:
    if isinstance(track, VideoTrack):
        return _add_video(container, track)
    if isinstance(track, SoundTrack):
        return _add_sound(container, track)
    return _add_text(container, track)


def _dress(stream: Any, flags: Sequence[str], metadata: Mapping[str, str]) -> None:
    for name, value in metadata.items():
        stream.metadata[name] = value
    stream.disposition = Disposition(sum(Disposition[name] for name in flags))


def _add_video(container: Any, track: VideoTrack) -> Callable[[], list[Any]]:
    stream = container.add_stream(track.codec, rate=track.rate, options=dict(track.options))
    first = track.pictures[0]
    height, width = (first.height, first.width) if isinstance(first, av.VideoFrame) else first.shape[:2]
    stream.height, stream.width, stream.pix_fmt = height, width, track.pixels
    stream.codec_context.time_base = Fraction(1, track.rate)
    for name, value in track.context.items():
        setattr(stream.codec_context, name, value)
    _dress(stream, track.flags, track.metadata)

    def packets() -> list[Any]:
        made = []
        for index, picture in enumerate(track.pictures):
            frame = picture
            if not isinstance(picture, av.VideoFrame):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = index + round(track.start * track.rate), Fraction(1, track.rate)
            made += stream.encode(frame)
        return made + stream.encode(None)

    return packets


def _add_sound(container: Any, track: SoundTrack) -> Callable[[], list[Any]]:
    stream = container.add_stream(track.codec, rate=track.rate, layout=track.layout)
    _dress(stream, track.flags, track.metadata)
    return lambda: _sounds(stream, [(track.start, track.samples)], track.rate, track.layout)


def _add_text(container: Any, track: TextTrack) -> Callable[[], list[Any]]:
    stream = container.add_stream(track.codec)
    header = (
        "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name\nStyle: Default\n\n[Events]\nFormat: Text\n"
    )
    stream.codec_context.subtitle_header = header.encode()
    stream.codec_context.time_base = Fraction(1, 1000)
    _dress(stream, (), track.metadata)

    def packets() -> list[Any]:
        made = []
        for index, (start, end, text) in enumerate(track.lines):
            line = f"{index},0,Default,,0,0,0,,{text}".encode()
            length = round(1000 * (end - start))
            subtitle = SubtitleSet.create(line, 0, length, round(start * 1_000_000))
            packet = stream.codec_context.encode_subtitle(subtitle)
            packet.pts = packet.dts = round(start * 1000)
            packet.duration, packet.time_base, packet.stream = length, Fraction(1, 1000), stream
            made.append(packet)
        return made

    return packets


def tone(seconds: float, hertz: float, level: float = 0.5, rate: int = 48_000) -> NDArray[np.float32]:
    """A sine, float32 [1, n]."""
    times = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * hertz * times))[None].astype(np.float32)


def murmur(seconds: float, seed: int, rate: int = 48_000) -> NDArray[np.float32]:
    """Noise that comes and goes like syllables, float32 [1, n]; other seeds are unrelated to it."""
    rng = np.random.default_rng(seed)
    knots = rng.uniform(0, 1, round(seconds * 5) + 2) ** 3
    envelope = np.interp(np.arange(round(seconds * rate)) / rate * 5, np.arange(len(knots)), knots)
    noise = np.convolve(rng.normal(0, 1, len(envelope)), np.ones(24) / 24, "same")
    return (0.9 * envelope * noise / np.abs(noise).max())[None].astype(np.float32)


def noise_pictures(count: int, seed: int = 0, size: tuple[int, int] = (160, 90)) -> list[NDArray[np.uint8]]:
    """Pictures of one coarse pattern that drifts by one px per picture."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(20, 236, (size[1] // 10 + 1, size[0] // 10 + count // 10 + 2, 3), dtype=np.uint8)
    wide = coarse.repeat(10, 0).repeat(10, 1)
    return [wide[: size[1], i : i + size[0]] for i in range(count)]


def opened(path: Path, **settings: Any) -> Media:
    """A file's media, decoded into a folder beside it; `settings` are fields of `MediaSettings`."""
    return open_media(path, identify(path).video_id, path.parent / "scratch", MediaSettings(**settings))
