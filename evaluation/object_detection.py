"""Tracks of simulated people: they walk and cross, boxes are noisy, some are missed, covered ones are not seen."""

from itertools import pairwise

import numpy as np
import polars as pl

from evaluation._seen import of_objects
from evaluation.figure import Calibration, Figure
from vid_assets.analyzers import cut_analysis
from vid_assets.analyzers.object_detection import BOX, run
from vid_assets.contract import Frames

SCENES, PICTURES = 40, 30
HEIGHT, WIDTH = 180, 320
NOISE, MISSED, COVERED = 0.04, 0.1, 0.6  # of the box's size; of the boxes; of the box's area

Rows = list[list[tuple[str, float, float, float, float, float]]]


class Boxes:
    """A detector that answers with known boxes."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def detect(self, frames: Frames, rows: range) -> pl.DataFrame:
        """The boxes of these rows."""
        schema = {"row": pl.Int64, "label": pl.String, "score": pl.Float64, **dict.fromkeys(BOX, pl.Float64)}
        return pl.DataFrame([(row, *box) for row in rows for box in self.rows[row]], schema, orient="row")


def simulate(rng: np.random.Generator) -> tuple[Frames, Rows, list[list[int]]]:
    """Pictures, boxes, and for each box who it is: two to six walkers in two colours each, far ones drawn first."""
    count = int(rng.integers(2, 7))
    heights = np.sort(rng.uniform(0.2, 0.6, count))
    sizes = np.stack([0.4 * heights * HEIGHT / WIDTH, heights], axis=1)
    middles = rng.uniform([0, 0.4], [1, 0.6], (count, 2))
    steps = rng.uniform([-0.06, -0.01], [0.06, 0.01], (count, 2))  # widths and heights in half a second
    clothes = rng.integers(0, 256, (count, 2, 3))
    array = np.empty((PICTURES, HEIGHT, WIDTH, 3), np.uint8)
    array[:] = rng.integers(0, 256, (HEIGHT // 10, WIDTH // 10, 3)).repeat(10, axis=0).repeat(10, axis=1)
    rows: Rows = []
    names: list[list[int]] = []
    for picture in array:
        middles = middles + steps + rng.normal(0, 0.005, (count, 2))
        edges = np.concatenate([middles - sizes / 2, middles + sizes / 2], axis=1).clip(0, 1)
        shown = np.full((HEIGHT, WIDTH), -1)
        for who, (x0, y0, x1, y1) in enumerate(edges * [WIDTH, HEIGHT, WIDTH, HEIGHT]):
            left, top, waist, right, bottom = (round(at) for at in (x0, y0, (y0 + y1) / 2, x1, y1))
            shown[top:bottom, left:right] = who
            picture[top:waist, left:right] = clothes[who, 0]
            picture[waist:bottom, left:right] = clothes[who, 1]
        picture[:] = (picture + rng.normal(0, 8, picture.shape)).clip(0, 255)
        rows.append([])
        names.append([])
        for who, edge in enumerate(edges):
            area = float(np.prod((edge[2:] - edge[:2]) * [WIDTH, HEIGHT]))
            whole = float(np.prod(sizes[who] * [WIDTH, HEIGHT]))
            if area < whole / 4 or (shown == who).sum() < (1 - COVERED) * area or rng.random() < MISSED:
                continue
            noisy = np.clip(edge + rng.normal(0, NOISE, 4) * np.tile(sizes[who], 2), 0, 1)
            rows[-1].append(("person", float(rng.uniform(0.4, 0.9)), *noisy.tolist()))
            names[-1].append(who)
    return Frames(array, np.arange(PICTURES) / 2, np.arange(PICTURES) * 12), rows, names


def measure(seed: int) -> list[Figure | Calibration]:
    """Tracks of simulated walkers, and objects on footage."""
    return [*of_walkers(seed), *of_objects()]


def of_walkers(seed: int) -> list[Figure]:
    """Identity switches, and how much of a walker's boxes its commonest track has."""
    rng = np.random.default_rng([seed, 43])
    switches = continued = kept = boxes = 0
    for _ in range(SCENES):
        frames, rows, names = simulate(rng)
        table = run(frames, cut_analysis.ANALYZER.empty(), Boxes(rows))
        tracks = {(frame, x0, y0): track for frame, x0, y0, track in table.select("frame", "x0", "y0", "track").rows()}
        walks: dict[int, list[int]] = {}
        for place, (row, whos) in enumerate(zip(rows, names, strict=True)):
            for box, who in zip(row, whos, strict=True):
                walks.setdefault(who, []).append(tracks[int(frames.indices[place]), box[2], box[3]])
        for walk in walks.values():
            switches += sum(one != two for one, two in pairwise(walk))
            continued += len(walk) - 1
            kept += max(walk.count(track) for track in walk)
            boxes += len(walk)
    name = "object_detection"
    return [
        Figure(
            analyzer=name, what="identity switches of simulated walkers, of continuations", value=switches / continued,
            unit="1", cases=continued, at_most=0.05,
        ),
        Figure(
            analyzer=name, what="boxes of a walker in its commonest track", value=kept / boxes, unit="1", cases=boxes,
            at_least=0.85,
        ),
    ]  # fmt: skip
