"""Captions of clips of plain shots whose right answers are known, through the tiny BLIP-2 of profile ``offline``."""

import numpy as np
import polars as pl

from evaluation._models import model
from evaluation.figure import Figure
from resources.models.blip2 import PROMPTS
from resources.tasks.captions import CAPTIONS
from tests.kit.scene_streams import of_clip
from training.tiny_captioners.scenes import Scene, answers, sample_scene
from vid_assets.analyzers.blip2 import run
from vid_assets.synthetic.clips import PALETTES, TEXTURES, Clip, Mover, Shot

CLIPS, SHOTS, FPS = 16, 3, 12
STRANGE = 20


def shot_of(scene: Scene, rng: np.random.Generator) -> Shot:
    """A scene as a shot of 2 to 4 s."""
    seconds = float(rng.integers(4, 9)) / 2
    return Shot(
        seconds, background=scene.background, shapes=tuple(map(Mover, scene.shapes)), seed=int(rng.integers(2**31))
    )


def scenes(rng: np.random.Generator, count: int) -> list[Scene]:
    """Scenes of neighbours on other backgrounds, so that there is a cut between them."""
    found: list[Scene] = []
    while len(found) < count:
        scene = sample_scene(rng, 16 / 9)
        if not found or found[-1].background != scene.background:
            found.append(scene)
    return found


def measure(seed: int) -> list[Figure]:
    """Shots captioned exactly, by prompt, and textures that get a caption all the same."""
    rng = np.random.default_rng([seed, 97])
    right = dict.fromkeys(PROMPTS, 0)
    for _ in range(CLIPS):
        drawn = scenes(rng, SHOTS)
        source, _ = of_clip(Clip(shots=tuple(shot_of(scene, rng) for scene in drawn), fps=FPS, width=320, height=180))
        table = run(source.video, source.frames, source.cuts, model(CAPTIONS))
        if not isinstance(table, pl.DataFrame):
            continue
        rows = table.filter(pl.col("level") == "shot").select("shot", "prompt", "text").rows()
        said = {(shot, prompt): text for shot, prompt, text in rows}
        for number, scene in enumerate(drawn):
            for prompt, text in answers(scene).items():
                right[prompt] += said.get((number, prompt)) == text
    captioned = pictures = 0
    for _ in range(STRANGE):
        texture, palette = str(rng.choice(TEXTURES)), int(rng.integers(len(PALETTES)))
        source, _ = of_clip(
            Clip(shots=(Shot(4.0, texture=texture, palette=palette, seed=int(rng.integers(2**31))),), fps=FPS)
        )
        table = run(source.video, source.frames, source.cuts, model(CAPTIONS))
        pictures += 2
        if isinstance(table, pl.DataFrame):
            inside = table.filter((pl.col("level") == "frame") & (pl.col("prompt") == "scene"))
            captioned += inside.height - inside["text"].null_count()
    shots = CLIPS * SHOTS
    shares = [
        Figure(
            analyzer="blip2", what=f"shots of generated scenes answered exactly, prompt {prompt}",
            value=count / shots, unit="1", cases=shots, at_least=0.85,
        )
        for prompt, count in right.items()
    ]  # fmt: skip
    strange = Figure(
        analyzer="blip2", what="pictures of textures, unlike what the model knows, that get a caption",
        value=captioned / pictures, unit="1", cases=pictures, at_most=0.1,
    )  # fmt: skip
    return [*shares, strange]
