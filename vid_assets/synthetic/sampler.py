"""Varied clips from a seed, for tests that want many of them."""

import math
from itertools import pairwise

import numpy as np

from vid_assets.synthetic.parts import (
    TEXTURES,
    Blur,
    Cut,
    Dissolve,
    Fade,
    Freeze,
    Grain,
    Letterbox,
    Move,
    Mover,
    Pan,
    SceneError,
    Shot,
    Sound,
    Speed,
    Static,
    Text,
    Tilt,
    Zoom,
)
from vid_assets.synthetic.shapes import BACKGROUNDS, COLOURS, SHAPES, Shape
from vid_assets.synthetic.textures import PALETTES
from vid_assets.synthetic.timeline import Clip

FEATURES = frozenset({
    "cuts", "fades", "dissolves", "camera", "text", "shapes", "flashes", "freezes", "letterbox", "blur", "noise",
    "speed", "sound", "speech_like", "av_offset",
})  # fmt: skip
WORDS = (
    "BREAKING NEWS", "Episode One", "Harbour Cam 4", "The Long Road", "SALE 50% OFF", "Meet the team", "Chapter 12",
    "Open until 21:30", "Thank you", "Weather at nine", "LIVE", "Written by A. Novak",
)  # fmt: skip
SHORTEST_S = 0.8


def random_shapes(
    rng: np.random.Generator,
    count: int,
    *,
    seconds: float,
    moving: bool = True,
    margin: float = 0.02,
    aspect: float = 16 / 9,
) -> tuple[Mover, ...]:
    """Shapes of different names in columns of their own, which in `seconds` they do not leave.

    Args:
        rng: Source of chance.
        count: How many.
        seconds: How long they move.
        moving: Whether they move at all; two in three then do.
        margin: Share of the picture's height above and below that stays free.
        aspect: Width of the picture over its height.
    """
    names = [(kind, colour) for kind in SHAPES for colour in COLOURS]
    chosen = rng.choice(len(names), count, replace=False)
    slots = rng.permutation(count)
    movers = []
    for slot, name in zip(slots, chosen, strict=True):
        kind, colour = names[int(name)]
        largest = min(0.2, 0.5 / count, 0.45 * aspect / count)  # its column must hold it
        radius = float(rng.uniform(min(0.10, largest), largest))
        low, high = slot / count, (slot + 1) / count
        half = radius / aspect + 0.01
        x, y = float(rng.uniform(low + half, high - half)), float(rng.uniform(radius + margin, 1 - margin - radius))
        shape = Shape(kind, colour, x, y, radius, float(rng.uniform(0.1, 0.9)))
        dx = dy = 0.0
        if moving and rng.random() < 0.7:
            to_x = float(rng.uniform(low + half, high - half))
            to_y = float(rng.uniform(radius + margin, 1 - margin - radius))
            dx, dy = ((to_x - x) / seconds, 0.0) if rng.random() < 0.5 else (0.0, (to_y - y) / seconds)
        movers.append(Mover(shape, dx, dy, end_s=seconds))
    return tuple(movers)


def _crosser(rng: np.random.Generator) -> Mover:
    """A large shape that rushes through the picture from left to right: much motion, and no cut."""
    colour, kind = str(rng.choice(list(COLOURS))), str(rng.choice(SHAPES))
    shape = Shape(kind, colour, -0.3, float(rng.uniform(0.4, 0.6)), float(rng.uniform(0.25, 0.4)), 0.05)
    return Mover(shape, dx=float(rng.uniform(1.2, 2.0)), start_s=0.2)


def _camera(rng: np.random.Generator, seconds: float) -> Move:
    sign = float(rng.choice([-1, 1]))
    kind = rng.choice(["pan", "tilt", "zoom", "static", "fast"], p=[0.3, 0.2, 0.25, 0.1, 0.15])
    if kind == "pan":
        return Pan(sign * round(float(rng.uniform(0.05, 0.3)), 3))
    if kind == "tilt":
        return Tilt(sign * round(float(rng.uniform(0.05, 0.3)), 3))
    if kind == "zoom":
        fastest = min(0.3, 1.2 / seconds)  # a longer zoom in would run out of texture
        return Zoom(sign * round(float(rng.uniform(min(0.05, fastest), fastest)), 3))
    if kind == "fast":
        return Pan(sign * round(float(rng.uniform(0.5, 1.0)), 3))
    return Static()


def _lengths(rng: np.random.Generator, frame_count: int, fps: int, several: bool) -> list[float]:
    """Lengths of the shots in seconds, each a whole number of frames, together exactly the clip."""
    shortest, longest = math.ceil(SHORTEST_S * fps), round(3.5 * fps)
    lengths, left = [], frame_count
    while several and left >= 2 * shortest:
        length = int(min(rng.integers(shortest, longest + 1), left - shortest))
        lengths.append(length)
        left -= length
    return [length / fps for length in [*lengths, left]]


def _enter(rng: np.random.Generator, room: float, features: frozenset[str]) -> Cut | Dissolve | Fade:
    kinds = ["cut"] * (3 if "cuts" in features else 0)
    kinds += ["dissolve"] * ("dissolves" in features) + ["fade"] * ("fades" in features)
    kind = kinds[int(rng.integers(len(kinds)))] if kinds else "cut"
    seconds = round(float(rng.uniform(0.3, 0.8)) * min(room, 1.2), 2)
    if kind == "dissolve":
        return Dissolve(seconds)
    if kind == "fade":
        return Fade(round(seconds / 2, 2), "white" if rng.random() < 0.25 else "black")
    return Cut()


def _shots(
    rng: np.random.Generator, frame_count: int, fps: int, margin: float, aspect: float, features: frozenset[str]
) -> tuple[Shot, ...]:
    lengths = _lengths(rng, frame_count, fps, bool(features & {"cuts", "fades", "dissolves"}))
    enters: list[Cut | Dissolve | Fade] = [Cut()]
    enters += [_enter(rng, min(pair) / 1.3, features) for pair in pairwise(lengths)]
    palette, ground = int(rng.integers(len(PALETTES))), int(rng.integers(len(BACKGROUNDS)))
    shots = []
    for number, seconds in enumerate(lengths):
        palette = (palette + int(rng.integers(1, len(PALETTES)))) % len(PALETTES)
        ground = (ground + int(rng.integers(1, len(BACKGROUNDS)))) % len(BACKGROUNDS)
        plain = "shapes" in features and (rng.random() < 0.5 or "camera" not in features)
        texture = None if plain else str(rng.choice(TEXTURES))
        camera = _camera(rng, seconds) if texture and "camera" in features else Static()
        count = int(rng.integers(1, 4)) if plain else int(rng.integers(0, 2)) * ("shapes" in features)
        after = enters[number + 1] if number + 1 < len(lengths) else Cut()
        seed = int(rng.integers(2**31))
        shapes = random_shapes(rng, count, seconds=seconds, margin=margin, aspect=aspect)
        if texture and "shapes" in features and not shapes and seed % 2:
            shapes = (_crosser(np.random.default_rng(seed)),)
        shots.append(
            Shot(
                seconds=seconds,
                texture=texture,
                background=list(BACKGROUNDS)[ground],
                palette=palette,
                seed=seed,
                shapes=shapes,
                camera=camera,
                enter=enters[number],
                leave=after if isinstance(after, Fade) else None,
            )
        )
    return tuple(shots)


def _lively(shot: Shot) -> bool:
    """Whether something moves all the time, so that a freeze or a change of speed can be seen."""
    lasting = [mover for mover in shot.shapes if abs(mover.dx) + abs(mover.dy) > 0.03 and mover.start_s == 0]
    return bool(lasting) or any(not isinstance(move, Static) for move in shot.moves)


class _Places:
    """Finds room for effects: inside one shot, away from its transitions and from each other."""

    def __init__(self, rng: np.random.Generator, shots: tuple[Shot, ...]) -> None:
        self.rng, self.taken = rng, list[tuple[float, float]]()
        ends = np.cumsum([shot.seconds for shot in shots])
        self.shots = [(float(end - shot.seconds), float(end), shot) for end, shot in zip(ends, shots, strict=True)]

    def find(self, seconds: float, *, moving: bool = False) -> list[tuple[float, float]]:
        """One span of `seconds`, in a shot with lasting motion if so asked, or none if nothing is free."""
        shots = [(low, high) for low, high, shot in self.shots if not moving or _lively(shot)]
        roomy = [(low + 0.6, high - 0.6 - seconds) for low, high in shots if high - low > 1.2 + seconds]
        for _ in range(20 if roomy else 0):
            low, high = roomy[int(self.rng.integers(len(roomy)))]
            start = float(self.rng.uniform(low, high))
            if all(start > end + 0.2 or start + seconds < begin - 0.2 for begin, end in self.taken):
                self.taken.append((start, start + seconds))
                return [(start, start + seconds)]
        return []


def _texts(rng: np.random.Generator, duration_s: float, aspect: float, freezes: tuple[Freeze, ...]) -> tuple[Text, ...]:
    def moved(time_s: float) -> float:
        return next((freeze.end_s for freeze in freezes if freeze.start_s < time_s < freeze.end_s), time_s)

    texts, largest = [], min(max(0.0675 * aspect, 0.05), 0.12)  # the longest line must fit
    for begin in np.arange(0.4, duration_s - 1.5, 4.0):
        start, end = moved(float(begin)), moved(float(begin + rng.uniform(1.2, 3.0)))
        word, size = WORDS[int(rng.integers(len(WORDS)))], round(float(rng.uniform(0.05, largest)), 3)
        y = float(rng.choice([0.25, 0.75]))
        if end - start > 0.8:
            texts.append(Text(word, start, end, y=y, height=size))
    return tuple(texts)


def _sounds(rng: np.random.Generator, duration_s: float, features: frozenset[str]) -> tuple[Sound, ...]:
    kinds = ["tone", "noise", "music", "click", "silence"] if "sound" in features else []
    kinds += ["speech_like"] if "speech_like" in features else []
    sounds: list[Sound] = []
    start = 0.0
    while kinds and start < duration_s - 0.5:
        end = round(min(start + float(rng.uniform(1.0, 3.5)), duration_s), 2)
        kind = kinds[int(rng.integers(len(kinds)))]
        frequency = round(float(rng.uniform(150, 3000) if kind == "tone" else rng.uniform(90, 220)), 1)
        bpm = float(rng.integers(80, 161)) if kind in ("music", "click") else 0.0
        level = round(float(rng.uniform(-30, -12)), 1)
        colour = "pink" if rng.random() < 0.5 else "white"
        sounds.append(Sound(kind, start, end, level, frequency, bpm, colour, int(rng.integers(2**31))))
        start = end
    return tuple(sounds)


def random_clip(
    seed: int,
    *,
    duration_s: float = 12.0,
    width: int = 640,
    height: int = 360,
    fps: int = 25,
    features: frozenset[str] = FEATURES,
) -> Clip:
    """A varied clip, always the same for the same arguments.

    Consecutive shots differ in background or colours, no shot is shorter than 0.8 s. Flashes, fast pans and moving
    shapes are there to mislead cut detectors.

    Args:
        seed: Any whole number from 0.
        duration_s: Length, to the frame.
        width: In px, even.
        height: In px, even.
        fps: Frames per second.
        features: What may occur, any of `FEATURES`.

    Raises:
        SceneError: An unknown feature.
    """
    if unknown := features - FEATURES:
        raise SceneError("random_clip", f"unknown features {sorted(unknown)}", f"use any of {sorted(FEATURES)}")
    rng = np.random.default_rng([seed, 2026])
    bars = ()
    if "letterbox" in features and rng.random() < 0.5:
        bars = (Letterbox(round(float(rng.uniform(0.08, 0.15)), 3)),)
    margin = 0.02 + sum(box.share for box in bars)
    shots = _shots(rng, round(duration_s * fps), fps, margin, width / height, features)
    places = _Places(rng, shots)

    def spans(name: str, seconds: float) -> list[tuple[float, float]]:
        return places.find(seconds, moving=name in ("freezes", "speed")) if name in features else []

    freezes = tuple(Freeze(*span) for span in spans("freezes", 0.8))
    return Clip(
        shots=shots,
        width=width,
        height=height,
        fps=fps,
        texts=_texts(rng, duration_s, width / height, freezes) if "text" in features else (),
        flashes=tuple(start for _ in range(2) for start, _ in spans("flashes", 0.1)),
        freezes=freezes,
        speeds=tuple(Speed(float(rng.choice([0.5, 2.0])), *span) for span in spans("speed", 0.8)),
        letterbox=bars,
        blur=tuple(Blur(round(float(rng.uniform(1, 4)), 2), *span) for span in spans("blur", 0.8)),
        grain=tuple(Grain(round(float(rng.uniform(3, 12)), 1), *span) for span in spans("noise", 0.8)),
        sounds=_sounds(rng, duration_s, features),
        av_offset_s=round(float(rng.uniform(-0.5, 0.5)), 3) if "av_offset" in features else 0.0,
        seed=seed,
    )
