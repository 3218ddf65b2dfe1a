"""Colour of each sampled picture: luma, contrast, saturation, colourfulness, colour temperature and palette.

- Luma and contrast: mean and standard deviation of BT.709 luma (ITU-R BT.709-6), on gamma-coded values.
- Saturation: HSV saturation, weighted by value, so that black has no influence.
- Colourfulness: Hasler & Suesstrunk, "Measuring colourfulness in natural images", 2003 (0 grey, 109 extremely
  colourful).
- Colour temperature: McCamy 1992 on the mean of linear light. It is null if the colour is more than 0.05 in u, v away
  from the black-body locus (CIE 15:2018 calls it meaningless there; locus after Krystek 1985) or outside 2000..12500 K.
- Palette: k-means in CIE Lab over a colour histogram, seeded as in Chang et al., "Palette-based photo recoloring",
  2015, without random numbers. Colours closer than 10 (CIE 1976 difference) are merged.

The analyzer treats all pictures as sRGB, so log and HDR footage appears flatter than intended. The temperature
describes the picture as a whole, not its light: a red wall in daylight appears warm.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vid_assets.contract import Analyzer, Column, Frames
from vid_assets.drawing import colour_bars
from vid_assets.measures.luma import luma_of

# Linear sRGB to CIE XYZ (IEC 61966-2-1), D65.
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
TEMPERATURES = (2000.0, 12500.0)
FARTHEST_UV = 0.05
PALETTE_SIZE = 5
SAME_COLOUR = 10.0
SEED_SPREAD = 40.0
SMALLEST_SHARE = 0.005
# Focal colours of the eleven basic colour terms (Berlin & Kay 1969) in sRGB.
NAMES: dict[str, tuple[int, int, int]] = {
    "black": (0, 0, 0),
    "grey": (128, 128, 128),
    "white": (255, 255, 255),
    "red": (214, 30, 40),
    "orange": (245, 135, 30),
    "yellow": (240, 215, 50),
    "green": (40, 160, 60),
    "blue": (45, 85, 205),
    "purple": (135, 50, 165),
    "pink": (245, 150, 185),
    "brown": (105, 70, 40),
}

Array = NDArray[np.float32]
Palette = tuple[Array, NDArray[np.float64]]


def _lab(rgb: NDArray[np.floating]) -> Array:
    """CIE Lab (D65) of colours in 0..1, shape [n, 3]."""
    import cv2

    return cv2.cvtColor(np.ascontiguousarray(rgb[None], np.float32), cv2.COLOR_RGB2Lab)[0]


def _histogram(pixels: NDArray[np.uint8]) -> tuple[Array, Array]:
    """Mean colour (0..1) and share of each occupied cell of a 16 x 16 x 16 grid over RGB, by cell."""
    cells = (pixels >> 4).astype(np.int32) @ np.array([256, 16, 1], np.int32)
    counts = np.bincount(cells, minlength=4096)
    occupied = np.flatnonzero(counts)
    sums = np.stack([np.bincount(cells, pixels[:, c], 4096)[occupied] for c in range(3)], axis=1)
    means = sums / counts[occupied, None] / 255
    return means.astype(np.float32), (counts[occupied] / len(pixels)).astype(np.float32)


def _seeds(lab: Array, weights: Array) -> Array:
    """Heavy colours that are far apart: each choice lowers the weight of its neighbours."""
    left = weights.astype(np.float64)
    chosen: list[int] = []
    while len(chosen) < PALETTE_SIZE and (not chosen or left.max() > SMALLEST_SHARE):
        chosen.append(int(left.argmax()))
        distance = ((lab - lab[chosen[-1]]) ** 2).sum(axis=1)
        left *= 1 - np.exp(-distance / SEED_SPREAD**2)
    return lab[chosen]


def _distances(lab: Array, centres: Array) -> Array:
    return ((lab[:, None] - centres[None]) ** 2).sum(axis=2)


def palette(pixels: NDArray[np.uint8]) -> Palette:
    """The dominant colours of the pixels, the most frequent first.

    Args:
        pixels: uint8 RGB [n, 3].

    Returns:
        Colours in 0..1, shape [k, 3] with k at most 5, and their shares, which add up to 1.
    """
    rgb, weights = _histogram(pixels)
    lab = _lab(rgb)
    centres = _seeds(lab, weights)
    nearest = _distances(lab, centres).argmin(axis=1)
    for _ in range(10):
        nearest = _distances(lab, centres).argmin(axis=1)
        member = (nearest[:, None] == np.arange(len(centres))) * weights[:, None]
        mass = member.sum(axis=0)
        moved = (member.T @ lab)[mass > 0] / mass[mass > 0, None]
        if len(moved) == len(centres) and np.abs(moved - centres).max() < 0.1:
            break
        centres = moved
    # A noisy colour splits into several clusters; merge each into a heavier one that looks similar.
    groups = np.arange(len(centres))
    order = np.argsort(-np.bincount(nearest, weights, len(centres)), kind="stable")
    for place, one in enumerate(order):
        for heavier in order[:place]:
            if groups[heavier] == heavier and np.linalg.norm(centres[one] - centres[heavier]) < SAME_COLOUR:
                groups[one] = heavier
                break
    merged = groups[nearest]
    kept = np.unique(merged)
    shares = np.array([weights[merged == group].sum(dtype=np.float64) for group in kept])
    sums = np.stack([weights[merged == group] @ rgb[merged == group] for group in kept]).astype(np.float64)
    colours = sums / shares[:, None]
    order = np.argsort(-shares, kind="stable")
    return colours[order].astype(np.float32), shares[order] / shares.sum()


def colour_name(rgb: Array) -> str:
    """The basic colour term whose focal colour is nearest in CIE Lab; `rgb` in 0..1, shape [3]."""
    focal = _lab(np.array(list(NAMES.values()), np.float32) / 255)
    return list(NAMES)[int(_distances(_lab(rgb[None]), focal)[0].argmin())]


def colour_temperature(linear: NDArray[np.float64]) -> float | None:
    """Correlated colour temperature in K of a colour in linear sRGB, shape [3]; None if it is meaningless."""
    xyz = XYZ @ linear
    if xyz[1] < 1e-3:
        return None
    x, y = xyz[:2] / xyz.sum()
    if abs(0.1858 - y) < 1e-6:
        return None
    n = (x - 0.3320) / (0.1858 - y)
    kelvin = float(449 * n**3 + 3525 * n**2 + 6823.3 * n + 5520.33)
    if not TEMPERATURES[0] <= kelvin <= TEMPERATURES[1]:
        return None
    locus_u = (0.860117757 + 1.54118254e-4 * kelvin + 1.28641212e-7 * kelvin**2) / (
        1 + 8.42420235e-4 * kelvin + 7.08145163e-7 * kelvin**2
    )
    locus_v = (0.317398726 + 4.22806245e-5 * kelvin + 4.20481691e-8 * kelvin**2) / (
        1 - 2.89741816e-5 * kelvin + 1.61456053e-7 * kelvin**2
    )
    u, v = 4 * x / (-2 * x + 12 * y + 3), 6 * y / (-2 * x + 12 * y + 3)
    return kelvin if np.hypot(u - locus_u, v - locus_v) <= FARTHEST_UV else None


def _measure(picture: NDArray[np.uint8]) -> dict[str, float | str | list[str] | list[float] | None]:
    # Statistics of a quarter of a million pixels and of every third row and column differ by less than a level.
    step = max(1, round(max(picture.shape[:2]) / 213))
    pixels = np.ascontiguousarray(picture[step // 2 :: step, step // 2 :: step]).reshape(-1, 3)
    rgb = pixels.astype(np.float32)
    luma = luma_of(rgb) / 255
    red, green, blue = rgb.T
    top = rgb.max(axis=1)
    rg, yb = red - green, (red + green) / 2 - blue
    spread = np.hypot(rg.std(dtype=np.float64), yb.std(dtype=np.float64))
    offset = np.hypot(rg.mean(dtype=np.float64), yb.mean(dtype=np.float64))
    brightness = float(top.sum(dtype=np.float64))
    colours, shares = palette(pixels)
    linear = np.stack([np.bincount(pixels[:, c], minlength=256) @ LINEAR for c in range(3)]) / len(pixels)
    return {
        "luma": min(float(luma.mean(dtype=np.float64)), 1.0),
        "contrast": min(float(luma.std(dtype=np.float64)), 0.5),
        "saturation": float((top - rgb.min(axis=1)).sum(dtype=np.float64)) / brightness if brightness else None,
        "colourfulness": float(spread + 0.3 * offset),
        "temperature_k": colour_temperature(linear),
        "colour_name": colour_name(colours[0]),
        "palette": [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in np.rint(colours * 255).astype(int)],
        "palette_shares": [float(share) for share in shares],
    }


def _linear_light() -> NDArray[np.float64]:
    """The sRGB decoding curve (IEC 61966-2-1), one entry per level."""
    level = np.arange(256) / 255
    return np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)


LINEAR = _linear_light()

TABLE = {
    "time_s": Column(pl.Float64, "s", "Presentation time of the picture.", ge=0),
    "luma": Column(pl.Float64, "1", "Mean BT.709 luma, 0 black to 1 white.", ge=0, le=1),
    "contrast": Column(pl.Float64, "1", "Standard deviation of luma.", ge=0, le=0.5),
    "saturation": Column(pl.Float64, "1", "Mean HSV saturation weighted by value; null if black.", 0, 1, nullable=True),
    "colourfulness": Column(pl.Float64, "levels", "Hasler & Suesstrunk's M3: 0 grey, 109 extremely colourful.", ge=0),
    "temperature_k": Column(
        pl.Float64, "K", "Correlated colour temperature of the mean; null if it is meaningless.",
        *TEMPERATURES, nullable=True,
    ),
    "colour_name": Column(pl.String, "text", "Basic colour term of the most frequent colour."),
    "palette": Column(pl.List(pl.String), "text", "Up to five dominant colours as #rrggbb, the most frequent first."),
    "palette_shares": Column(pl.List(pl.Float64), "1", "Share of the pixels that each palette colour represents."),
}  # fmt: skip


def run(frames: Frames) -> pl.DataFrame:
    """One row per sampled picture, in order."""
    rows = [
        {"time_s": float(time), **_measure(picture)} for time, picture in zip(frames.times_s, frames.array, strict=True)
    ]
    return pl.DataFrame(rows, schema=ANALYZER.schema)


def preview(table: pl.DataFrame, frames: Frames) -> NDArray[np.uint8] | None:
    """The palettes over time."""
    if not table.height:
        return None
    times = table["time_s"].to_numpy()
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    return colour_bars(times, table["palette"].to_list(), table["palette_shares"].to_list(), float(times[-1]) + step)


ANALYZER = Analyzer(
    name="color_analysis",
    version="1",
    group="picture",
    inputs=("frames",),
    run=run,
    budget=0.02,
    table=TABLE,
    coverage=0.9,
    preview=preview,
)
