"""Hard cuts, dissolves and fades in a sequence of small pictures: what ``cut_analysis`` and ``visual_effects`` share.

- Cut: the step from one frame to the next is large although the pictures may have moved (least difference within a few px,
  block by block), stands out from the steps around it (adaptive threshold, as in Truong et al., "New enhancements to cut,
  fade, and dissolve detection", 2000), and parts *all* frames before it from all after it (Yuan et al., "A formal study of
  shot boundary detection", 2007). So a flash or a fast pan is no cut.
- Gradual: the colours of coarse blocks run on a straight line from one steady level to another, and the spatial variance
  sags by as much as mixing two pictures must make it sag (the parabola of Alattar, "Detecting and compressing dissolve
  regions in video sequences", 1993). Motion makes no such sag. A fade is the same with a black or white picture at one end.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

CELL = 3
NEIGHBOURS = 6  # frames on either side that a step must stand out from
CUT_STEP, CUT_RATIO = 3.5, 1.45
STEADY = 4  # frames of a steady level before and after a ramp
DARK, BRIGHT = 24.0, 231.0


@dataclass(frozen=True, slots=True)
class Cut:
    """A hard cut between frame `last` and the next; `confidence` 0.5 at the threshold."""

    last: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Ramp:
    """A linear mix over the frames between `last` (wholly old) and `first` (wholly new).

    `kind` is dissolve, fade_out or fade_in; `colour` of a fade is black or white; `strength` is the root mean square
    change of the coarse colours in levels.
    """

    kind: str
    last: int
    first: int
    confidence: float
    strength: float
    colour: str = ""


def cells(thumbs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mean colour of blocks of 3 x 3 px, float32 [n, 9, 16, 3], of pictures of 27 x 48 px."""
    n, height, width = thumbs.shape[:3]
    blocks = thumbs.reshape(n, height // CELL, CELL, width // CELL, CELL, 3)
    return blocks.sum(axis=(2, 4), dtype=np.uint16).astype(np.float32) / CELL**2


def steps(a: NDArray[np.float32], b: NDArray[np.float32], reach: int = 2) -> Array:
    """How much the pictures `a` differ from `b` apart from motion, float64 [n], in levels.

    Each block is compared with the most similar block of the other picture within `reach` blocks; the answer is the
    mean over the blocks, from `a` to `b` or back, whichever is larger.

    Args:
        a: Blocks as `cells` gives them, [n, rows, columns, 3].
        b: The same shape.
        reach: Motion that is forgiven, in blocks.
    """
    result = np.empty(len(a))
    for start in range(0, len(a), 256):
        part = slice(start, start + 256)
        result[part] = _steps(np.rint(a[part]).astype(np.int16), np.rint(b[part]).astype(np.int16), reach)
    return result


def _steps(a: NDArray[np.int16], b: NDArray[np.int16], reach: int) -> Array:
    planes_a, planes_b = (np.ascontiguousarray(x.transpose(3, 0, 1, 2)) for x in (a, b))
    rows, columns = a.shape[1:3]
    best_a = np.full(a.shape[:3], 1000, np.int16)
    best_b = best_a.copy()
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            ya, xa = slice(max(0, -dy), rows - max(0, dy)), slice(max(0, -dx), columns - max(0, dx))
            yb, xb = slice(max(0, dy), rows - max(0, -dy)), slice(max(0, dx), columns - max(0, -dx))
            difference = np.abs(planes_a[0, :, ya, xa] - planes_b[0, :, yb, xb])
            for channel in (1, 2):
                difference += np.abs(planes_a[channel, :, ya, xa] - planes_b[channel, :, yb, xb])
            np.minimum(best_a[:, ya, xa], difference, out=best_a[:, ya, xa])
            np.minimum(best_b[:, yb, xb], difference, out=best_b[:, yb, xb])
    return np.maximum(best_a.mean(axis=(1, 2)), best_b.mean(axis=(1, 2))) / 3


def find_cuts(blocks: NDArray[np.float32], fps: float) -> list[Cut]:
    """Hard cuts, ascending.

    Args:
        blocks: As `cells` gives them, [n, 9, 16, 3].
        fps: Frames a second; a flash lasts at most 0.12 s.
    """
    n = len(blocks)
    if n < 2:
        return []
    step = steps(blocks[:-1], blocks[1:])
    padded = np.pad(step, NEIGHBOURS)
    around = np.stack([padded[i : i + n - 1] for i in range(2 * NEIGHBOURS + 1) if i != NEIGHBOURS])
    # The second largest: one neighbouring cut or the other edge of a flash must not hide this one.
    unrest = 1 + np.sort(around, axis=0)[-2]
    found = np.flatnonzero((step > CUT_STEP) & (step > CUT_RATIO * unrest))
    apart = step[found].copy()
    reach = max(4, round(0.12 * fps))
    for back in range(reach):
        for ahead in range(reach):
            if back or ahead:
                before, after = np.maximum(found - back, 0), np.minimum(found + 1 + ahead, n - 1)
                apart = np.minimum(apart, steps(blocks[before], blocks[after]))
    ratio = apart / unrest[found]
    kept = (apart > CUT_STEP) & (ratio > CUT_RATIO)
    return [
        Cut(int(last), float(1 / (1 + (CUT_RATIO / value) ** 4)))
        for last, value in zip(found[kept], ratio[kept], strict=True)
    ]


def coarse(blocks: NDArray[np.float32]) -> Array:
    """Mean colour of twelve fields of the picture, float64 [n, 36]: what hardly changes when the picture moves."""
    n, rows, columns = blocks.shape[:3]
    fields = blocks.reshape(n, 3, rows // 3, 4, columns // 4, 3).mean(axis=(2, 4), dtype=np.float64)
    return fields.reshape(n, -1)


def fit_ramps(levels: Array, length: int, before: int, after: int) -> tuple[NDArray[np.int64], Array, Array]:
    """How well a straight run of `length` frames between two steady levels fits, at every place.

    Args:
        levels: Float64 [n, k].
        length: Frames from the last of the old level to the first of the new one.
        before: Frames over which the old level is taken, up to and including its last.
        after: Frames over which the new level is taken.

    Returns:
        Last frames of the old level [m], root mean square change of the levels [m], and that change over the misfit
        (root mean square misfit inside the run, plus unrest before and after, plus one) [m].
    """
    n, k = levels.shape
    last = np.arange(before - 1, n - length - after + 1)
    if not len(last):
        return last, np.empty(0), np.empty(0)
    x = levels - levels.mean(axis=0)
    sums = np.concatenate([np.zeros((1, k)), np.cumsum(x, axis=0)])
    timed = np.concatenate([np.zeros((1, k)), np.cumsum(x * np.arange(n)[:, None], axis=0)])
    squares = np.concatenate([[0.0], np.cumsum((x * x).sum(axis=1))])
    first = last + length
    old = (sums[last + 1] - sums[last + 1 - before]) / before
    new = (sums[first + after] - sums[first]) / after
    share = np.arange(1, length) / length
    inside = sums[first] - sums[last + 1]
    weighted = (timed[first] - timed[last + 1] - last[:, None] * inside) / length
    old2, new2, cross = (old * old).sum(axis=1), (new * new).sum(axis=1), (old * new).sum(axis=1)
    model = old2 * ((1 - share) ** 2).sum() + new2 * (share**2).sum() + 2 * cross * (share * (1 - share)).sum()
    explained = 2 * (old * (inside - weighted)).sum(axis=1) + 2 * (new * weighted).sum(axis=1)
    misfit = (squares[first] - squares[last + 1] + model - explained) / (length - 1) / k
    unrest = (squares[last + 1] - squares[last + 1 - before]) / before - old2
    unrest = (unrest + (squares[first + after] - squares[first]) / after - new2) / 2 / k
    change = np.sqrt(np.maximum(old2 + new2 - 2 * cross, 0) / k)
    return last, change, change / (1 + np.sqrt(np.maximum(misfit, 0)) + np.sqrt(np.maximum(unrest, 0)))
