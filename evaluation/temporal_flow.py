"""Motion energy of moving boxes, and cutting of random clips, from what their script says."""

from itertools import pairwise

import numpy as np
import polars as pl

from evaluation.cut_analysis import SEEN
from evaluation.figure import Figure
from tests.kit.scene_streams import Streams, of_clip, streams
from vid_assets.analyzers.temporal_flow import SPREAD_S, run
from vid_assets.synthetic.clips import TEXTURES, Clip, Pan, Shot, random_clip
from vid_assets.synthetic.truth import Truth

BOXES, CLIPS, PACES = 24, 30, 20
SIZE = {"width": 192, "height": 108}


def answer(made: Streams) -> pl.DataFrame:
    """The analyzer's rows."""
    return run(made.video, made.thumbs, made.cuts)


def named(what: str, value: float, cases: int, unit: str = "1", **bound: float) -> Figure:
    """A figure of this analyzer."""
    return Figure(analyzer="temporal_flow", what=what, value=float(value), unit=unit, cases=cases, **bound)


def of_boxes(seed: int) -> list[Figure]:
    """A box before a plain wall: in a second its edges sweep twice its height times its way."""
    errors = []
    for number in range(BOXES):
        rng = np.random.default_rng([seed, number, 179])
        height, width = int(rng.integers(60, 200)), int(rng.integers(60, 150))
        step, difference = int(rng.integers(1, 5)), int(rng.integers(30, 150))
        top, fps = int(rng.integers(10, 60)), int(rng.choice([24, 25, 30]))
        pictures = []
        for frame in range(3 * fps):
            picture = np.full((270, 480, 3), 60, np.uint8)
            left = 10 + step * frame % 300
            picture[top : top + height, left : left + width] = 60 + difference
            pictures.append(picture)
        energy = answer(streams(pictures, fps))["motion_energy"][0]
        true = 2 * height / 270 * step / 480 * fps * difference / 255
        errors.append(100 * abs(energy / true - 1))
    return [named("error of the motion energy of a box, 95th percentile", np.percentile(errors, 95), BOXES, "%",
                  at_most=2)]  # fmt: skip


def true_rate(known: Truth, moment_s: float) -> float:
    """Boundaries per second about a moment, under the window that the analyzer names."""
    times = np.array([(last + first) / 2 / known.fps for _, last, first in known.boundaries])
    axis = np.arange(0.005, known.duration_s, 0.01)

    def window(at: np.ndarray) -> np.ndarray:
        return np.exp(-(((at - moment_s) / SPREAD_S) ** 2) / 2)

    return float(window(times).sum() / (window(axis).sum() * 0.01))


def true_rhythm(known: Truth) -> float:
    """Coefficient of variation of the lengths of all shots; transitions belong to none."""
    starts = [0, *(boundary.first_frame for boundary in known.boundaries)]
    ends = [*(b.first_frame if b.kind == "cut" else b.last_frame for b in known.boundaries), known.frame_count]
    lengths = np.array(ends) - np.array(starts)
    return float(lengths.std() / lengths.mean())


def of_cutting(seed: int) -> list[Figure]:
    """Boundaries, their rate and their rhythm in clips with fades, dissolves, flashes and fast pans."""
    right = seconds = 0
    rates, rhythms = [], []
    for number in range(CLIPS):
        made, known = of_clip(random_clip(1000 * seed + number + 600_000, duration_s=12, features=SEEN, **SIZE))
        table = answer(made)
        middles = [(last + first) / 2 / known.fps for _, last, first in known.boundaries]
        true = np.histogram(middles, [*table["start_s"], known.duration_s])[0]
        right += int((table["boundaries"].to_numpy() == true).sum())
        seconds += table.height
        for start, end, rate in table.select("start_s", "end_s", "shot_rate").rows():
            rates.append(abs(rate - true_rate(known, (start + end) / 2)))
        if len(known.boundaries) >= 2 and table["rhythm"][0] is not None:
            rhythms.append(abs(table["rhythm"][0] - true_rhythm(known)))
    return [
        named("seconds with the right count of boundaries", right / seconds, seconds, at_least=0.9),
        named("error of the shot rate, mean", np.mean(rates), len(rates), "1/s", at_most=0.06),
        named("error of the rhythm, mean", np.mean(rhythms), len(rhythms), at_most=0.1),
    ]


def of_paces(seed: int) -> list[Figure]:
    """Three parts, from the calmest to the busiest in their camera work and their cutting, in random order."""
    right = 0
    for number in range(PACES):
        rng = np.random.default_rng([seed, number, 181])
        order = rng.permutation(3).tolist()
        shots = []
        for pace in order:
            length_s = (6.0, 2.0, 1.0)[pace]
            for _ in range(round(6 / length_s)):
                look, rate = str(rng.choice(TEXTURES)), (0.03, 0.15, 0.5)[pace] * float(rng.choice([-1, 1]))
                shots.append(
                    Shot(length_s, texture=look, palette=len(shots), seed=int(rng.integers(2**31)), camera=Pan(rate))
                )
        tempo = answer(of_clip(Clip(tuple(shots), **SIZE))[0])["tempo"].to_numpy()
        means = [float(np.nanmean(tempo[6 * order.index(pace) : 6 * order.index(pace) + 6])) for pace in range(3)]
        right += sum(one < two for one, two in pairwise(means))
    return [named("parts of other pace in their right order by tempo", right / 2 / PACES, 2 * PACES, at_least=0.9)]


def measure(seed: int) -> list[Figure]:
    """Motion energy, cutting, tempo."""
    return [*of_boxes(seed), *of_cutting(seed), *of_paces(seed)]
