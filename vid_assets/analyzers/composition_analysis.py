"""Composition of each sampled picture: salient point, symmetry, clutter, empty space, horizon.

- Saliency: colour distance from the picture's four borders (the backgroundness map of Zhang et al., "Minimum barrier
  salient object detection at 80 FPS", 2015), on pictures 64 px wide. Places below the mean, or within two standard
  deviations of the borders' colours, are background. The salient point is the centre of mass.
- Thirds: distance of that point from the nearest of the four crossings of the thirds, in picture diagonals.
- Symmetry: correlation of the luma with its own mirror image, left to right.
- Edge density: share of pixels on Canny edges.
- Negative space: share of 1/32-width cells with no edge in or beside them.
- Horizon: length-weighted median angle of straight edges (probabilistic Hough transform). Edges count if they are at
  least 0.35 of the width long and within 20 degrees of level. Their total length must be at least half the picture's
  width, and at least half of it must agree within 2.5 degrees.

The analyzer knows colours and edges, not meaning. A face with the colours of the walls is not salient; a bright window
is. The horizon may be the edge of a table.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vid_assets.contract import Analyzer, Column, Frames
from vid_assets.drawing import contact_sheet
from vid_assets.measures.luma import BLACK, luma_of

SALIENCY_WIDTH = 64
# Below this colour distance (CIE 1976 units), variation of a border is coding noise or grain.
NOISE = 2.0
# A plain picture has no salient point: the most unusual colour must differ by this many standard deviations.
STANDS_OUT = 4.0
# Fewer standard deviations than this are variation of the borders themselves. Beside a small subject the mean is below
# this value, and specks all over the picture would count as salient.
BACKGROUND = 2.0
EDGE_THRESHOLDS = (30, 80)
LEVEL_DEGREES = 20.0
LINE_SHARE = 0.35
AGREE_DEGREES = 2.5

Array = NDArray[np.float32]


def saliency(picture: NDArray[np.uint8]) -> Array:
    """Distance of each place from the picture's borders, in standard deviations of the borders' colours.

    Args:
        picture: uint8 RGB [h, w, 3].

    Returns:
        float32, 64 px wide with the picture's aspect: the sum over the borders, without the most different one, divided
        by 3. This allows a subject to touch one border.
    """
    import cv2

    height = max(4, round(SALIENCY_WIDTH * picture.shape[0] / picture.shape[1]))
    small = cv2.resize(picture, (SALIENCY_WIDTH, height), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    edge = max(1, height // 12)
    maps: list[Array] = []
    for border in (lab[:edge], lab[-edge:], lab[:, :edge], lab[:, -edge:]):
        colours = border.reshape(-1, 3).astype(np.float64)
        away = lab - colours.mean(axis=0)
        whitened = cv2.transform(away, np.linalg.inv(np.linalg.cholesky(np.cov(colours.T) + NOISE**2 * np.eye(3))))
        maps.append(np.sqrt((np.asarray(whitened) ** 2).sum(axis=2)).astype(np.float32))
    stack = np.stack(maps)
    return (stack.sum(axis=0) - stack.max(axis=0)) / 3


def _centres(count: int) -> NDArray[np.float64]:
    """Middles of `count` equal parts of 0..1."""
    return (np.arange(count).astype(np.float64) + 0.5) / count


def salient_point(away: Array) -> tuple[float, float, float] | None:
    """Centre of mass and spread of a saliency map as shares of width and height; None for a plain picture.

    The spread is the root mean square distance from the centre, in picture diagonals.
    """
    if away.max() < STANDS_OUT:
        return None
    weight = np.where(away >= max(float(away.mean()), BACKGROUND), away, 0).astype(np.float64)
    weight /= weight.sum()
    height, width = weight.shape
    xs, ys = _centres(width), _centres(height)
    across, down = weight.sum(axis=0), weight.sum(axis=1)
    x, y = float(across @ xs), float(down @ ys)
    variance = float(across @ (xs - x) ** 2) * width**2 + float(down @ (ys - y) ** 2) * height**2
    return x, y, float(np.sqrt(variance / (width**2 + height**2)))


def thirds_distance(x: float, y: float, aspect: float) -> float:
    """Distance from the nearest crossing of the thirds, in picture diagonals; `aspect` is width over height."""
    dx = min(abs(x - 1 / 3), abs(x - 2 / 3)) * aspect
    dy = min(abs(y - 1 / 3), abs(y - 2 / 3))
    return float(np.hypot(dx, dy) / np.hypot(aspect, 1))


def symmetry(luma: Array) -> float | None:
    """Correlation with the mirror image, left to right; None where the picture is flat."""
    import cv2

    small = cv2.resize(luma, (64, 36), interpolation=cv2.INTER_AREA).astype(np.float64)
    deviation = small - small.mean()
    energy = float((deviation**2).sum())
    if energy < small.size:  # contrast of less than one level
        return None
    return float(np.clip((deviation * deviation[:, ::-1]).sum() / energy, -1, 1))


def negative_space(edges: NDArray[np.bool_]) -> float:
    """Share of cells, 1/32 of the width on each side, with no edge inside or in the eight cells around."""
    import cv2

    cell = max(1, edges.shape[1] // 32)
    rows, columns = max(1, edges.shape[0] // cell), max(1, edges.shape[1] // cell)
    cut = edges[: rows * cell, : columns * cell]
    busy = cut.reshape(rows, cut.shape[0] // rows, columns, cut.shape[1] // columns).any(axis=(1, 3))
    near = np.asarray(cv2.dilate(np.asarray(busy, np.uint8), np.ones((3, 3), np.uint8)), np.float64)
    return float(1 - near.mean())


def horizon_tilt(luma: Array) -> float | None:
    """Angle of the near-level straight edges in degrees, positive if the right end is higher; None without any.

    Args:
        luma: Levels 0..255, shape [h, w]; edges along black bars at top and bottom do not count.
    """
    import cv2

    if min(luma.shape) < 16:
        return None
    half = np.asarray(cv2.resize(luma, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.float32)
    lit = np.flatnonzero(half.max(axis=1) > BLACK)
    if not len(lit):
        return None
    edges = np.asarray(cv2.Canny(half.astype(np.uint8), *EDGE_THRESHOLDS), np.uint8)
    height, width = edges.shape
    top, bottom = int(lit[0]), int(lit[-1]) + 1
    # The rim of the picture is no edge, but the rim of a black bar is: leave out a strip there.
    top, bottom = top + (3 if top else 0), bottom - (3 if bottom < height else 0)
    # An edge within 20 degrees of level has a gradient within 20 degrees of upright; skip all others to save time.
    across, down = (np.abs(cv2.Sobel(half, cv2.CV_32F, dx, 1 - dx)) for dx in (1, 0))
    inside = np.zeros_like(edges)
    inside[top:bottom] = np.where(down > 2 * across, edges, 0)[top:bottom]
    if cv2.countNonZero(inside) < LINE_SHARE * width:
        return None
    # cv2.HoughLinesP uses cv2's random generator; the seed makes the result reproducible.
    cv2.setRNGSeed(1)
    found = cv2.HoughLinesP(
        inside, 1, np.pi / 360, width // 8, minLineLength=round(LINE_SHARE * width), maxLineGap=width // 40
    )
    if found is None:
        return None
    x0, y0, x1, y1 = np.asarray(found).reshape(-1, 4).T.astype(np.float64)
    angles = np.degrees(np.arctan2(-(y1 - y0), x1 - x0))
    angles = (angles + 90) % 180 - 90
    level = np.abs(angles) <= LEVEL_DEGREES
    lengths = np.hypot(x1 - x0, y1 - y0)[level]
    if lengths.sum() < width / 2:
        return None
    order = np.argsort(angles[level], kind="stable")
    middle = int((np.cumsum(lengths[order]) < lengths.sum() / 2).sum())
    tilt = float(angles[level][order][middle])
    agreeing = lengths[np.abs(angles[level] - tilt) <= AGREE_DEGREES].sum()
    return tilt if agreeing >= lengths.sum() / 2 else None


def _measure(picture: NDArray[np.uint8]) -> dict[str, float | None]:
    import cv2

    height, width = picture.shape[:2]
    luma = np.rint(luma_of(picture))
    edges = np.asarray(cv2.Canny(cv2.GaussianBlur(luma, (5, 5), 1.2).astype(np.uint8), *EDGE_THRESHOLDS), np.uint8)
    point = salient_point(saliency(picture))
    x, y, spread = point or (None, None, None)
    return {
        "salient_x": x,
        "salient_y": y,
        "salient_spread": spread,
        "thirds_distance": thirds_distance(point[0], point[1], width / height) if point else None,
        "symmetry": symmetry(luma),
        "edge_density": float((edges > 0).mean()),
        "negative_space": negative_space(edges > 0),
        "horizon_tilt_deg": horizon_tilt(luma),
    }


TABLE = {
    "time_s": Column(pl.Float64, "s", "Presentation time of the picture.", ge=0),
    "salient_x": Column(pl.Float64, "1", "Salient point, share of the width; null if plain.", 0, 1, nullable=True),
    "salient_y": Column(pl.Float64, "1", "Salient point, share of the height; null if plain.", 0, 1, nullable=True),
    "salient_spread": Column(
        pl.Float64, "diagonals", "RMS distance of salient places from the salient point.", 0, 1, nullable=True
    ),
    "thirds_distance": Column(
        pl.Float64, "diagonals", "Distance of the salient point to the nearest crossing of thirds.", 0, 1, nullable=True
    ),
    "symmetry": Column(pl.Float64, "1", "Correlation of luma with its mirror; null if flat.", -1, 1, nullable=True),
    "edge_density": Column(pl.Float64, "1", "Share of pixels on an edge.", ge=0, le=1),
    "negative_space": Column(pl.Float64, "1", "Share of the picture away from any edge.", ge=0, le=1),
    "horizon_tilt_deg": Column(
        pl.Float64, "deg", "Angle of the near-level lines, positive if the right end is higher; null without any.",
        -LEVEL_DEGREES, LEVEL_DEGREES, nullable=True,
    ),
}  # fmt: skip


def run(frames: Frames) -> pl.DataFrame:
    """One row per sampled picture, in order."""
    rows = [
        {"time_s": float(time), **_measure(picture)} for time, picture in zip(frames.times_s, frames.array, strict=True)
    ]
    return pl.DataFrame(rows, schema=ANALYZER.schema)


def preview(table: pl.DataFrame, frames: Frames) -> NDArray[np.uint8] | None:
    """Up to eight pictures with a box around the salient area."""
    if table.is_empty():
        return None
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(8, len(frames))).round().astype(int)).tolist()
    boxes: list[list[tuple[float, float, float, float]]] = []
    for row in chosen:
        x, y, spread = table.row(row)[1:4]
        boxes.append([] if x is None else [(x - spread, y - spread, x + spread, y + spread)])
    return contact_sheet(frames, chosen, boxes=boxes)


ANALYZER = Analyzer(
    name="composition_analysis",
    version="2",
    group="picture",
    inputs=("frames",),
    run=run,
    budget=0.02,
    table=TABLE,
    coverage=0.9,
    preview=preview,
)
