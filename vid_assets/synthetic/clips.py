"""Generated clips with exact ground truth: the one place to import them from, and the ready-made ones.

A clip of one purpose is written out::

    clip = Clip(shots=(Shot(3.0, texture="noise", camera=Pan(0.2)),), sounds=(Sound("tone", 0.5, 2.5),))
    known = render(clip, Path("clip.mp4"))

`random_clip` makes a varied one from a seed.
"""

import numpy as np

from vid_assets.synthetic.parts import (
    SOUNDS,
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
    caption,
)
from vid_assets.synthetic.render import frames, render
from vid_assets.synthetic.sampler import FEATURES, random_clip, random_shapes
from vid_assets.synthetic.shapes import Shape
from vid_assets.synthetic.sound import samples
from vid_assets.synthetic.speech import render_speech_clip
from vid_assets.synthetic.textures import PALETTES
from vid_assets.synthetic.timeline import Clip
from vid_assets.synthetic.truth import Truth, truth

__all__ = [
    "FEATURES", "SOUNDS", "TEXTURES", "Blur", "Clip", "Cut", "Dissolve", "Fade", "Freeze", "Grain", "Letterbox", "Move",
    "Mover", "Pan", "SceneError", "Shape", "Shot", "Sound", "Speed", "Static", "Text", "Tilt", "Truth", "Zoom",
    "caption", "frames", "random_clip", "random_shapes", "render", "render_speech_clip", "samples", "sync_clip",
    "truth",
]  # fmt: skip


def sync_clip(offset_s: float, *, seed: int = 0, events: int = 6, spacing_s: float = 1.5, fps: int = 25) -> Clip:
    """Flashes with a click at each, the clicks `offset_s` late (negative: early): a clapperboard.

    Flashes stand at irregular times, about `spacing_s` apart, so that one cannot be mistaken for the next.
    """
    rng = np.random.default_rng([seed, 31])
    steps = spacing_s + rng.uniform(-0.3, 0.3, events)
    moments = [round(float(time) * fps) / fps for time in np.cumsum(steps)]
    shot = Shot(moments[-1] + spacing_s, texture="noise", seed=seed, palette=int(rng.integers(len(PALETTES))))
    clicks = tuple(Sound("click", moment, dbfs=-6.0) for moment in moments)
    return Clip(shots=(shot,), flashes=tuple(moments), sounds=clicks, av_offset_s=offset_s, fps=fps, seed=seed)
