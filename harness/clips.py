"""Short sound clips in many containers and codecs, as bytes: what the generator of hostile files starts from."""

import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, HEIGHT, RATE, PICTURES = 96, 64, 10, 12
SOUND_RATE = 44_100


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a clip is encoded; an empty codec leaves the track out."""

    suffix: str
    picture: str = ""
    pixels: str = "yuv420p"
    sound: str = ""
    rate: int = RATE


RECIPES = (
    Recipe("mp4", "libx264", sound="aac"),
    Recipe("mov", "mjpeg", "yuvj420p", "pcm_s16le"),
    Recipe("mkv", "libx265", sound="libopus"),
    Recipe("webm", "libvpx-vp9", sound="libopus"),
    Recipe("avi", "mpeg4", sound="libmp3lame"),
    Recipe("ts", "mpeg2video", sound="mp2", rate=25),
    Recipe("mpg", "mpeg1video", sound="mp2", rate=25),
    Recipe("flv", "flv", sound="libmp3lame"),
    Recipe("wmv", "wmv2", sound="wmav2"),
    Recipe("gif", "gif", "rgb8"),
    Recipe("mxf", "mpeg2video", rate=25),
    Recipe("nut.mkv", "ffv1", "bgr0", "flac"),
    Recipe("h264", "libx264"),
    Recipe("wav", sound="pcm_s16le"),
    Recipe("flac", sound="flac"),
    Recipe("mp3", sound="libmp3lame"),
    Recipe("ogg", sound="libopus"),
    Recipe("m4a", sound="aac"),
)


def clips() -> dict[str, bytes]:
    """Return each clip under its suffix; codecs that this build of FFmpeg cannot encode are left out."""
    import av
    import av.error

    made = {}
    known = av.codecs_available
    with tempfile.TemporaryDirectory(prefix="fuzz-clips-") as folder:
        for recipe in RECIPES:
            if {recipe.picture, recipe.sound} - {""} <= known:
                path = Path(folder) / f"clip.{recipe.suffix}"
                encode(path, recipe)
                made[recipe.suffix] = path.read_bytes()
    return made


def encode(
    path: Path,
    recipe: Recipe,
    *,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    pictures: int = PICTURES,
    still: bool = False,
    metadata: dict[str, str] | None = None,
) -> None:
    """Write a clip of moving bars and a tone.

    Args:
        path: Its name.
        recipe: How it is encoded.
        size: Width and height in px.
        pictures: How many.
        still: Whether every picture is the same, and black.
        metadata: Tags of the container.
    """
    import av

    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        container.metadata.update(metadata or {})
        film: Any = container.add_stream(recipe.picture, rate=recipe.rate) if recipe.picture else None
        if film is not None:
            film.width, film.height = size
            film.pix_fmt = recipe.pixels
            film.options = {"x265-params": "log-level=none"} if recipe.picture == "libx265" else {}
        sound: Any = None
        if recipe.sound:
            rate = SOUND_RATE if "opus" not in recipe.sound else 48_000
            sound = container.add_stream(recipe.sound, rate=rate, layout="mono")
            sound.bit_rate = 64_000
        if film is not None:
            for index in range(pictures):
                container.mux(film.encode(_picture(index, size, recipe, still=still)))
            container.mux(film.encode(None))
        if recipe.sound:
            for frame in _tone(sound, pictures / recipe.rate):
                container.mux(sound.encode(frame))
            container.mux(sound.encode(None))


def _picture(index: int, size: tuple[int, int], recipe: Recipe, *, still: bool) -> Any:
    import av

    width, height = size
    picture = np.zeros((height, width, 3), np.uint8)
    if not still:
        picture[:, :] = (np.arange(width)[None, :, None] * 5 + index * 13 + np.array([0, 80, 160])) % 256
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    frame = frame.reformat(format=recipe.pixels)
    frame.pts, frame.time_base = index, Fraction(1, recipe.rate)
    return frame


def _tone(stream: Any, seconds: float) -> list[Any]:
    import av

    rate = stream.codec_context.sample_rate
    samples = (0.4 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
    frame.sample_rate, frame.pts = rate, 0
    fifo = av.AudioFifo()
    fifo.write(frame)
    resampler = av.AudioResampler(
        format=stream.codec_context.format, layout="mono", rate=rate, frame_size=stream.codec_context.frame_size or 1024
    )
    return [*resampler.resample(frame), *resampler.resample(None)]
