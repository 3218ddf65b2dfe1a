"""Mosaics of known colours and areas under noise, white cards under light of known temperature, and colour terms."""

import numpy as np
from numpy.typing import NDArray

from evaluation._mosaic import noisy, tiles, unlike_colours
from evaluation.figure import Figure
from tests.kit.scene_streams import still
from vid_assets.analyzers.color_analysis import NAMES, XYZ, run

MOSAICS, LIGHTS, TERMS = 60, 40, 44
HEIGHT, WIDTH = 180, 320
NOISE = 4.0
FAINT = 12.0  # levels by which a palette colour may miss the tile's, in any channel
Array = NDArray[np.float64]


def statistics(colours: Array, shares: Array) -> dict[str, float]:
    """What is true of a picture that consists of these colours, levels [n, 3], with these shares, under the noise."""
    weights = np.array([0.2126, 0.7152, 0.0722]) / 255
    luma = colours @ weights
    top, low = colours.max(axis=1), colours.min(axis=1)
    rg, yb = colours[:, 0] - colours[:, 1], (colours[:, 0] + colours[:, 1]) / 2 - colours[:, 2]

    def deviation(values: Array, noise: float) -> float:
        return float(np.hypot(np.sqrt(shares @ (values - shares @ values) ** 2), NOISE * noise))

    # Noise of 1 in each channel is noise of so much in their sums and differences.
    colourfulness = np.hypot(deviation(rg, 2**0.5), deviation(yb, 1.5**0.5)) + 0.3 * np.hypot(shares @ rg, shares @ yb)
    return {
        "luma": float(shares @ luma),
        "contrast": deviation(luma, float(np.linalg.norm(weights))),
        "saturation": float(shares @ (top - low) / (shares @ top)),
        "colourfulness": float(colourfulness),
    }


def of_mosaics(seed: int) -> list[Figure]:
    """Means, and the palette."""
    errors: dict[str, list[float]] = {"luma": [], "contrast": [], "saturation": [], "colourfulness": []}
    found, tiles_seen, misses = 0, 0, []
    for number in range(MOSAICS):
        rng = np.random.default_rng([seed, number, 79])
        count = int(rng.integers(2, 5))
        colours = unlike_colours(rng, count)
        where = tiles(rng, count, HEIGHT, WIDTH)
        shares = np.bincount(where.ravel(), minlength=count) / where.size
        (row,) = run(still(noisy(colours[where], NOISE, rng))).rows(named=True)
        for name, value in statistics(colours.astype(float), shares).items():
            errors[name].append(abs(row[name] - value))
        palette = np.array([[int(code[i : i + 2], 16) for i in (1, 3, 5)] for code in row["palette"]])
        for colour, share in zip(colours, shares, strict=True):
            if share >= 0.02:
                tiles_seen += 1
                near = np.abs(palette - colour).max(axis=1)
                if near.min() <= FAINT:
                    found += 1
                    misses.append(abs(row["palette_shares"][int(near.argmin())] - share))
    named = {"analyzer": "color_analysis"}
    bounds = {"luma": ("1", 0.005), "contrast": ("1", 0.005), "saturation": ("1", 0.03), "colourfulness": ("levels", 2)}
    return [
        *(
            Figure(what=f"error of {name}, largest", value=max(errors[name]), unit=unit, cases=MOSAICS, at_most=most,
                   **named)
            for name, (unit, most) in bounds.items()
        ),
        Figure(what=f"colours of tiles in the palette, {FAINT:g} levels", value=found / tiles_seen, unit="1",
               cases=tiles_seen, at_least=0.95, **named),
        Figure(what="error of a colour's share, 95th percentile", value=float(np.percentile(misses, 95)), unit="1",
               cases=len(misses), at_most=0.01, **named),
    ]  # fmt: skip


def white(kelvin: float) -> Array:
    """Linear sRGB, 0..1 [3], of a white card under light of this temperature.

    Daylight from 4000 K (CIE 15:2018, 4.1.2), the black body below that (Kim et al. 2002).
    """
    k = 1000 / kelvin
    if kelvin >= 4000:
        x = (
            -4.6070 * k**3 + 2.9678 * k**2 + 0.09911 * k + 0.244063
            if kelvin <= 7000
            else -2.0064 * k**3 + 1.9018 * k**2 + 0.24748 * k + 0.237040
        )
        y = -3 * x**2 + 2.87 * x - 0.275
    else:
        x = -0.2661239 * k**3 - 0.2343589 * k**2 + 0.8776956 * k + 0.179910
        p = (-1.1063814, -1.34811020, 2.18555832, -0.20219683) if kelvin <= 2222 else (
            -0.9549476, -1.37418593, 2.09137015, -0.16748867)  # fmt: skip
        y = p[0] * x**3 + p[1] * x**2 + p[2] * x + p[3]
    linear = np.linalg.solve(XYZ, np.array([x / y, 1, (1 - x - y) / y]))
    return (linear / linear.max()).clip(0)


def of_lights(seed: int) -> list[Figure]:
    """White cards, brighter here than there, as sRGB."""
    errors, answered = [], 0
    for number in range(LIGHTS):
        rng = np.random.default_rng([seed, number, 83])
        kelvin = float(1e6 / rng.uniform(1e6 / 11000, 1e6 / 2400))  # even steps in mired, as the eye sees them
        card = rng.uniform(0.2, 0.9) * np.linspace(0.5, 1, WIDTH)[None, :, None] * np.ones((HEIGHT, 1, 1))
        linear = card * white(kelvin)
        coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
        (row,) = run(still(noisy(255 * coded, 2.0, rng))).rows(named=True)
        if row["temperature_k"] is not None:
            answered += 1
            errors.append(100 * abs(row["temperature_k"] / kelvin - 1))
    named = {"analyzer": "color_analysis"}
    return [
        Figure(what="white cards with a colour temperature", value=answered / LIGHTS, unit="1", cases=LIGHTS,
               at_least=0.95, **named),
        Figure(what="error of the colour temperature, 95th percentile", value=float(np.percentile(errors, 95)),
               unit="%", cases=answered, at_most=3, **named),
    ]  # fmt: skip


def of_terms(seed: int) -> list[Figure]:
    """Pictures mostly of a colour near the focal one of a colour term."""
    right = 0
    for number in range(TERMS):
        rng = np.random.default_rng([seed, number, 89])
        name = list(NAMES)[number % len(NAMES)]
        main = np.clip(np.array(NAMES[name]) + rng.normal(0, 8, 3), 0, 255)
        picture = np.tile(main, (HEIGHT, WIDTH, 1))
        picture[: HEIGHT // 3, : WIDTH // 2] = rng.integers(0, 256, 3)
        right += run(still(noisy(picture, NOISE, rng)))["colour_name"].item() == name
    what = "dominant colours given their term"
    return [Figure(analyzer="color_analysis", what=what, value=right / TERMS, unit="1", cases=TERMS, at_least=0.9)]


def measure(seed: int) -> list[Figure]:
    """Means, palettes, temperatures, terms."""
    return [*of_mosaics(seed), *of_lights(seed), *of_terms(seed)]
