"""Scenes of two cameras that take turns, each camera with colours of its own, cut or dissolved into each other."""

import numpy as np

from evaluation.cut_analysis import Count
from evaluation.figure import Figure
from tests.kit.scene_streams import of_clip
from vid_assets.analyzers.scene_segmentation import run
from vid_assets.synthetic.clips import TEXTURES, Clip, Cut, Dissolve, Pan, Shot, random_shapes

CLIPS = 40
FPS = 25


def script(rng: np.random.Generator) -> tuple[Clip, list[int]]:
    """A clip of one to four scenes, and the first shot of each; no two cameras share a palette."""
    palettes = rng.permutation(8).tolist()
    shots, starts = [], []
    for scene in range(int(rng.integers(1, 5))):
        starts.append(len(shots))
        looks, seeds = rng.choice(TEXTURES, 2).tolist(), rng.integers(2**31, size=2).tolist()
        for turn in range(int(rng.integers(3, 7))):
            dissolves = shots and turn == 0 and rng.random() < 0.3
            camera = turn % 2
            shots.append(
                Shot(
                    float(rng.uniform(1, 2)), texture=looks[camera], palette=palettes[2 * scene + camera],
                    seed=seeds[camera], camera=Pan(float(rng.uniform(-0.15, 0.15))),
                    shapes=random_shapes(rng, int(rng.integers(0, 2)), seconds=2.0),
                    enter=Dissolve(0.5) if dissolves else Cut(),
                )
            )  # fmt: skip
    return Clip(tuple(shots), width=192, height=108, fps=FPS), starts


def shared(one: tuple[float, float], two: tuple[float, float]) -> float:
    """Intersection over union of two spans."""
    return max(min(one[1], two[1]) - max(one[0], two[0]), 0.0) / (max(one[1], two[1]) - min(one[0], two[0]))


def measure(seed: int) -> list[Figure]:
    """F1 of scene boundaries, how well the scenes cover the true ones, and where the key frames lie."""
    count, overlaps, inside, keys = Count(), [], 0, 0
    for number in range(CLIPS):
        clip, starts = script(np.random.default_rng([seed, number, 191]))
        made, known = of_clip(clip)
        table = run(made.video, made.thumbs, made.cuts)
        firsts = [known.shots[shot][0] / FPS for shot in starts]
        true = list(zip(firsts, [*firsts[1:], made.video.duration_s], strict=True))
        found = table.select("start_s", "end_s").rows()
        # A dissolve's middle may be told a few frames off.
        count.add([start for start, _ in found[1:]], firsts[1:], lambda one, two: abs(one - two) <= 0.25)
        for one, others in ((true, found), (found, true)):
            overlaps.append(float(np.mean([max(shared(span, other) for other in others) for span in one])))
        mixed = [(span.first / FPS, (span.last + 1) / FPS) for span in known.transitions]
        for span, key in zip(found, table["key_time_s"], strict=True):
            start, end = max(true, key=lambda other, span=span: shared(span, other))
            keys += 1
            inside += start <= key < end and not any(a <= key < b for a, b in mixed)
    name = "scene_segmentation"
    return [
        Figure(
            analyzer=name, what="F1 of scene boundaries, 0.25 s", value=count.f1, unit="1", cases=count.cases,
            at_least=0.9,
        ),
        Figure(
            analyzer=name, what="mean intersection over union with the true scenes, both ways",
            value=float(np.mean(overlaps)), unit="1", cases=CLIPS, at_least=0.9,
        ),
        Figure(
            analyzer=name, what="key frames that show the true scene alone", value=inside / keys, unit="1", cases=keys,
            at_least=0.95,
        ),
    ]  # fmt: skip
