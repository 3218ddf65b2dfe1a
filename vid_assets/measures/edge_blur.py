"""Blur of the strongest edges of a picture.

A second blur takes much of the slope from a sharp edge, and hardly any from a soft one (Zhuo & Sim, "Defocus map
estimation from a single image", 2011). Per edge::

    slope through a blur of r px / slope through a blur of sqrt(2) r px  ->  blur of the edge (`_blur_of_ratio`)

Per picture: the crests of its edges are grouped by parts, each part votes with the median of its strongest crests, and
the median vote counts (`_ratio_by_parts`). The blur r must be about as wide as the blur of the edges. It grows from 1
px until it is (`edge_blur`).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EdgeBlur:
    """Constants of the edge blur measurement, with their reasons.

    Attributes:
        reblur_px: First blur applied to the edges; the narrowest at which grain does not look like sharp edges.
        largest_reblur_px: Widest blur; beyond it, an edge mixes with its neighbours.
        softer: Factor of the reblur. A softer edge hardly changes by the reblur, and needs a wider one.
        weakest_slope: Levels per px at a reblur of 1 px. A crest below this is the shading of a surface, not an edge.
        slope_of_noise: Levels per px for each level of noise at a reblur of 1 px. Noise of 1 level has slopes of 0.2 in
            each direction; 6 times that is no noise.
        fewest: Minimum number of crests in the picture; with fewer there are no real edges, and the result is None.
        fewest_a_part: Minimum number of crests in a part; with fewer it has no vote, since a median of two or three is
            chance.
        parts: Rows and columns of parts. Without parts, one sharp caption would decide for the whole picture.
        strongest: Share of a part's crests that count. Weaker crests are seldom steps, as the formula assumes.
        faint: Share of the strongest part's slope below which a part has no vote: it shows a surface, not an edge.
    """

    reblur_px: float = 1.0
    largest_reblur_px: float = 4.0
    softer: float = 1.4
    weakest_slope: float = 4.0
    slope_of_noise: float = 1.2
    fewest: int = 50
    fewest_a_part: int = 10
    parts: tuple[int, int] = (5, 8)
    strongest: float = 0.2
    faint: float = 0.1


EDGE_BLUR = EdgeBlur()


def edge_blur(luma: Plane, noise: float = 0.0) -> float | None:
    """Standard deviation, in px, of the blur of the strongest edges; None without edges.

    Args:
        luma: Levels 0..255, shape [h, w].
        noise: Standard deviation of its noise; anything steeper than this noise allows is an edge.
    """
    reblur = EDGE_BLUR.reblur_px
    found = _blur_seen_through(luma, noise, reblur)
    # An extra blur of 1 px hardly changes a much softer edge, and noise then decides the result. A wider blur mixes the
    # edge with its neighbours. Both make the edge look too sharp, so the larger result is better.
    while found is not None and found > EDGE_BLUR.softer * reblur and reblur < EDGE_BLUR.largest_reblur_px:
        reblur = min(found, EDGE_BLUR.largest_reblur_px)
        found = max(found, _blur_seen_through(luma, noise, reblur) or 0.0)
    return found


def _blur_seen_through(luma: Plane, noise: float, reblur: float) -> float | None:
    """The blur of the strongest edges, measured with a blur of `reblur` px and one sqrt(2) times as wide."""
    first, second = _slope(luma, reblur), _slope(luma, reblur * math.sqrt(2))
    weakest = max(EDGE_BLUR.weakest_slope / reblur, EDGE_BLUR.slope_of_noise * noise / reblur**2)
    rows, columns = np.nonzero(_crests(first) & (first > weakest))
    if len(rows) < EDGE_BLUR.fewest:
        return None
    down, across = EDGE_BLUR.parts
    parts = rows * down // luma.shape[0] * across + columns * across // luma.shape[1]
    strengths = first[rows, columns]
    ratio = _ratio_by_parts(parts, strengths, strengths / second[rows, columns])
    return None if ratio is None else _blur_of_ratio(ratio, reblur)


def _slope(luma: Plane, sigma: float) -> Plane:
    """Steepness of the picture blurred by `sigma` px, in levels per px.

    It uses derivatives of a Gaussian, so that grain does not look like a sharp edge. The formula removes the width of
    the Gaussian.
    """
    import cv2

    smooth = cv2.GaussianBlur(luma, (0, 0), sigma)
    kernel = np.array([[-0.5, 0, 0.5]], np.float32)
    across = np.asarray(cv2.filter2D(smooth, cv2.CV_32F, kernel), np.float32)
    down = np.asarray(cv2.filter2D(smooth, cv2.CV_32F, kernel.T), np.float32)
    # cv2.magnitude rounds depending on the memory layout, which would decide between crests of equal height.
    return np.sqrt(across**2 + down**2)


def _crests(slope: Plane) -> NDArray[np.bool_]:
    """Places, away from the border, with the steepest slope of 3 x 3 pixels: only these give the edge's width."""
    import cv2

    crest = slope >= np.asarray(cv2.dilate(slope, np.ones((3, 3), np.uint8)), np.float32)
    crest[:2] = crest[-2:] = crest[:, :2] = crest[:, -2:] = False
    return crest


def _ratio_by_parts(parts: NDArray[np.int64], strengths: Plane, ratios: Plane) -> float | None:
    """The gradient ratio of the median vote of the picture's parts; None if no part has a vote.

    Args:
        parts: Number of the part that contains each crest, [n].
        strengths: Slope of each crest, [n].
        ratios: Its slope divided by its slope through the wider blur, [n].
    """
    votes: list[tuple[float, float]] = []
    for part in np.unique(parts):
        strength, ratio = strengths[parts == part], ratios[parts == part]
        if len(strength) >= EDGE_BLUR.fewest_a_part:
            strongest = strength >= np.quantile(strength, 1 - EDGE_BLUR.strongest)
            votes.append((float(np.median(strength[strongest])), float(np.median(ratio[strongest]))))
    if not votes:
        return None
    least = EDGE_BLUR.faint * max(strength for strength, _ in votes)
    return float(np.median([ratio for strength, ratio in votes if strength >= least]))


def _blur_of_ratio(ratio: float, reblur: float) -> float | None:
    """The blur, in px, of a step whose slope is `ratio` times its slope through a blur sqrt(2) times as wide.

    A step blurred by s has, through a blur of r, a slope of h / sqrt(2 pi (s^2 + r^2)). The ratio is therefore
    sqrt((s^2 + 2 r^2) / (s^2 + r^2)). No step has a ratio of 1 or less: None. A ratio of more than sqrt(2) is sharper
    than a step, as with a thin line: 0.
    """
    if ratio <= 1:
        return None
    squared = reblur**2 * (2 - ratio**2) / (ratio**2 - 1)
    return float(math.sqrt(max(squared, 0.0)))
