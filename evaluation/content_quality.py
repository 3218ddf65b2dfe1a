"""Noise, blur, clipping and JPEG blocks of known strength."""

from itertools import pairwise

import numpy as np

from evaluation._mosaic import noisy
from evaluation.figure import Figure
from tests.kit.scene_streams import still
from vid_assets.analyzers.content_quality import run
from vid_assets.contract import Video
from vid_assets.synthetic.clips import TEXTURES, Blur, Clip, Grain, Shot, frames, random_shapes
from vid_assets.synthetic.textures import texture

GRAINS, BLURS, CLIPPED, BLOCKS, LADDERS = 40, 40, 20, 20, 15
HEIGHT, WIDTH = 360, 640
VIDEO = Video("clip", 100.0, WIDTH, HEIGHT, 25.0, 100, True, False)
PX = 1000 / HEIGHT  # the unit of edge_blur


def answer(*pictures: np.ndarray) -> list[dict[str, float | None]]:
    """The analyzer's rows."""
    return run(VIDEO, still(*pictures)).rows(named=True)


def named(what: str, value: float, cases: int, unit: str = "1", **bound: float) -> Figure:
    """A figure of this analyzer."""
    return Figure(analyzer="content_quality", what=what, value=float(value), unit=unit, cases=cases, **bound)


def picture(rng: np.random.Generator, number: int, **effects: tuple) -> np.ndarray:
    """The only picture of a clip with two shapes before a texture."""
    shot = Shot(
        0.04, texture=TEXTURES[number % len(TEXTURES)], seed=int(rng.integers(2**31)), palette=int(rng.integers(8)),
        shapes=random_shapes(rng, 2, seconds=1.0),
    )  # fmt: skip
    return next(frames(Clip(shots=(shot,), seed=int(rng.integers(2**31)), **effects)))


def of_grain(seed: int) -> list[Figure]:
    """Grain over every texture."""
    errors = []
    for number in range(GRAINS):
        rng = np.random.default_rng([seed, number, 113])
        sigma = float(rng.uniform(2, 20))
        found = answer(picture(rng, number, grain=(Grain(sigma),)))[0]["noise_sigma"]
        if found is not None:
            errors.append(100 * abs(found / sigma - 1))
    return [
        named("noise measured, share of pictures", len(errors) / GRAINS, GRAINS, at_least=0.95),
        named("error of the noise sigma, 95th percentile", np.percentile(errors, 95), len(errors), "%", at_most=8),
    ]


def of_blur(seed: int) -> list[Figure]:
    """Polygons drawn four times as large, shrunk and blurred: a px's own width is a blur of 1 / sqrt(12) px."""
    import cv2

    errors = []
    for number in range(BLURS):
        rng = np.random.default_rng([seed, number, 127])
        sigma = float(rng.uniform(0.8, 5))
        large = np.full((4 * HEIGHT, 4 * WIDTH, 3), rng.integers(20, 236, 3), np.uint8)
        for _ in range(25):
            middle, radius = rng.uniform(0, [4 * WIDTH, 4 * HEIGHT]), float(rng.uniform(150, 500))
            angles = np.sort(rng.uniform(0, 2 * np.pi, 5))
            corners = middle + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
            cv2.fillPoly(large, [corners.astype(np.int32)], rng.integers(20, 236, 3).tolist())
        sharp = cv2.resize(large, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        blurred = cv2.GaussianBlur(sharp.astype(np.float64), (0, 0), sigma)
        found = answer(noisy(blurred, float(rng.uniform(0, 3)), rng))[0]["edge_blur"]
        if found is not None:
            errors.append(100 * abs(found / (PX * np.hypot(sigma, 12**-0.5)) - 1))
    return [
        named("blur measured, share of pictures", len(errors) / BLURS, BLURS, at_least=0.95),
        named(
            "error of the edge blur of polygons, 95th percentile",
            np.percentile(errors, 95),
            len(errors),
            "%",
            at_most=15,
        ),
    ]


def of_clipping(seed: int) -> list[Figure]:
    """Black and white rectangles of known area in a picture that is neither."""
    errors = []
    for number in range(CLIPPED):
        rng = np.random.default_rng([seed, number, 131])
        look = np.clip(picture(rng, number), 30, 225)
        dark, bright = (int(count) for count in rng.integers(10, WIDTH // 2, 2))
        look[:, :dark], look[:, WIDTH - bright :] = rng.integers(0, 3), 255 - rng.integers(0, 3)
        (row,) = answer(look)
        errors += [
            abs((row["clipped_dark"] or 0.0) - dark / WIDTH),
            abs((row["clipped_bright"] or 0.0) - bright / WIDTH),
        ]
    return [named("error of the clipped shares, largest", max(errors), len(errors), at_most=0.005)]


def of_blocks(seed: int) -> list[Figure]:
    """Textures as JPEG of falling quality."""
    import cv2

    right = ordered = 0
    qualities = (60, 30, 15, 5)
    for number in range(BLOCKS):
        rng = np.random.default_rng([seed, number, 137])
        clean = texture(TEXTURES[number % len(TEXTURES)], WIDTH, HEIGHT, HEIGHT, number, int(rng.integers(2**31)))
        coded = [cv2.imencode(".jpg", clean, [cv2.IMWRITE_JPEG_QUALITY, quality])[1] for quality in qualities]
        rows = answer(clean, *(cv2.imdecode(data, cv2.IMREAD_COLOR) for data in coded))
        values = [row["blockiness"] or 0.0 for row in rows]
        right += (values[0] < 1.2) + (values[3] > 1.2)
        ordered += sum(one < two for one, two in pairwise(values))
    steps = BLOCKS * len(qualities)
    return [
        named("clean pictures under 1.2 of blockiness and JPEGs of quality 15 above", right / 2 / BLOCKS, 2 * BLOCKS,
              at_least=0.9),
        named("steps to a lower JPEG quality that raise blockiness", ordered / steps, steps, at_least=0.9),
    ]  # fmt: skip


def of_ladders(seed: int) -> list[Figure]:
    """One picture ever more blurred, and ever noisier."""
    softer = worse = 0
    sigmas = (1.0, 2.0, 4.0)
    for number in range(LADDERS):
        looks = [picture(np.random.default_rng([seed, number, 139]), number)]
        looks += [picture(np.random.default_rng([seed, number, 139]), number, blur=(Blur(s),)) for s in sigmas]
        looks += [picture(np.random.default_rng([seed, number, 139]), number, grain=(Grain(4 * s),)) for s in sigmas]
        rows = answer(*looks)
        softer += sum(one["laplacian"] > two["laplacian"] for one, two in pairwise(rows[:4]))
        worse += sum(one["brisque"] < two["brisque"] for one, two in pairwise(rows[4:]))
    return [
        named("steps to more blur that lower the Laplacian", softer / 3 / LADDERS, 3 * LADDERS, at_least=0.98),
        named("steps to more noise that raise BRISQUE", worse / 2 / LADDERS, 2 * LADDERS, at_least=0.9),
    ]


def measure(seed: int) -> list[Figure]:
    """Noise, blur, clipping, blocks, and the order of what has no unit."""
    return [*of_grain(seed), *of_blur(seed), *of_clipping(seed), *of_blocks(seed), *of_ladders(seed)]
