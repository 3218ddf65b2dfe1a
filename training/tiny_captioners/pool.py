"""Pictures drawn once and shown many times: rendering costs as much as a training step, so both models share one pool.

Every picture comes with what a vision tower should see in it: a coarse map of what lies where, and its shapes in order.
Mirrored pictures come for free.
"""

import pickle
from dataclasses import dataclass, replace
from multiprocessing import Pool as Processes
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.tiny_captioners.scenes import Scene, sample_picture, squeeze
from vid_assets.synthetic.shapes import BACKGROUNDS, COLOURS, SHAPES, Shape

COLOUR_NAMES, BACKGROUND_NAMES = list(COLOURS), list(BACKGROUNDS)
CLASSES = 1 + len(SHAPES) * len(COLOURS)
CHUNK = 500


def mirrored(scene: Scene) -> Scene:
    """The scene as a mirror shows it."""
    return Scene(scene.background, tuple(replace(shape, x=1 - shape.x) for shape in reversed(scene.shapes)))


def covers(shape: Shape, aspect: float, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points, as shares of the picture, lie within the shape."""
    u, v = (x - shape.x) * aspect / shape.radius, (y - shape.y) / shape.radius
    if shape.kind == "circle":
        return u * u + v * v <= 1
    if shape.kind == "square":
        return (abs(u) <= 1) & (abs(v) <= 1)
    if shape.kind == "triangle":
        return (abs(v) <= 1) & (abs(u) <= (v + 1) / 2)
    return ((abs(u) <= 0.3) & (abs(v) <= 1)) | ((abs(v) <= 0.3) & (abs(u) <= 1))


def coarse_map(scene: Scene | None, aspect: float, cells: int) -> NDArray[np.uint8]:
    """What lies at the centre of each of cells x cells: 0 for nothing, else 1 + kind * 6 + colour."""
    found = np.zeros((cells, cells), np.uint8)
    middles = (np.arange(cells) + 0.5) / cells
    x, y = np.meshgrid(middles, middles)
    for shape in sorted(scene.shapes if scene else (), key=lambda item: -item.depth):
        number = 1 + SHAPES.index(shape.kind) * len(COLOURS) + COLOUR_NAMES.index(shape.colour)
        found[covers(shape, aspect, x, y)] = number
    return found


def slots(scene: Scene | None) -> NDArray[np.float32]:
    """Shapes from left to right, [3, 5]: presence, kind, colour, x, y; zeros where there is none."""
    rows = np.zeros((3, 5), np.float32)
    for slot, shape in enumerate(scene.shapes if scene else ()):
        rows[slot] = 1, SHAPES.index(shape.kind), COLOUR_NAMES.index(shape.colour), shape.x, shape.y
    return rows


@dataclass
class Batch:
    """Some pictures of a pool, [n, side, side, 3] uint8, and what to see in them."""

    pictures: NDArray[np.uint8]
    maps: NDArray[np.uint8]
    slots: NDArray[np.float32]
    backgrounds: NDArray[np.int64]
    scenes: list[Scene | None]


@dataclass
class PicturePool:
    """All pictures of a pool at one size."""

    pictures: NDArray[np.uint8]
    maps: NDArray[np.uint8]
    scenes: list[Scene | None]

    def batch(self, rng: np.random.Generator, count: int) -> Batch:
        """Random pictures, half of them mirrored, their light varied a little."""
        rows = rng.integers(len(self.scenes), size=count)
        mirror = rng.random(count) < 0.5
        pictures, maps, scenes = self.pictures[rows], self.maps[rows], [self.scenes[row] for row in rows]
        pictures[mirror], maps[mirror] = pictures[mirror, :, ::-1], maps[mirror, :, ::-1]
        scenes = [mirrored(scene) if scene and flip else scene for scene, flip in zip(scenes, mirror, strict=True)]
        light = rng.uniform(0.94, 1.06, (count, 1, 1, 1)) * rng.uniform(0.98, 1.02, (count, 1, 1, 3))
        pictures = np.clip(pictures * light.astype(np.float32), 0, 255).astype(np.uint8)
        grounds = [BACKGROUND_NAMES.index(scene.background) if scene else len(BACKGROUND_NAMES) for scene in scenes]
        return Batch(pictures, maps, np.stack([slots(scene) for scene in scenes]), np.array(grounds), scenes)


def _chunk(task: tuple[int, int, float, dict[int, int]]) -> tuple[dict[int, NDArray], dict[int, NDArray], list]:
    seed, number, unlike, sides = task
    rng = np.random.default_rng([seed, number])
    drawn = [sample_picture(rng, unlike) for _ in range(CHUNK)]
    pictures = {side: np.stack([squeeze(picture, side) for picture, _ in drawn]) for side in sides}
    maps = {
        side: np.stack([coarse_map(scene, picture.shape[1] / picture.shape[0], cells) for picture, scene in drawn])
        for side, cells in sides.items()
    }
    return pictures, maps, [scene for _, scene in drawn]


def picture_pool(
    count: int, seed: int, sides: dict[int, int], *, unlike: float, processes: int, folder: Path
) -> dict[int, Path]:
    """Draws the pool, unless `folder` has it already.

    Args:
        count: Pictures, rounded down to whole chunks.
        seed: Of everything drawn.
        sides: Sizes to squeeze the pictures to, in px, each with the cells a side of its map.
        unlike: Share of pictures that are no scenes.
        processes: How many draw.
        folder: Where to keep it.

    Returns:
        By size, the file of its `PicturePool`, for `load`.
    """
    paths = {side: folder / f"pictures-{count}-{seed}-{unlike}-{side}.pickle" for side in sides}
    if not all(path.exists() for path in paths.values()):
        folder.mkdir(parents=True, exist_ok=True)
        tasks = [(seed, number, unlike, sides) for number in range(count // CHUNK)]
        with Processes(processes) as crew:
            parts = crew.map(_chunk, tasks, chunksize=1)
        scenes = [scene for part in parts for scene in part[2]]
        for side, path in paths.items():
            pictures = np.concatenate([part[0][side] for part in parts])
            maps = np.concatenate([part[1][side] for part in parts])
            with path.open("wb") as file:
                pickle.dump(PicturePool(pictures, maps, scenes), file, protocol=5)
    return paths


def load(path: Path) -> Any:
    """A pool from its file."""
    with path.open("rb") as file:
        return pickle.load(file)
