"""Camera work of single shots behind moving shapes, of shots that change their move, of shaking hands, and of none."""

import numpy as np
import polars as pl

from evaluation._stretches import of_camera
from evaluation.cut_analysis import Count
from evaluation.figure import Figure
from tests.kit.scene_streams import Streams, of_clip, streams
from vid_assets.analyzers.camera_analysis import run
from vid_assets.synthetic.clips import TEXTURES, Clip, Move, Pan, Shot, Static, Tilt, Zoom, random_shapes
from vid_assets.synthetic.textures import texture

SINGLE, SEVERAL, HANDS, PLAIN = 80, 20, 40, 40
SIZE = {"width": 320, "height": 180}
MOVES: dict[str, type[Pan | Tilt | Zoom]] = {"pan": Pan, "tilt": Tilt, "zoom": Zoom}
UNITS = {"pan": ("widths/s", 0.025), "tilt": ("heights/s", 0.025), "zoom": ("ln/s", 0.035)}  # and bounds
NEAR_S = 0.12


def answer(made: Streams) -> pl.DataFrame:
    """The analyzer's answer."""
    return run(made.video, made.thumbs, made.cuts)


def random_move(rng: np.random.Generator, kind: str, seconds: float = float("inf")) -> Move:
    """A move of random rate to either side."""
    fastest = 0.3 if kind == "zoom" else 0.6
    return MOVES[kind](float(rng.uniform(0.06, fastest) * rng.choice([-1, 1])), seconds)


def of_single_moves(seed: int) -> list[Figure]:
    """Kinds and rates of one move per shot; the shapes before it move on their own."""
    right, errors = 0, {kind: [] for kind in MOVES}
    kinds = (*MOVES, "static")
    for number in range(SINGLE):
        rng = np.random.default_rng([seed, number, 61])
        kind = kinds[number % len(kinds)]
        camera = Static() if kind == "static" else random_move(rng, kind)
        shapes = random_shapes(rng, int(rng.integers(0, 3)), seconds=2.5)
        shot = Shot(
            2.5, texture=str(rng.choice(TEXTURES)), palette=number, seed=int(rng.integers(2**31)), camera=camera,
            shapes=shapes,
        )  # fmt: skip
        table = answer(of_clip(Clip((shot,), **SIZE))[0])
        longest = table[int((table["end_s"] - table["start_s"]).arg_max() or 0)].row(0, named=True)
        right += longest["kind"] == kind and table.height == 1
        for name, missed in errors.items():
            if name == kind and not isinstance(camera, Static) and longest[f"{name}_rate"] is not None:
                missed.append(abs(longest[f"{name}_rate"] - camera.rate))
    named = {"analyzer": "camera_analysis"}
    return [
        Figure(what="shots told as the one move that they are", value=right / SINGLE, unit="1", cases=SINGLE,
               at_least=0.9, **named),
        *(
            Figure(what=f"error of the rate of {kind}s, 95th percentile", value=float(np.percentile(missed, 95)),
                   unit=UNITS[kind][0], cases=len(missed), at_most=UNITS[kind][1], **named)
            for kind, missed in errors.items()
        ),
    ]  # fmt: skip


def of_changes(seed: int) -> list[Figure]:
    """When the camera changes what it does."""
    count = Count()
    for number in range(SEVERAL):
        rng = np.random.default_rng([seed, number, 67])
        moves: list[Move] = []
        for kind in rng.permutation(["pan", "tilt", "zoom", "static"]).tolist():
            seconds = round(float(rng.uniform(0.8, 1.4)), 2)
            moves.append(Static(seconds) if kind == "static" else random_move(rng, kind, seconds))
        length_s = sum(move.seconds for move in moves)
        shot = Shot(length_s, texture=str(rng.choice(TEXTURES)), palette=number, seed=number, camera=tuple(moves))
        made, known = of_clip(Clip((shot,), **SIZE))
        found, true = answer(made)["start_s"].to_list()[1:], [move.start_s for move in known.camera[1:]]
        count.add(found, true, lambda one, two: abs(one - two) <= NEAR_S)
    return [
        Figure(
            analyzer="camera_analysis", what=f"F1 of changes of camera work, {NEAR_S:g} s", value=count.f1, unit="1",
            cases=count.cases, at_least=0.9,
        )
    ]  # fmt: skip


def of_hands(seed: int) -> list[Figure]:
    """Pictures cut from a large one at places that shake about a point."""
    from scipy.stats import spearmanr

    sigmas, shakes = [], []
    for number in range(HANDS):
        rng = np.random.default_rng([seed, number, 71])
        sigma = float(rng.uniform(0.5, 8))
        world = texture(str(rng.choice(TEXTURES)), 600, 400, 270, number, int(rng.integers(2**31)))
        path = np.clip(rng.normal(0, sigma, (50, 2)), -50, 50).round().astype(int)
        table = answer(streams(world[60 + y : 330 + y, 60 + x : 540 + x] for x, y in path))
        known = table.drop_nulls("shake")
        if known.height:
            sigmas.append(sigma)
            shakes.append(float(np.average(known["shake"], weights=known["end_s"] - known["start_s"])))
    value = float(spearmanr(sigmas, shakes).statistic)
    return [
        Figure(
            analyzer="camera_analysis", what="rank correlation of shake with that of the hand", value=value, unit="1",
            cases=len(sigmas), at_least=0.85,
        )
    ]  # fmt: skip


def of_plain(seed: int) -> list[Figure]:
    """Shapes that move before a plain wall: there is no camera work to be seen."""
    invented = 0
    for number in range(PLAIN):
        rng = np.random.default_rng([seed, number, 73])
        shapes = random_shapes(rng, int(rng.integers(1, 4)), seconds=2.0)
        shot = Shot(2.0, background=("black", "grey", "brown")[number % 3], seed=number, shapes=shapes)
        kinds = set(answer(of_clip(Clip((shot,), **SIZE))[0])["kind"])
        invented += not kinds <= {"unclear", "static"}
    return [
        Figure(
            analyzer="camera_analysis", what="plain walls with moving shapes told as moving cameras",
            value=invented / PLAIN, unit="1", cases=PLAIN, at_most=0.25,
        )
    ]  # fmt: skip


def measure(seed: int) -> list[Figure]:
    """Kinds, rates, changes, shake, and moves that there are not."""
    return [*of_single_moves(seed), *of_changes(seed), *of_hands(seed), *of_plain(seed), *of_camera()]
