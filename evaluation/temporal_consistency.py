"""Flicker, repeated frames, irregular times and jitter of known strength, second by second."""

import numpy as np
import polars as pl

from evaluation.figure import Figure
from tests.kit.scene_streams import Streams, of_clip, streams
from vid_assets.analyzers.temporal_consistency import run
from vid_assets.synthetic.clips import TEXTURES, Clip, Fade, Pan, Shot, Tilt
from vid_assets.synthetic.textures import texture

FLICKERS, STEADY, REPEATS, TIMES, HANDS = 24, 20, 20, 20, 24
MARGIN = 70  # px of the large picture around the one that is seen
SEEN = 270, 480


def answer(made: Streams) -> pl.DataFrame:
    """The analyzer's rows."""
    return run(made.video, made.thumbs, made.cuts)


def named(what: str, value: float, cases: int, unit: str = "1", **bound: float) -> Figure:
    """A figure of this analyzer."""
    return Figure(analyzer="temporal_consistency", what=what, value=float(value), unit=unit, cases=cases, **bound)


def of_flicker(seed: int) -> list[Figure]:
    """A picture that is brighter in every second frame; and fades, cuts and camera work, which are no flicker."""
    errors, calm = [], []
    for number in range(FLICKERS):
        rng = np.random.default_rng([seed, number, 149])
        levels = int(rng.integers(2, 25))
        world = texture(str(rng.choice(TEXTURES)), 192, 108, 108, number, int(rng.integers(2**31))).clip(0, 230)
        table = answer(streams(world + np.uint8(levels * (frame % 2)) for frame in range(50)))
        errors += [100 * abs(flicker / (levels / 255) - 1) for flicker in table["flicker"]]
    for number in range(STEADY):
        rng = np.random.default_rng([seed, number, 151])
        moves = [kind(float(rng.uniform(-0.4, 0.4))) for kind in (Pan, Tilt)]
        shots = tuple(
            Shot(1.5, texture=look, palette=palette, seed=number, camera=camera, enter=Fade(0.6))
            for look, palette, camera in zip(
                rng.choice(TEXTURES, 2).tolist(), rng.choice(8, 2, replace=False).tolist(), moves, strict=True
            )
        )
        made, _ = of_clip(Clip(shots, width=192, height=108))
        calm.append(float(answer(made)["flicker"].max() or 0.0))
    return [
        named("error of the flicker, 95th percentile", np.percentile(errors, 95), len(errors), "%", at_most=3),
        named("flicker of steady clips with fades, largest", max(calm), STEADY, at_most=0.004),
    ]


def view(world: np.ndarray, x: float, y: float) -> np.ndarray:
    """What is seen of a large picture, so many px from its middle."""
    left, top = round(MARGIN + x), round(MARGIN + y)
    return world[top : top + SEEN[0], left : left + SEEN[1]]


def large(rng: np.random.Generator, number: int, width: int = 2 * MARGIN + 480) -> np.ndarray:
    """A large picture."""
    look = str(rng.choice(TEXTURES))
    return texture(look, width, 2 * MARGIN + SEEN[0], SEEN[0], number, int(rng.integers(2**31)))


def of_repeats(seed: int) -> list[Figure]:
    """Pans in which some frames show the one before again: every so many, or at random."""
    errors = []
    for number in range(REPEATS):
        rng = np.random.default_rng([seed, number, 157])
        world, step = large(rng, number, 1000), float(rng.uniform(1.5, 4))
        every = int(rng.integers(2, 6))
        again = np.arange(100) % every == every - 1 if number % 2 else rng.random(100) < rng.uniform(0, 0.5)
        again[0] = False
        shown = np.maximum.accumulate(np.where(again, 0, np.arange(100)))
        table = answer(streams(view(world, step * frame - MARGIN, 0) for frame in shown))
        # The first second has one step less, since nothing comes before the first frame.
        true = [again[1:25].mean(), *(again[at : at + 25].mean() for at in (25, 50, 75))]
        errors += [abs((share or 0.0) - known) for share, known in zip(table["repeated"], true, strict=True)]
    return [
        named("error of the share of repeated frames, 95th percentile", np.percentile(errors, 95), len(errors),
              at_most=0.03),
    ]  # fmt: skip


def of_times(seed: int) -> list[Figure]:
    """Frames that come at random times, which the file rounds to a millisecond."""
    errors = []
    picture = np.full((54, 96, 3), 90, np.uint8)
    for number in range(TIMES):
        rng = np.random.default_rng([seed, number, 163])
        gaps = 0.04 * np.exp(rng.normal(0, float(rng.uniform(0.1, 0.6)), 120))
        times = np.concatenate([[0.0], np.cumsum(gaps)])
        table = answer(streams([picture] * len(times), 25.0, times.round(3)))
        for second, found in enumerate(table["irregular"].to_list()[:-1]):
            inside = gaps[(times[1:].round(3) >= second) & (times[1:].round(3) < second + 1)]
            errors.append(abs((found or 0.0) - inside.std() / inside.mean()))
    return [named("error of the irregularity of frame times, largest", max(errors), len(errors), at_most=0.01)]


def of_hands(seed: int) -> list[Figure]:
    """Pictures that jump about a point; the second difference of independent places has six times their variance."""
    errors, calm = [], []
    for number in range(HANDS):
        rng = np.random.default_rng([seed, number, 167])
        world, sigma = large(rng, number), float(rng.uniform(2, 7))
        path = np.clip(rng.normal(0, sigma, (75, 2)), -MARGIN, MARGIN).round()
        table = answer(streams(view(world, x, y) for x, y in path))
        jitter = table["jitter"].drop_nulls().to_numpy()
        bends = np.diff(path, n=2, axis=0)
        true = float(np.sqrt((bends**2).sum(axis=1).mean())) / SEEN[1]
        if len(jitter):
            errors.append(100 * abs(np.sqrt((jitter**2).mean()) / true - 1))
    for number in range(STEADY):
        rng = np.random.default_rng([seed, number, 173])
        camera = (Pan, Tilt)[number % 2](float(rng.uniform(0.05, 0.5)))
        shot = Shot(2.0, texture=str(rng.choice(TEXTURES)), palette=number, seed=number, camera=camera)
        made, _ = of_clip(Clip((shot,), width=480, height=270))
        calm.append(float(answer(made)["jitter"].max() or 0.0))
    return [
        named("jitter measured, share of clips", len(errors) / HANDS, HANDS, at_least=0.9),
        named("error of the jitter, 95th percentile", np.percentile(errors, 95), len(errors), "%", at_most=30),
        named("jitter of steady pans and tilts, largest", max(calm), STEADY, "widths", at_most=0.002),
    ]


def measure(seed: int) -> list[Figure]:
    """Flicker, repeats, times, jitter."""
    return [*of_flicker(seed), *of_repeats(seed), *of_times(seed), *of_hands(seed)]
