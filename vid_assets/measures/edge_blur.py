"""How blurred the strongest edges of a picture are.

A sharp edge loses much of its slope when the picture is blurred once more, a soft one hardly any (Zhuo & Sim, "Defocus
map estimation from a single image", 2011). Per edge::

    slope through a blur of r px / slope through a blur of sqrt(2) r px  ->  blur of the edge (`_blur_of_ratio`)

Over a picture: the crests of its edges are grouped by parts, each part votes with the median of its strongest crests,
and the median vote counts (`_ratio_by_parts`). The blur r must be about as wide as that of the edges; it grows from
1 px until it is (`edge_blur`).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EdgeBlur:
    """What the measurement of edge blur fixes, and why.

    Attributes:
        reblur_px: The first blur that edges are seen through: as narrow as keeps grain from passing for sharp edges.
        largest_reblur_px: The widest, beyond which an edge is mixed with its neighbours.
        softer: Times the reblur; an edge softer than that hardly changes by it, and is seen through a wider one.
        weakest_slope: Levels per px at a reblur of 1 px, below which a crest is the shading of a surface and no edge.
        slope_of_noise: Levels per px for each level of noise at a reblur of 1 px. Noise of 1 level has slopes of 0.2
            each way; 6 times that is no noise.
        fewest: Crests in the picture; with fewer there are no edges to speak of, and the answer is none.
        fewest_a_part: Crests in a part; with fewer it has no vote, as a median of two or three is chance.
        parts: Rows and columns of parts. Part by part, or one sharp caption would speak for the whole picture.
        strongest: Share of a part's crests that count. The weaker ones are seldom steps, which the formula is for.
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
        noise: Standard deviation of its noise; steeper than noise can be is an edge.
    """
    reblur = EDGE_BLUR.reblur_px
    found = _blur_seen_through(luma, noise, reblur)
    # A blur of 1 px more changes little in an edge that is much softer, and noise then has the last word; a wider one
    # mixes the edge with its neighbours. Both make it look sharper than it is, so the larger answer is the better.
    while found is not None and found > EDGE_BLUR.softer * reblur and reblur < EDGE_BLUR.largest_reblur_px:
        reblur = min(found, EDGE_BLUR.largest_reblur_px)
        found = max(found, _blur_seen_through(luma, noise, reblur) or 0.0)
    return found


def _blur_seen_through(luma: Plane, noise: float, reblur: float) -> float | None:
    """The blur of the strongest edges, seen through a blur of `reblur` px and one sqrt(2) times as wide."""
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

    Derivatives of a Gaussian, so that grain does not pass for a sharp edge; its own width is taken out by the formula.
    """
    import cv2

    smooth = cv2.GaussianBlur(luma, (0, 0), sigma)
    kernel = np.array([[-0.5, 0, 0.5]], np.float32)
    across = np.asarray(cv2.filter2D(smooth, cv2.CV_32F, kernel), np.float32)
    down = np.asarray(cv2.filter2D(smooth, cv2.CV_32F, kernel.T), np.float32)
    # cv2.magnitude rounds as the arrays happen to lie in memory, which decides between crests of equal height.
    return np.sqrt(across**2 + down**2)


def _crests(slope: Plane) -> NDArray[np.bool_]:
    """Where a slope is the steepest of its 3 x 3 pixels, clear of the border: only there it tells the edge's width."""
    import cv2

    crest = slope >= np.asarray(cv2.dilate(slope, np.ones((3, 3), np.uint8)), np.float32)
    crest[:2] = crest[-2:] = crest[:, :2] = crest[:, -2:] = False
    return crest


def _ratio_by_parts(parts: NDArray[np.int64], strengths: Plane, ratios: Plane) -> float | None:
    """The gradient ratio that the median part of the picture votes for; None where no part has a vote.

    Args:
        parts: Number of the part that each crest lies in, [n].
        strengths: Slope of each crest, [n].
        ratios: Its slope over that through the wider blur, [n].
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
    """The blur, in px, of a step whose slope is `ratio` times that through a blur sqrt(2) times as wide.

    A step blurred by s and seen through a blur of r has a slope of h / sqrt(2 pi (s^2 + r^2)), so that the ratio is
    sqrt((s^2 + 2 r^2) / (s^2 + r^2)). No step has a ratio of 1 or less: None. One of more than sqrt(2) is sharper than
    a step, as a thin line is: 0.
    """
    if ratio <= 1:
        return None
    squared = reblur**2 * (2 - ratio**2) / (ratio**2 - 1)
    return float(math.sqrt(max(squared, 0.0)))
