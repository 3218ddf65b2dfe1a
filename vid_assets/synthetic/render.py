"""Draws a clip frame by frame, and writes it as a video file."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vid_assets.synthetic import sound, textures
from vid_assets.synthetic.parts import Dissolve, Fade, Pan, SceneError, Shot, Static, Tilt
from vid_assets.synthetic.shapes import background, draw_all
from vid_assets.synthetic.timeline import Clip
from vid_assets.synthetic.truth import Truth, dissolve_frames, fade_frames, scene_times, truth
from vid_assets.synthetic.typeset import overlay

Picture = NDArray[np.uint8]
FLASH = 0.85  # share of white in a flash
MAX_WORLD_PX = 60_000_000


def camera_state(shot: Shot, time_s: float) -> tuple[float, float, float]:
    """Where the camera looks: centre in screen widths and heights of the unzoomed scene, and logarithm of the scale."""
    x = y = log_scale = start = 0.0
    for number, move in enumerate(shot.moves):
        spent = min(time_s - start, move.seconds)
        spent = spent if number == 0 else max(spent, 0.0)  # a dissolve asks for moments before the shot
        if isinstance(move, Pan):
            x += move.rate * spent / np.exp(log_scale)
        elif isinstance(move, Tilt):
            y += move.rate * spent / np.exp(log_scale)
        elif not isinstance(move, Static):
            log_scale += move.rate * spent
        start += move.seconds
    return float(x), float(y), float(log_scale)


class Scene:
    """The background of one shot, painted once, and what the camera sees of it.

    Args:
        shot: The shot.
        width: Of the screen in px.
        height: Of the screen in px.
        times_s: All moments of the shot that will be asked for, float64 [n].

    Raises:
        SceneError: The camera travels so far that the background would not fit into memory.
    """

    def __init__(self, shot: Shot, width: int, height: int, times_s: NDArray[np.float64]) -> None:
        self.shot, self.width, self.height = shot, width, height
        if shot.texture is None:
            self.world = background(shot.background, width, height, np.random.default_rng(shot.seed))
            self.moving = False
            return
        states = np.array([camera_state(shot, float(time)) for time in times_s])
        reach = 0.5 / np.exp(states[:, 2])
        low, high = (states[:, :2] - reach[:, None]).min(0), (states[:, :2] + reach[:, None]).max(0)
        # Between the closest and the widest view, so that neither is much blurred nor much aliased.
        self.scale = float(np.exp((states[:, 2].min() + states[:, 2].max()) / 2))
        margin = 2
        size = np.ceil((high - low) * self.scale * (width, height)).astype(int) + 2 * margin + 2
        if size.prod() > MAX_WORLD_PX:
            raise SceneError("Shot", f"the camera crosses {size[0]} x {size[1]} px", "slow it down or shorten the shot")
        self.origin = low - margin / (self.scale * np.array([width, height]))
        unit = height * self.scale
        self.world = textures.texture(shot.texture, int(size[0]), int(size[1]), unit, shot.palette, shot.seed)
        self.moving = bool(np.ptp(states, axis=0).any())
        if not self.moving:
            self.world = self._view(float(times_s[0]))

    def _view(self, time_s: float) -> Picture:
        import cv2

        x, y, log_scale = camera_state(self.shot, time_s)
        step = self.scale / np.exp(log_scale)  # px of the background for one px of the screen
        corner_x = (x - self.origin[0]) * self.scale * self.width - (self.width - 1) / 2 * step
        corner_y = (y - self.origin[1]) * self.scale * self.height - (self.height - 1) / 2 * step
        matrix = np.array([[step, 0, corner_x], [0, step, corner_y]], np.float64)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        view = cv2.warpAffine(self.world, matrix, (self.width, self.height), flags=flags, borderMode=cv2.BORDER_REFLECT)
        return np.asarray(view, np.uint8)

    def at(self, time_s: float) -> Picture:
        """The picture at a moment of the shot, uint8 RGB [height, width, 3], a fresh array."""
        picture = self._view(time_s) if self.moving else self.world.copy()
        draw_all(picture, [mover.at(time_s) for mover in self.shot.shapes])
        return picture


def _blend(a: Picture, b: Picture | int, share: float) -> Picture:
    """`share` of `b`, the rest of `a`."""
    import cv2

    if isinstance(b, int):
        return np.asarray(cv2.convertScaleAbs(a, alpha=1 - share, beta=b * share), np.uint8)
    return np.asarray(cv2.addWeighted(a, 1 - share, b, share, 0), np.uint8)


def _fade(clip: Clip, number: int, frame: int, picture: Picture) -> Picture:
    shot, (first, last) = clip.shots[number], clip.shot_frames[number]
    if isinstance(shot.enter, Fade) and frame - first < (count := fade_frames(clip, shot.enter)):
        picture = _blend(picture, 255 if shot.enter.colour == "white" else 0, 1 - (frame - first) / count)
    if shot.leave and last - frame < (count := fade_frames(clip, shot.leave)):
        picture = _blend(picture, 255 if shot.leave.colour == "white" else 0, 1 - (last - frame) / count)
    return picture


def _scenes(clip: Clip) -> Iterator[Picture]:
    """Shots and their transitions, before any effect."""
    times, spans = scene_times(clip), clip.shot_frames
    dissolves = {
        number: dissolve_frames(clip, shot.enter, spans[number][0])
        for number, shot in enumerate(clip.shots)
        if isinstance(shot.enter, Dissolve)
    }
    alive: dict[int, Scene] = {}
    for number, (first, last) in enumerate(spans):
        for frame in range(first, last + 1):
            pictures = {}
            for other in (number - 1, number, number + 1):
                start, end = spans[other] if 0 <= other < len(spans) else (0, -1)
                start = min(start, dissolves[other][0]) if other in dissolves else start
                end = max(end, dissolves[other + 1][1]) if other + 1 in dissolves else end
                if not start <= frame <= end:
                    alive.pop(other, None)
                    continue
                since = times[spans[other][0]]
                if other not in alive:
                    alive[other] = Scene(clip.shots[other], clip.width, clip.height, times[start : end + 1] - since)
                pictures[other] = _fade(clip, other, frame, alive[other].at(float(times[frame] - since)))
            a, *rest = (pictures[key] for key in sorted(pictures))
            if rest:
                start, end = dissolves[max(pictures)]
                a = _blend(a, rest[0], (frame - start + 1) / (end - start + 2))
            yield a


class _Grain:
    """Noise from one large field, at another place in every frame: as good as new noise and ten times as fast."""

    def __init__(self, clip: Clip) -> None:
        self.rng = np.random.default_rng([clip.seed, 7])
        self.shape = clip.height, clip.width
        self.field = self.rng.standard_normal((clip.height + 256, clip.width + 256), dtype=np.float32)

    def add(self, picture: Picture, sigma: float) -> Picture:
        y, x = self.rng.integers(0, 257, 2)
        levels = np.round(self.field[y : y + self.shape[0], x : x + self.shape[1]] * sigma).astype(np.int16)
        return np.clip(picture + levels[..., None], 0, 255).astype(np.uint8)


def _bars(picture: Picture, share: float, pillars: bool) -> Picture:
    side = picture.shape[1] if pillars else picture.shape[0]
    bar = round(share * side)
    axis = picture.swapaxes(0, 1) if pillars else picture
    axis[:bar] = 0
    axis[side - bar :] = 0
    return picture


def _effects(clip: Clip) -> list[tuple[int, int, Callable[[Picture], Picture]]]:
    """First frame, last frame and function of each effect, in the order in which they are applied."""
    import cv2

    grain = _Grain(clip)

    def blurred(sigma: float) -> Callable[[Picture], Picture]:
        return lambda picture: np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)

    def over(start_s: float, end_s: float, effect: Callable[[Picture], Picture]) -> None:
        steps.append((*clip.span(start_s, end_s), effect))

    steps: list[tuple[int, int, Callable[[Picture], Picture]]] = []
    steps += [(frame, frame, partial(_blend, b=255, share=FLASH)) for frame in truth(clip).flashes]
    for blur in clip.blur:
        over(blur.start_s, blur.end_s, blurred(blur.sigma))
    for noise in clip.grain:
        over(noise.start_s, noise.end_s, partial(grain.add, sigma=noise.sigma))
    for box in clip.letterbox:
        over(box.start_s, box.end_s, partial(_bars, share=box.share, pillars=box.pillars))
    for text in clip.texts:
        over(text.start_s, text.end_s, partial(overlay, text=text))
    return steps


def frames(clip: Clip) -> Iterator[Picture]:
    """All pictures of the clip in order, uint8 RGB [height, width, 3], each a fresh array."""
    effects, frozen = _effects(clip), truth(clip).freezes
    held = {frame for span in frozen for frame in range(span.first + 1, span.last + 1)}
    picture = np.empty(0, np.uint8)
    for frame, scene in enumerate(_scenes(clip)):
        if frame in held:
            picture = picture.copy()
        else:
            picture = scene
            for first, last, effect in effects:
                if first <= frame <= last:
                    picture = effect(picture)
        yield picture if frame + 1 not in held else picture.copy()


def render(
    clip: Clip,
    path: Path,
    *,
    codec: str = "libx264",
    crf: int = 18,
    audio: bool = True,
    audio_codec: str | None = None,
) -> Truth:
    """Write the clip as a video file (yuv420p) and answer with what is true of it.

    Args:
        clip: What to draw.
        path: Where to; the ending chooses the container (mp4, mov, mkv).
        codec: PyAV name of the video encoder.
        crf: Quality of libx264, lower is better.
        audio: Whether to write the sounds; a clip without sounds has no audio track either way.
        audio_codec: PyAV name of the audio encoder; by default AAC in mp4 and 16-bit PCM elsewhere.
    """
    samples = sound.samples(clip) if audio and clip.sounds else None
    write(path, frames(clip), Fraction(clip.fps), (clip.width, clip.height), samples, clip.sample_rate,
          codec=codec, crf=crf, audio_codec=audio_codec)  # fmt: skip
    return truth(clip)


def write(
    path: Path,
    pictures: Iterator[Picture],
    fps: Fraction,
    size: tuple[int, int],
    samples: NDArray[np.float32] | None,
    sample_rate: int,
    *,
    codec: str = "libx264",
    crf: int = 18,
    audio_codec: str | None = None,
) -> None:
    """Encode pictures (uint8 RGB) and mono samples (float32 [n], -1..1), interleaved, into a file."""
    import av
    from av.video.reformatter import ColorRange, Colorspace

    kind = audio_codec or ("aac" if path.suffix == ".mp4" else "pcm_s16le")
    with av.open(str(path), "w") as container:
        options = {"crf": str(crf), "preset": "veryfast"} if codec == "libx264" else {}
        video: Any = container.add_stream(codec, rate=fps, options=options)
        video.width, video.height = size
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = 1 / fps
        video.codec_context.colorspace = Colorspace.ITU601  # said in the file, so that no reader guesses by size
        video.codec_context.color_range = ColorRange.MPEG
        track: Any = None
        if samples is not None:
            track = container.add_stream(kind, rate=sample_rate, layout="mono")
        done = 0
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, 1 / fps
            container.mux(video.encode(frame))
            if track is not None and samples is not None:
                until = min(round((number + 1) / fps * sample_rate), len(samples))
                container.mux(_encode_audio(track, samples[done:until], done, sample_rate))
                done = until
        container.mux(video.encode(None))
        if track is not None:
            container.mux(track.encode(None))


def _encode_audio(track: Any, samples: NDArray[np.float32], first: int, sample_rate: int) -> list[Any]:
    import av

    if not len(samples):
        return []
    if track.format.name.startswith("s16"):
        data, form = np.round(np.clip(samples, -1, 1) * 32767).astype(np.int16), "s16"
    else:
        data, form = samples.astype(np.float32), "fltp"
    frame = av.AudioFrame.from_ndarray(data[None, :], format=form, layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = sample_rate, first, Fraction(1, sample_rate)
    return track.encode(frame)
