"""Camera motion between pairs of small pictures: the shift and scale on which most of the picture agrees.

The method follows points on a grid (Lucas & Kanade 1981, in pyramids after Bouguet 2000). It fits shift and scale by
iteratively reweighted least squares (Geman & McClure 1985). Things that move by themselves do not count unless they
fill most of the picture.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vid_assets.measures.luma import BLACK

Array = NDArray[np.float64]

GRID = 3  # px between points
# Least eigenvalue of the structure tensor for a point to be followed: slopes of 0.7 levels per px in each direction.
# Below that, rounding to 8 bits and the noise of a plain wall look like structure.
TEXTURE = 5e-4
LEVELS = 2  # halvings of the pictures for the search of an unknown motion
INLIER_PX = 0.35
LOST = 0.55  # support below which another guess is tried


def picture_area(pictures: NDArray[np.uint8]) -> tuple[slice, slice]:
    """Rows and columns inside the black bars, if any, of the pictures [n, height, width].

    The edge of a bar does not move with the camera.
    """
    sample = pictures[:: max(1, len(pictures) // 16)]
    area: list[slice] = []
    for axis in (2, 1):
        # The median along the bar ignores titles on it; the median over time ignores flashes.
        lit = np.flatnonzero(np.median(np.median(sample, axis=axis), axis=0) > BLACK)
        side = pictures.shape[3 - axis]
        first, end = (int(lit[0]), int(lit[-1]) + 1) if len(lit) > side // 2 else (0, side)
        # The row or column next to a bar mixes bar and picture.
        area.append(slice(first + (first > 0), end - (end < side)))
    return area[0], area[1]


@dataclass(frozen=True, slots=True)
class Motion:
    """Camera motion between pairs of frames.

    Attributes:
        shift: Shift of the picture's centre in px of the small pictures, [n, 2].
        scale: Growth of the picture, natural logarithm, [n].
        support: Share of the grid that moves in this way, [n].
    """

    shift: Array
    scale: Array
    support: Array


def _grid(height: int, width: int) -> NDArray[np.float32]:
    rows, columns = np.meshgrid(np.arange(2, height - 1, GRID), np.arange(2, width - 1, GRID), indexing="ij")
    return np.stack([columns.ravel(), rows.ravel()], axis=1).astype(np.float32)


def follow(grey: NDArray[np.uint8], pairs: NDArray[np.int64], guess: Motion | None = None) -> Motion:
    """Measure the camera motion between pairs of frames.

    Args:
        grey: Pictures, [n, height, width].
        pairs: First and second frame of each pair, [m, 2].
        guess: Expected motion, [m]. Without it, phase correlation gives the guess for pairs that move too far to follow
            the points.
    """
    # If the motion is roughly known, coarse levels only do harm: moving things are large in them and drag the ground
    # along, and a regular ground moves to its next period.
    motion = _follow(grey, pairs, guess, LEVELS if guess is None else 0)
    lost = np.flatnonzero(motion.support < LOST)
    if guess is not None or not len(lost):
        return motion
    again = _follow(grey, pairs[lost], _correlate(grey, pairs[lost]), LEVELS)
    better = again.support > motion.support[lost]
    motion.shift[lost[better]], motion.scale[lost[better]] = again.shift[better], again.scale[better]
    motion.support[lost[better]] = again.support[better]
    return motion


def _correlate(grey: NDArray[np.uint8], pairs: NDArray[np.int64]) -> Motion:
    """Shifts of whole pictures, by phase correlation (Kuglin & Hines 1975)."""
    import cv2

    window = cv2.createHanningWindow(grey.shape[:0:-1], cv2.CV_32F)
    shift = [
        cv2.phaseCorrelate(grey[one].astype(np.float32), grey[two].astype(np.float32), window)[0] for one, two in pairs
    ]
    return Motion(np.array(shift, np.float64), np.zeros(len(pairs)), np.ones(len(pairs)))


def _follow(grey: NDArray[np.uint8], pairs: NDArray[np.int64], guess: Motion | None, levels: int) -> Motion:
    import cv2

    height, width = grey.shape[1:]
    points = _grid(height, width)
    centre = np.array([(width - 1) / 2, (height - 1) / 2], np.float32)
    moved = np.zeros((len(pairs), len(points), 2), np.float32)
    seen = np.zeros((len(pairs), len(points)), bool)
    for number, (one, two) in enumerate(pairs):
        if not cv2.absdiff(grey[one], grey[two]).any():
            seen[number] = True
            continue
        start, flags = points.copy(), 0
        if guess is not None:
            grown = np.expm1(guess.scale[number])
            start = (points + guess.shift[number] + grown * (points - centre)).astype(np.float32)
            flags = cv2.OPTFLOW_USE_INITIAL_FLOW
        end, found, _ = cv2.calcOpticalFlowPyrLK(
            grey[one], grey[two], points, start, winSize=(9, 9), maxLevel=levels, flags=flags, minEigThreshold=TEXTURE,
            criteria=(cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 20, 0.01),
        )  # fmt: skip
        inside = ((end > -0.5) & (end < np.array([width - 0.5, height - 0.5]))).all(axis=1)
        moved[number], seen[number] = end - points, (found[:, 0] == 1) & inside
    return _fit(moved.astype(np.float64), seen, (points - centre).astype(np.float64))


def _fit(moved: Array, seen: NDArray[np.bool_], places: Array) -> Motion:
    """Shift and scale on which most of the points agree.

    Args:
        moved: Displacements in px, [m, points, 2].
        seen: Whether the displacement is known, [m, points].
        places: Positions of the points from the centre, [points, 2].
    """
    shift, growth = _median(moved[..., 0], seen), np.zeros(len(moved))
    shift = np.stack([shift, _median(moved[..., 1], seen)], axis=1)
    for _ in range(8):
        miss = np.linalg.norm(moved - shift[:, None] - growth[:, None, None] * places, axis=2)
        scale = np.clip(1.5 * _median(miss, seen), 0.08, 3.0)[:, None]
        weight = (seen / (1 + (miss / scale) ** 2) ** 2)[..., None]
        total = np.maximum(weight.sum(axis=1), 1e-9)
        mean_place, mean_move = (weight * places).sum(axis=1) / total, (weight * moved).sum(axis=1) / total
        place, move = places - mean_place[:, None], moved - mean_move[:, None]
        growth = (weight * place * move).sum(axis=(1, 2)) / np.maximum((weight * place**2).sum(axis=(1, 2)), 1e-6)
        shift = mean_move - growth[:, None] * mean_place
    growth = np.maximum(growth, -0.9)
    expected = shift[:, None] + growth[:, None, None] * places
    # Points that leave the picture give no information; points that move far are less exact.
    stays = (np.abs(places + expected) < -places.min(axis=0) + 2).all(axis=2)
    miss, allowed = np.linalg.norm(moved - expected, axis=2), INLIER_PX + 0.05 * np.linalg.norm(expected, axis=2)
    agree = (seen & stays & (miss < allowed)).sum(axis=1)
    return Motion(shift, np.log1p(growth), agree / np.maximum(stays.sum(axis=1), len(places) / 4))


def _median(values: Array, known: NDArray[np.bool_]) -> Array:
    """Median of the known values of each row, 0 for rows without any."""
    ordered = np.sort(np.where(known, values, np.inf), axis=1)
    count, rows = known.sum(axis=1), np.arange(len(values))
    middle = (ordered[rows, np.maximum(count - 1, 0) // 2] + ordered[rows, count // 2]) / 2
    return np.where(count > 0, middle, 0.0)
