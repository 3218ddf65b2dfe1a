"""Offsets of clips with flashes and clicks, and answers where sound and picture have nothing to do with each other."""

from dataclasses import replace

import numpy as np
import polars as pl

from evaluation.figure import Figure
from tests.kit.scene_streams import of_clip
from vid_assets.analyzers.audio_visual_sync import run
from vid_assets.contract import Audio
from vid_assets.synthetic.clips import Clip, random_clip, sync_clip
from vid_assets.synthetic.sound import samples

CLIPS, UNRELATED = 20, 20


def sound_of(clip: Clip) -> Audio:
    """The clip's sound as analyzers get it."""
    from scipy.signal import resample_poly

    return Audio(resample_poly(samples(clip), 1, clip.sample_rate // 16000).astype(np.float32))


def measure(seed: int) -> list[Figure]:
    """The worst error, how many are answered, and how many unrelated ones are."""
    rng = np.random.default_rng([seed, 41])
    errors, answered = [], 0
    for number in range(CLIPS):
        offset_s = float(rng.uniform(-0.5, 0.5))
        clip = sync_clip(offset_s, seed=1000 * seed + number, fps=int(rng.choice([24, 25, 30, 50])))
        made, _ = of_clip(replace(clip, width=192, height=108))
        table = run(made.video, made.thumbs, sound_of(clip), made.cuts)
        if isinstance(table, pl.DataFrame):
            answered += 1
            errors.append(abs(table["offset_ms"].item() - 1000 * offset_s))
    invented = 0
    for number in range(UNRELATED):
        pictures, other = (random_clip(1000 * seed + number + shift, width=192, height=108) for shift in (0, 500))
        made, _ = of_clip(pictures)
        invented += isinstance(run(made.video, made.thumbs, sound_of(other), made.cuts), pl.DataFrame)
    name = "audio_visual_sync"
    return [
        Figure(analyzer=name, what="largest error", value=max(errors), unit="ms", cases=answered, at_most=40),
        Figure(analyzer=name, what="offsets found", value=answered / CLIPS, unit="1", cases=CLIPS, at_least=0.95),
        Figure(
            analyzer=name, what="offsets invented for unrelated sound", value=invented / UNRELATED, unit="1",
            cases=UNRELATED, at_most=0.05,
        ),
    ]  # fmt: skip
