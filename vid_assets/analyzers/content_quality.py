"""Technical quality of each sampled picture: sharpness, noise, clipping, blockiness and BRISQUE.

- Laplacian: variance of the Laplacian of luma (Pech-Pacheco et al. 2000), for comparing pictures of one scene.
- Edge blur: width of the strongest edges by the gradient ratio after a second blur (Zhuo & Sim 2011;
  `measures.edge_blur`). It is the median over 5 x 8 parts of the picture, as a share of its height. It does not depend
  on contrast, size, or a caption in a corner.
- Noise: standard deviation of the variation common to all small patches, by the smallest eigenvalues of their
  covariance (Chen, Zhu & Heng, "An efficient statistical method for image noise level estimation", 2015). Texture does
  not count as noise.
- Clipping: share of pixels with luma at the ends of the scale.
- Blockiness: steps across the borders of 8 x 8 blocks relative to steps inside them (after Wang, Bovik & Evans 2000); 1
  means none.
- BRISQUE: Mittal, Moorthy & Bovik, "No-reference image quality assessment in the spatial domain", 2012, with the model
  trained on the LIVE database (``vid_assets/analyzers/data/brisque``); about 0 fine to 100 bad.

The analyzer uses the sampled picture, at most 640 px long. Blur and noise finer than its pixels are lost. Blocks are
lost too if the picture was shrunk to less than half; blockiness is null then. Soft content, such as fog, counts as
blur. If only a caption has edges, the analyzer measures the caption. Sparse edges count as none. BRISQUE is made for
photographs; drawings and screens score badly whatever their quality.
"""

import math
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vid_assets.contract import Analyzer, Column, Frames, Video
from vid_assets.drawing import line_plot
from vid_assets.measures.edge_blur import edge_blur
from vid_assets.measures.luma import BLACK, luma_of

BRISQUE_FILE = Path(__file__).parent / "data" / "brisque" / "brisque_live.npz"
# After decoders and scalers, clipped areas are within a few levels of the ends.
DARKEST, BRIGHTEST = 4, 251
PATCH, PATCH_STEP, FEWEST_PATCHES = 7, 6, 500
BATCH = 100
BAR_RIM = 4  # px beside a bar that mix bar and picture
SMALLEST_BLOCK = 4.0

Plane = NDArray[np.float32]


def without_bars(luma: Plane) -> Plane:
    """The part of a picture, levels [h, w], inside black bars and without their rims; all of it if there are none."""
    area = luma
    for _ in range(2):
        lit = np.flatnonzero(area.max(axis=1) > BLACK)
        if len(lit) and len(lit) < len(area):
            first, last = int(lit[0]), int(lit[-1])
            area = area[first + (BAR_RIM if first else 0) : last + 1 - (BAR_RIM if last < len(area) - 1 else 0)]
        if not area.size:
            return luma
        area = area.T
    return np.ascontiguousarray(area)


def noise_sigma(luma: Plane) -> float | None:
    """Standard deviation of the noise in levels; None if too little of the picture is unclipped.

    Args:
        luma: Levels 0..255, shape [h, w].
    """
    if min(luma.shape) < PATCH:
        return None
    windows = np.lib.stride_tricks.sliding_window_view(luma, (PATCH, PATCH))[::PATCH_STEP, ::PATCH_STEP]
    patches = windows.reshape(-1, PATCH * PATCH)
    patches = patches[(patches.min(axis=1) > DARKEST) & (patches.max(axis=1) < BRIGHTEST)]
    if len(patches) < FEWEST_PATCHES:
        return None
    # The batches are too small for BLAS to use several threads, which would mostly wait for each other.
    usable = len(patches) // BATCH * BATCH
    batches = (patches[:usable] - patches.mean(axis=0)).reshape(-1, BATCH, PATCH * PATCH)
    covariance = (batches.transpose(0, 2, 1) @ batches).sum(axis=0, dtype=np.float64) / (usable - 1)
    values = np.linalg.eigvalsh(covariance).clip(min=0)
    # Eigenvalues of noise alone scatter evenly around their mean; structure adds large ones. Drop the largest until
    # mean and median agree.
    means = np.cumsum(values) / np.arange(1, len(values) + 1)
    for last in range(len(values) - 1, 0, -1):
        if means[last] <= np.median(values[: last + 1]):
            return float(np.sqrt(means[last]))
    return float(np.sqrt(means[0]))


def blockiness(luma: Plane, block: float) -> float | None:
    """Mean step across block borders over the mean step elsewhere; None if it cannot be measured.

    Args:
        luma: Levels, shape [h, w].
        block: Size of the blocks in px of this picture: 8 px of the file, times the scale of the picture.
    """
    if block < SMALLEST_BLOCK:
        return None
    across = inside = 0.0
    borders = others = 0
    for axis in (0, 1):
        steps = np.abs(np.diff(luma, axis=axis)).mean(axis=1 - axis, dtype=np.float64)
        at = np.rint(np.arange(1, (len(steps) + 1) / block) * block).astype(int) - 1
        border = np.zeros(len(steps), bool)
        border[at[at < len(steps)]] = True
        across, inside = across + steps[border].sum(), inside + steps[~border].sum()
        borders, others = borders + int(border.sum()), others + int((~border).sum())
    if not borders or not others or inside <= 0:
        return None
    return float((across / borders) / (inside / others))


@cache
def _brisque_model() -> dict[str, NDArray[np.float64]]:
    with np.load(BRISQUE_FILE, allow_pickle=False) as stored:
        return {name: stored[name].astype(np.float64) for name in stored.files}


@cache
def _shapes() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shape parameter of a generalized Gaussian and its ratio of squared mean magnitude to variance, both ascending."""
    alphas = np.geomspace(0.1, 20, 4000)
    ratios = [math.exp(2 * math.lgamma(2 / a) - math.lgamma(1 / a) - math.lgamma(3 / a)) for a in alphas]
    return alphas, np.array(ratios)


def _fit(x: Plane) -> tuple[float, float, float, float] | None:
    """Asymmetric generalized Gaussian by moments (Lasmar et al. 2009): alpha, mean, left and right variance."""
    import cv2

    left = np.minimum(x, 0)
    lefts = cv2.countNonZero(left)
    energy, left_energy = cv2.norm(x, cv2.NORM_L2SQR), cv2.norm(left, cv2.NORM_L2SQR)
    if lefts in (0, x.size) or energy <= left_energy:
        return None
    left_variance, right_variance = left_energy / lefts, (energy - left_energy) / (x.size - lefts)
    gamma = math.sqrt(left_variance / right_variance)
    ratio = (cv2.norm(x, cv2.NORM_L1) / x.size) ** 2 / (energy / x.size)
    alphas, ratios = _shapes()
    alpha = float(np.interp(ratio * (gamma**3 + 1) * (gamma + 1) / (gamma**2 + 1) ** 2, ratios, alphas))
    scale = math.exp(math.lgamma(2 / alpha) - (math.lgamma(1 / alpha) + math.lgamma(3 / alpha)) / 2)
    return alpha, (math.sqrt(right_variance) - math.sqrt(left_variance)) * scale, left_variance, right_variance


def _scale_features(grey: Plane) -> list[float] | None:
    """The 18 features of one scale; `grey` in 0..1."""
    import cv2

    def blur(plane: Plane) -> Plane:
        return np.asarray(cv2.GaussianBlur(plane, (7, 7), 7 / 6, borderType=cv2.BORDER_CONSTANT), np.float32)

    mean = blur(grey)
    deviation = np.sqrt(np.abs(blur(grey * grey) - mean * mean))
    mscn: Plane = np.divide(grey - mean, deviation + np.float32(1 / 255), dtype=np.float32)
    whole = _fit(mscn)
    if whole is None:
        return None
    features = [whole[0], (whole[2] + whole[3]) / 2]
    neighbours = (
        (mscn[:, :-1], mscn[:, 1:]),
        (mscn[:-1], mscn[1:]),
        (mscn[:-1, :-1], mscn[1:, 1:]),
        (mscn[1:, :-1], mscn[:-1, 1:]),
    )
    for one, other in neighbours:
        fit = _fit(np.multiply(one, other, dtype=np.float32))
        if fit is None:
            return None
        features += fit
    return features


def brisque(grey: Plane) -> float | None:
    """BRISQUE score, about 0 (fine) to 100 (bad); None for a picture without structure.

    Args:
        grey: Luma in 0..1, shape [h, w], at least 16 px in each direction.
    """
    import cv2

    if min(grey.shape) < 16 or np.ptp(grey) < 1 / 255:
        return None
    full = _scale_features(grey)
    smaller = np.asarray(cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_CUBIC), np.float32)
    half = _scale_features(smaller)
    if full is None or half is None:
        return None
    model = _brisque_model()
    scaled = -1 + 2 * (np.array(full + half) - model["low"]) / (model["high"] - model["low"])
    distances = ((model["support"] - scaled) ** 2).sum(axis=1)
    return float(model["weights"] @ np.exp(-model["gamma"] * distances) - model["rho"])


def _measure(picture: NDArray[np.uint8], block: float) -> dict[str, float | None]:
    import cv2

    luma = luma_of(picture)
    noise = noise_sigma(luma)
    blur = edge_blur(without_bars(luma), noise or 0.0)
    return {
        "laplacian": float(cv2.Laplacian(luma, cv2.CV_32F).var(dtype=np.float64)),
        "edge_blur": None if blur is None else 1000 * blur / luma.shape[0],
        "noise_sigma": noise,
        "clipped_dark": float((luma <= DARKEST).mean()),
        "clipped_bright": float((luma >= BRIGHTEST).mean()),
        "blockiness": blockiness(luma, block),
        "brisque": brisque(luma / np.float32(255)),
    }


TABLE = {
    "time_s": Column(pl.Float64, "s", "Presentation time of the picture.", ge=0),
    "laplacian": Column(pl.Float64, "levels^2", "Variance of the Laplacian of luma; higher for sharp pictures.", ge=0),
    "edge_blur": Column(
        pl.Float64, "1/1000 of the height", "Standard deviation of the blur of the strongest edges; null without any.",
        ge=0, nullable=True,
    ),
    "noise_sigma": Column(
        pl.Float64, "levels", "Standard deviation of the luma noise, out of 255; null if most is clipped.", 0, 255,
        nullable=True,
    ),
    "clipped_dark": Column(pl.Float64, "1", "Share of pixels with luma at the black end.", ge=0, le=1),
    "clipped_bright": Column(pl.Float64, "1", "Share of pixels with luma at the white end.", ge=0, le=1),
    "blockiness": Column(
        pl.Float64, "1", "Steps across 8 px block borders over steps elsewhere, 1 means none; null if flat or shrunk.",
        ge=0, nullable=True,
    ),
    "brisque": Column(pl.Float64, "1", "BRISQUE, about 0 fine to 100 bad; null without structure.", nullable=True),
}  # fmt: skip


def run(video: Video, frames: Frames) -> pl.DataFrame:
    """One row per sampled picture, in order."""
    width = frames.array.shape[2]
    block = 8 * width / max(video.width, width)
    rows = [
        {"time_s": float(time), **_measure(picture, block)}
        for time, picture in zip(frames.times_s, frames.array, strict=True)
    ]
    return pl.DataFrame(rows, schema=ANALYZER.schema)


def preview(table: pl.DataFrame, video: Video, frames: Frames) -> NDArray[np.uint8] | None:
    """Blur, noise, exposure, blockiness and BRISQUE over time."""
    if not table.height:
        return None
    names = ("edge_blur", "noise_sigma", "clipped_dark", "clipped_bright", "blockiness", "brisque")
    series = {name: table[name].fill_null(float("nan")).to_numpy() for name in names}
    return line_plot(table["time_s"].to_numpy(), series, video.duration_s)


ANALYZER = Analyzer(
    name="content_quality",
    version="3",
    group="picture",
    inputs=("video", "frames"),
    run=run,
    budget=0.03,
    table=TABLE,
    coverage=0.9,
    preview=preview,
)
