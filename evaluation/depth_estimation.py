"""Near and far shares and the order of objects, with a stand-in model that answers known depth with noise.

Profile ``offline`` has no model of depth, so that this measures what the analyzer makes of an answer, not the answer.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import polars as pl

from evaluation.figure import Figure
from resources.models.depth import SCHEMA
from vid_assets.analyzers import object_detection
from vid_assets.analyzers.depth_estimation import FAR, NEAR, SIDE, run
from vid_assets.contract import Frames

SCENES, OBJECTS, NOISE = 40, 4, 0.1  # of the range from farthest to nearest
BOX = ("x0", "y0", "x1", "y1")


class Noisy:
    """Answers the maps it is given, with noise."""

    def __init__(self, maps: Sequence[np.ndarray], rng: np.random.Generator) -> None:
        self.maps, self.rng = maps, rng

    def nearness(self, frames: Frames, rows: Sequence[int]) -> pl.DataFrame:
        """One map per row."""
        lines = []
        for row in rows:
            noisy = (self.maps[row] + self.rng.normal(0, NOISE, (SIDE, SIDE))).clip(0, 1)
            lines.append((row, np.rint(noisy * 255).astype(np.uint8).tobytes()))
        return pl.DataFrame(lines, SCHEMA, orient="row")


def scene(rng: np.random.Generator) -> tuple[np.ndarray, list[tuple[float, ...]], list[float]]:
    """A floor that comes nearer downwards with boxes on it in columns of their own: map, boxes, their nearness."""
    floor = np.repeat(np.linspace(0, 1, SIDE)[:, None], SIDE, axis=1) ** float(rng.uniform(0.7, 2))
    boxes, near = [], []
    for number in range(OBJECTS):
        x0 = number / OBJECTS + float(rng.uniform(0.01, 0.05))
        box = x0, float(rng.uniform(0.1, 0.5)), x0 + float(rng.uniform(0.12, 0.18)), float(rng.uniform(0.6, 0.95))
        left, top, right, bottom = (round(edge * SIDE) for edge in box)
        near.append(float(rng.uniform(0.1, 0.95)))
        floor[top:bottom, left:right] = near[-1]
        boxes.append(box)
    return floor, boxes, near


def measure(seed: int) -> list[Figure]:
    """Errors of shares and of objects, and pairs of objects in the right order."""
    rng = np.random.default_rng([seed, 107])
    drawn = [scene(rng) for _ in range(SCENES)]
    frames = Frames(np.zeros((SCENES, 9, 16, 3), np.uint8), np.arange(SCENES, dtype=np.float64), np.arange(SCENES))
    rows = [
        {"time_s": float(at), "frame": at, "track": track, "label": "thing", "score": 0.9,
         **dict(zip(BOX, box, strict=True))}
        for at, (_, boxes, _) in enumerate(drawn) for track, box in enumerate(boxes)
    ]  # fmt: skip
    seen = pl.DataFrame(rows, schema=object_detection.ANALYZER.schema)
    table = run(frames, seen, Noisy([one[0] for one in drawn], rng))
    shares, objects, pairs = [], [], []
    for at, (floor, _, near) in enumerate(drawn):
        part = table.filter(pl.col("frame") == at)
        whole = part.filter(pl.col("kind") == "frame").row(0, named=True)
        shares += [abs(whole["near"] - (floor >= NEAR).mean()), abs(whole["far"] - (floor < FAR).mean())]
        said = part.filter(pl.col("kind") == "object").sort("track")["nearness"].to_list()
        objects += [abs(one - two) for one, two in zip(said, near, strict=True)]
        pairs += [
            (said[one] > said[two]) == (near[one] > near[two])
            for one, two in combinations(range(OBJECTS), 2)
            if abs(near[one] - near[two]) > 0.05
        ]
    stand_in = f"a stand-in model with noise of {NOISE:g} of the range"
    named = {"analyzer": "depth_estimation", "unit": "1"}
    return [
        Figure(
            what=f"mean error of near and far shares, {stand_in}", value=float(np.mean(shares)), cases=len(shares),
            at_most=0.05, **named,
        ),
        Figure(
            what=f"mean error of the nearness of objects, {stand_in}", value=float(np.mean(objects)),
            cases=len(objects), at_most=0.03, **named,
        ),
        Figure(
            what=f"pairs of objects in the right order, {stand_in}", value=float(np.mean(pairs)), cases=len(pairs),
            at_least=0.97, **named,
        ),
    ]  # fmt: skip
