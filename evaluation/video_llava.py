"""Texts of whole clips of known motions, through the tiny Video-LLaVA of profile ``offline``."""

import numpy as np
import polars as pl

from evaluation._models import model as here
from evaluation.figure import Figure
from resources.tasks.descriptions import DESCRIPTIONS
from tests.kit.scene_streams import of_clip
from training.tiny_captioners.scenes import a_list
from training.tiny_captioners.spans import Take, sample_take
from vid_assets.analyzers.video_llava import run
from vid_assets.synthetic.clips import PALETTES, TEXTURES, Clip, Mover, Pan, Shot
from vid_assets.synthetic.shapes import DIRECTIONS

ONE, TWO, STRANGE, FPS, SECONDS = 30, 20, 20, 12, 4.0


def shot_of(take: Take, seconds: float, rng: np.random.Generator) -> Shot:
    """A take as a shot: its motions last as long as it does."""
    movers = []
    for motion in take.motions:
        across, down = DIRECTIONS[motion.direction] if motion.direction else (0, 0)
        movers.append(Mover(motion.shape, across * motion.reach / seconds, down * motion.reach / seconds))
    return Shot(seconds, background=take.background, shapes=tuple(movers), seed=int(rng.integers(2**31)))


def takes(rng: np.random.Generator, count: int) -> list[Take]:
    """Takes of one shape each, neighbours on other backgrounds."""
    found: list[Take] = []
    while len(found) < count:
        take = sample_take(rng, 16 / 9, 1)
        if not found or found[-1].background != take.background:
            found.append(take)
    return found


def strange(rng: np.random.Generator) -> Shot:
    """A texture that the camera pans over."""
    return Shot(
        SECONDS, texture=str(rng.choice(TEXTURES)), palette=int(rng.integers(len(PALETTES))),
        camera=Pan(float(rng.uniform(-0.2, 0.2))), seed=int(rng.integers(2**31)),
    )  # fmt: skip


def measure(seed: int) -> list[Figure]:
    """Clips of one and of two shots told exactly, and textures told of all the same."""
    rng = np.random.default_rng([seed, 101])
    model, right = here(DESCRIPTIONS), {1: 0, 2: 0}
    for number in range(ONE + TWO):
        told = takes(rng, 1 if number < ONE else 2)
        source, _ = of_clip(
            Clip(shots=tuple(shot_of(take, SECONDS, rng) for take in told), fps=FPS, width=320, height=180)
        )
        table = run(source.video, source.frames, model)
        truth = ", then ".join(f"{a_list([one.text for one in take.motions])} on a {take.background} background"
                               for take in told)  # fmt: skip
        right[len(told)] += isinstance(table, pl.DataFrame) and table["text"].item() == truth
    invented = 0
    for _ in range(STRANGE):
        source, _ = of_clip(Clip(shots=(strange(rng),), fps=FPS, width=320, height=180))
        invented += isinstance(run(source.video, source.frames, model), pl.DataFrame)
    named = {"analyzer": "video_llava", "unit": "1"}
    return [
        Figure(what="clips of one moving shape told exactly", value=right[1] / ONE, cases=ONE, at_least=0.85, **named),
        Figure(
            what="clips of two shots told exactly and in order", value=right[2] / TWO, cases=TWO, at_least=0.75, **named
        ),
        Figure(
            what="clips of textures, unlike what the model knows, that get a text", value=invented / STRANGE,
            cases=STRANGE, at_most=0.1, **named,
        ),
    ]  # fmt: skip
