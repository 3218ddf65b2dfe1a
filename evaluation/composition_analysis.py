"""Shapes of known place and outline, horizons of known tilt, and pictures of known symmetry."""

import numpy as np

from evaluation._mosaic import noisy
from evaluation.figure import Figure
from tests.kit.scene_streams import still
from vid_assets.analyzers.composition_analysis import run, thirds_distance
from vid_assets.synthetic.shapes import BACKGROUNDS, COLOURS, SHAPES, Shape, background, draw
from vid_assets.synthetic.textures import fractal, texture

SUBJECTS, HORIZONS, NO_HORIZONS, MIRRORS, BOXES = 60, 40, 40, 20, 30
HEIGHT, WIDTH = 360, 640
DIAGONAL = float(np.hypot(HEIGHT, WIDTH))


def answer(picture: np.ndarray) -> dict[str, float | None]:
    """The analyzer's row."""
    return run(still(picture)).row(0, named=True)


def named(what: str, value: float, cases: int, unit: str = "1", **bound: float) -> Figure:
    """A figure of this analyzer."""
    return Figure(analyzer="composition_analysis", what=what, value=value, unit=unit, cases=cases, **bound)


def of_subjects(seed: int) -> list[Figure]:
    """One shape before a plain wall; where it is, and how far it spreads, is counted from its pixels."""
    places, spreads, thirds = [], [], []
    for number in range(SUBJECTS):
        rng = np.random.default_rng([seed, number, 97])
        radius = float(rng.uniform(0.08, 0.22))
        x, y = float(rng.uniform(0.2, 0.8)), float(rng.uniform(0.1 + radius, 0.9 - radius))
        shape = Shape(SHAPES[number % len(SHAPES)], str(rng.choice(list(COLOURS))), x, y, radius)
        wall = background(str(rng.choice(list(BACKGROUNDS))), WIDTH, HEIGHT, rng)
        picture = wall.copy()
        draw(picture, shape)
        rows, columns = np.nonzero((picture != wall).any(axis=2))
        x, y = (columns.mean() + 0.5) / WIDTH, (rows.mean() + 0.5) / HEIGHT
        row = answer(picture)
        if row["salient_x"] is None:
            continue
        places.append(np.hypot((row["salient_x"] - x) * WIDTH, (row["salient_y"] - y) * HEIGHT) / DIAGONAL)
        spreads.append(abs(row["salient_spread"] * DIAGONAL / np.sqrt(rows.var() + columns.var()) - 1))
        thirds.append(abs(row["thirds_distance"] - thirds_distance(x, y, WIDTH / HEIGHT)))
    found = len(places)
    return [
        named("shapes that have a salient point", found / SUBJECTS, SUBJECTS, at_least=0.95),
        named("error of the salient point, 95th percentile", np.percentile(places, 95), found, "diagonals",
              at_most=0.01),
        named("error of its spread, 95th percentile, of the spread", np.percentile(spreads, 95), found, at_most=0.06),
        named("error of the distance from the thirds, 95th percentile", np.percentile(thirds, 95), found, "diagonals",
              at_most=0.01),
    ]  # fmt: skip


def of_horizons(seed: int) -> list[Figure]:
    """Sky over ground, the line between them tilted; and pictures without any line."""
    import cv2

    errors, invented = [], 0
    for number in range(HORIZONS):
        rng = np.random.default_rng([seed, number, 101])
        tilt, level = float(rng.uniform(-15, 15)), float(rng.uniform(0.3, 0.7) * HEIGHT)
        rise = np.tan(np.radians(tilt)) * WIDTH / 2
        sky, ground = rng.integers(140, 240, 3), rng.integers(20, 110, 3)
        picture = np.full((HEIGHT, WIDTH, 3), sky, np.uint8)
        corners = np.array([[0, level + rise], [WIDTH, level - rise], [WIDTH, 2 * HEIGHT], [0, 2 * HEIGHT]], np.int32)
        cv2.fillPoly(picture, [corners], ground.tolist(), cv2.LINE_AA)
        found = answer(noisy(picture, float(rng.uniform(1, 5)), rng))["horizon_tilt_deg"]
        if found is not None:
            errors.append(abs(found - tilt))
    for number in range(NO_HORIZONS):
        rng = np.random.default_rng([seed, number, 103])
        look = ("noise", "blobs")[number % 2]
        picture = texture(look, WIDTH, HEIGHT, HEIGHT, number, int(rng.integers(2**31)))
        invented += answer(picture)["horizon_tilt_deg"] is not None
    return [
        named("horizons found", len(errors) / HORIZONS, HORIZONS, at_least=0.9),
        named("error of the horizon's tilt, 95th percentile", np.percentile(errors, 95), len(errors), "deg",
              at_most=0.5),
        named("horizons invented where there is no line", invented / NO_HORIZONS, NO_HORIZONS, at_most=0.05),
    ]  # fmt: skip


def of_mirrors(seed: int) -> list[Figure]:
    """An even and an odd pattern of equal strength, mixed: cos a and sin a of them correlate by cos 2a."""
    errors = []
    for number in range(MIRRORS):
        rng = np.random.default_rng([seed, number, 107])
        one = fractal(WIDTH, HEIGHT, HEIGHT, rng)[:, : WIDTH // 2].astype(np.float64)
        one -= one.mean()
        even, odd = np.hstack([one, one[:, ::-1]]), np.hstack([one, -one[:, ::-1]])
        angle = float(rng.uniform(0, np.pi / 2))
        picture = 128 + 30 * (np.cos(angle) * even + np.sin(angle) * odd) / one.std()
        row = answer(noisy(np.repeat(picture[..., None], 3, axis=2), 1.0, rng))
        errors.append(abs((row["symmetry"] or 0.0) - np.cos(2 * angle)))
    return [named("error of the symmetry, largest", max(errors), MIRRORS, at_most=0.02)]


def of_boxes(seed: int) -> list[Figure]:
    """Rectangles of known outline in places of their own."""
    lengths, spaces = [], []
    for number in range(BOXES):
        rng = np.random.default_rng([seed, number, 109])
        picture = background("black", WIDTH, HEIGHT, rng)
        cell = WIDTH // 32
        outline = np.zeros((HEIGHT, WIDTH), bool)
        for column in range(4):
            for row in range(2):
                if rng.random() < 0.4:
                    continue
                left, right = rng.integers(10, 60) + 160 * column, rng.integers(80, 150) + 160 * column
                top, bottom = rng.integers(10, 70) + 180 * row, rng.integers(90, 170) + 180 * row
                picture[top:bottom, left:right] = rng.integers(120, 256, 3)
                inner = np.zeros_like(outline)
                inner[top:bottom, left:right] = True
                inner[top + 1 : bottom - 1, left + 1 : right - 1] = False
                outline |= inner
        busy = outline.reshape(HEIGHT // cell, cell, WIDTH // cell, cell).any(axis=(1, 3))
        padded = np.pad(busy, 1)
        near = np.any([padded[a : a + len(busy), b : b + busy.shape[1]] for a in range(3) for b in range(3)], axis=0)
        found = answer(picture)
        spaces.append(abs((found["negative_space"] or 0.0) - (1 - near.mean())))
        if outline.any():
            lengths.append(abs((found["edge_density"] or 0.0) / outline.mean() - 1))
    return [
        named("error of the edge density, 95th percentile, of the density", np.percentile(lengths, 95), len(lengths),
              at_most=0.05),
        named("error of the negative space, 95th percentile", np.percentile(spaces, 95), BOXES, at_most=0.08),
    ]  # fmt: skip


def measure(seed: int) -> list[Figure]:
    """Salient points, horizons, symmetry, edges."""
    return [*of_subjects(seed), *of_horizons(seed), *of_mirrors(seed), *of_boxes(seed)]
