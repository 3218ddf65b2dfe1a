"""How steady the age of a drawn face is, and what the analyzer makes of known ages with known errors.

No face here has an age: how far the network is from people's true ages cannot be told without photographs of them.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from evaluation._heads import drawn, random_person
from evaluation._models import model
from evaluation._seen import of_ages
from evaluation.figure import Figure
from resources.models.ages import SCHEMA
from resources.tasks.ages import AGES
from vid_assets.analyzers import eye_tracking
from vid_assets.analyzers.age_estimation import run
from vid_assets.contract import Frames

PEOPLE, VIEWS = 20, 4
TRACKS, PICTURES, ERROR_YEARS, WIDTH_YEARS = 100, 12, 8.0, 8.0
BOX = (0.3, 0.2, 0.7, 0.9)


class Noisy:
    """Ages off by `ERROR_YEARS` in each picture, as bells of `WIDTH_YEARS` over the years."""

    def __init__(self, truth: Sequence[float], rng: np.random.Generator) -> None:
        self.truth, self.rng = truth, rng

    def ages(self, frames: Frames, rows: Sequence[int], boxes: Sequence[Sequence[float]]) -> pl.DataFrame:
        """Picture k shows person k // `PICTURES`."""
        years = np.arange(100) + 0.5
        lines = []
        for face, row in enumerate(rows):
            off = (years - self.truth[row // PICTURES] - self.rng.normal(0, ERROR_YEARS)) / WIDTH_YEARS
            bell = np.exp(-(off**2) / 2)
            lines.append((face, (bell / bell.sum()).tolist()))
        return pl.DataFrame(lines, SCHEMA, orient="row")


def faces(boxes: Sequence[Sequence[float]], tracks: Sequence[int]) -> pl.DataFrame:
    """Rows of `eye_tracking`, one per picture: straight faces."""
    rows = [
        {
            "time_s": float(at), "frame": at, "track": track, "score": 0.9, "x0": box[0], "y0": box[1], "x1": box[2],
            "y1": box[3], "head_yaw_deg": 0.0, "closed": False,
        }
        for at, (box, track) in enumerate(zip(boxes, tracks, strict=True))
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=eye_tracking.ANALYZER.schema)


def spread(rng: np.random.Generator) -> float:
    """Standard deviation of the age of one drawn face in other sizes, places and light, mean over people, in years."""
    pictures, boxes, size = [], [], (360, 640, 3)
    for _ in range(PEOPLE):
        person = replace(random_person(rng, turned=0.0), eye_yaw=0.0, eye_pitch=0.0)
        for _ in range(VIEWS):
            view = replace(
                person, size=float(rng.uniform(0.35, 0.6)), x=float(rng.uniform(0.35, 0.65)),
                y=float(rng.uniform(0.4, 0.5)),
            )  # fmt: skip
            ground = np.full(size, rng.integers(60, 180, 3), np.uint8)
            picture = drawn(view, ground)[0] * rng.uniform(0.8, 1.1)
            pictures.append(picture.clip(0, 255).astype(np.uint8))
            across, down = view.size * 0.45 * size[0] / size[1], 0.55 * view.size
            middle = view.y + 0.05 * view.size
            boxes.append((view.x - across, middle - down, view.x + across, middle + down))
    frames = Frames(np.stack(pictures), np.arange(len(pictures), dtype=np.float64), np.arange(len(pictures)))
    table = run(frames, faces(boxes, range(len(pictures))), model(AGES))
    return float(table.sort("track")["age"].to_numpy().reshape(PEOPLE, VIEWS).std(axis=1).mean())


def measure(seed: int) -> list[Figure]:
    """The spread, and error and interval over noisy pictures."""
    rng = np.random.default_rng([seed, 67])
    truth = rng.uniform(20, 80, TRACKS)
    count = TRACKS * PICTURES
    frames = Frames(np.zeros((count, 100, 100, 3), np.uint8), np.arange(count, dtype=np.float64), np.arange(count))
    table = run(frames, faces([BOX] * count, [at // PICTURES for at in range(count)]), Noisy(truth, rng)).sort("track")
    errors = np.abs(table["age"].to_numpy() - truth)
    inside = (table["age_low"].to_numpy() <= truth) & (truth <= table["age_high"].to_numpy())
    stand_in = f"a stand-in model that is off by {ERROR_YEARS:g} years in each of {PICTURES} pictures"
    name = "age_estimation"
    return [
        Figure(
            analyzer=name, what="spread of the age of one drawn face over size, place and light", value=spread(rng),
            unit="years", cases=PEOPLE * VIEWS, at_most=2,
        ),
        Figure(
            analyzer=name, what=f"mean error with {stand_in}", value=float(errors.mean()), unit="years", cases=TRACKS,
            at_most=2.5,
        ),
        Figure(
            analyzer=name, what=f"true ages within the interval, with {stand_in}", value=float(inside.mean()), unit="1",
            cases=TRACKS, at_least=0.9,
        ),
        *of_ages(),
    ]  # fmt: skip
