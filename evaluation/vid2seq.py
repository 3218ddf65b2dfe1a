"""Events of clips whose shots and motions are known, through the tiny Video-LLaVA of profile ``offline``."""

import numpy as np
import polars as pl

from evaluation._models import model as here
from evaluation.figure import Figure
from evaluation.video_llava import shot_of, strange, takes
from resources.tasks.descriptions import DESCRIPTIONS
from tests.kit.scene_streams import of_clip
from vid_assets.analyzers import scene_segmentation
from vid_assets.analyzers.vid2seq import run
from vid_assets.synthetic.clips import Clip

CLIPS, SHOTS, FPS = 14, 3, 12
STRANGE = 20
NEAR_S = 0.1


def measure(seed: int) -> list[Figure]:
    """Shots with their exact text, with their exact times, and textures described all the same."""
    rng = np.random.default_rng([seed, 103])
    model, told, timed = here(DESCRIPTIONS), 0, 0
    for _ in range(CLIPS):
        drawn = takes(rng, SHOTS)
        shots = tuple(shot_of(take, float(rng.integers(6, 11)) / 2, rng) for take in drawn)
        source, _ = of_clip(Clip(shots=shots, fps=FPS, width=320, height=180))
        scenes = scene_segmentation.run(source.video, source.thumbs, source.cuts)
        table = run(source.video, source.frames, source.cuts, scenes, model)
        if not isinstance(table, pl.DataFrame):
            continue
        events = table.filter(pl.col("kind") == "shot").select("start_s", "end_s", "text").rows()
        ends = np.cumsum([shot.seconds for shot in shots])
        for take, end in zip(drawn, ends, strict=True):
            start = end - shots[drawn.index(take)].seconds
            near = [text for a, b, text in events if abs(a - start) <= NEAR_S and abs(b - end) <= NEAR_S]
            timed += bool(near)
            told += take.text in near
    described = 0
    for _ in range(STRANGE):
        source, _ = of_clip(Clip(shots=(strange(rng),), fps=FPS, width=320, height=180))
        scenes = scene_segmentation.run(source.video, source.thumbs, source.cuts)
        described += isinstance(run(source.video, source.frames, source.cuts, scenes, model), pl.DataFrame)
    cases = CLIPS * SHOTS
    named = {"analyzer": "vid2seq", "unit": "1"}
    return [
        Figure(what="shots described, times within 0.1 s", value=timed / cases, cases=cases, at_least=0.85, **named),
        Figure(
            what="shots described exactly, times within 0.1 s", value=told / cases, cases=cases, at_least=0.8, **named
        ),
        Figure(
            what="clips of textures, unlike what the model knows, that get a text", value=described / STRANGE,
            cases=STRANGE, at_most=0.1, **named,
        ),
    ]  # fmt: skip
