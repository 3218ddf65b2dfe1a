"""Pictures of plain tiles, whose colours, areas and edges are known exactly."""

import numpy as np
from numpy.typing import NDArray


def tiles(rng: np.random.Generator, count: int, height: int, width: int) -> NDArray[np.int64]:
    """Which of `count` tiles each px belongs to, [height, width]: the nearest of as many random points."""
    points = rng.uniform(0, [height, width], (count, 2))
    rows, columns = np.mgrid[:height, :width]
    return ((rows[..., None] - points[:, 0]) ** 2 + (columns[..., None] - points[:, 1]) ** 2).argmin(axis=2)


def unlike_colours(rng: np.random.Generator, count: int, apart: float = 120.0) -> NDArray[np.int64]:
    """So many random colours, levels [count, 3], any two `apart` in RGB, and away from both ends of the scale."""
    chosen: list[NDArray[np.int64]] = []
    while len(chosen) < count:
        colour = rng.integers(16, 240, 3)
        if all(np.linalg.norm(colour - other) > apart for other in chosen):
            chosen.append(colour)
    return np.array(chosen)


def noisy(picture: NDArray, sigma: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The picture in 8 bits with Gaussian noise of its own in each channel, `sigma` in levels."""
    return np.rint(picture + sigma * rng.standard_normal(picture.shape)).clip(0, 255).astype(np.uint8)
