"""Procedural backgrounds with structure at every scale, so that camera moves can be measured."""

import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]
PALETTES: tuple[tuple[Colour, Colour], ...] = (
    ((60, 90, 150), (190, 200, 220)),
    ((150, 80, 50), (60, 40, 40)),
    ((50, 120, 70), (200, 210, 120)),
    ((200, 190, 170), (90, 70, 110)),
    ((40, 45, 60), (200, 120, 60)),
    ((130, 60, 120), (230, 200, 210)),
    ((90, 150, 160), (30, 50, 60)),
    ((190, 160, 60), (110, 40, 30)),
)


def fractal(width: int, height: int, unit: float, rng: np.random.Generator, coarse: int = 3) -> NDArray[np.float32]:
    """Value noise summed over octaves, float32 [height, width], mean about 0, standard deviation 1.

    Args:
        width: In px.
        height: In px.
        unit: Screen height in px; the coarsest octave has cells of ``unit / coarse``.
        rng: Source of the layout.
        coarse: Coarsest cells a screen height; each octave halves them, down to about two px.
    """
    import cv2

    total = np.zeros((height, width), np.float32)
    cell, weight = unit / coarse, 1.0
    while cell >= 2:
        columns, rows = int(width / cell) + 4, int(height / cell) + 4
        grid = rng.standard_normal((rows, columns), dtype=np.float32)
        big = cv2.resize(grid, (round(columns * cell), round(rows * cell)), interpolation=cv2.INTER_CUBIC)
        total += weight * big[:height, :width]
        cell, weight = cell / 2, weight * 0.75
    return (total - total.mean()) / max(float(total.std()), 1e-6)


def _mix(base: Colour, accent: Colour, share: NDArray[np.float32]) -> NDArray[np.uint8]:
    """`base` where `share` is 0, `accent` where it is 1."""
    a, b = np.array(base, np.float32), np.array(accent, np.float32)
    return np.clip(a + (b - a) * share[..., None], 0, 255).astype(np.uint8)


def _shade(base: Colour, accent: Colour, share: float) -> NDArray[np.int64]:
    return np.round(np.array(base) * (1 - share) + np.array(accent) * share).astype(np.int64)


def _roughen(picture: NDArray[np.uint8], unit: float, rng: np.random.Generator, levels: float) -> NDArray[np.uint8]:
    grain = fractal(picture.shape[1], picture.shape[0], unit, rng, coarse=12)
    return np.clip(picture + (levels * grain)[..., None], 0, 255).astype(np.uint8)


def _noise(
    width: int, height: int, unit: float, base: Colour, accent: Colour, rng: np.random.Generator
) -> NDArray[np.uint8]:
    return _mix(base, accent, 0.35 + 0.22 * fractal(width, height, unit, rng))


def _checker(
    width: int, height: int, unit: float, base: Colour, accent: Colour, rng: np.random.Generator
) -> NDArray[np.uint8]:
    import cv2

    cell = max(2, round(unit / 8))
    columns, rows = width // cell + 1, height // cell + 1
    share = (np.indices((rows, columns)).sum(0) % 2).astype(np.float32) * 0.6
    share += rng.uniform(0, 0.4, share.shape).astype(np.float32)  # equal cells would make every shift by two look alike
    big = cv2.resize(share, (columns * cell, rows * cell), interpolation=cv2.INTER_NEAREST)
    return _roughen(_mix(base, accent, big[:height, :width]), unit, rng, 4)


def _landscape(
    width: int, height: int, unit: float, base: Colour, accent: Colour, rng: np.random.Generator
) -> NDArray[np.uint8]:
    import cv2

    sky = np.linspace(0.0, 0.6, height, dtype=np.float32)[:, None]
    picture = _mix(base, (235, 235, 240), np.asarray(sky + 0.12 * fractal(width, height, unit, rng), np.float32))
    xs = np.arange(width)
    for layer in range(4):
        line = fractal(width, 1, unit, rng, coarse=2)[0]
        ridge = height * (0.35 + 0.17 * layer) + unit * (0.10 - 0.015 * layer) * line
        corners = np.stack([xs, ridge], 1)
        polygon = np.concatenate([corners, [[width, height], [0, height]]]).astype(np.int32)
        shade = tuple(int(c * (1.0 - 0.2 * layer)) for c in accent)
        cv2.fillPoly(picture, [polygon], shade, cv2.LINE_AA)
        for _ in range(int(6 * width / unit)):
            x = int(rng.integers(0, width))
            foot, size = float(ridge[x]) + unit * 0.02, unit * rng.uniform(0.02, 0.05) * (1 + 0.4 * layer)
            tree = np.array([[x, foot - 2 * size], [x + size * 0.6, foot], [x - size * 0.6, foot]], np.int32)
            cv2.fillPoly(picture, [tree], tuple(int(c * 0.6) for c in shade), cv2.LINE_AA)
    return _roughen(picture, unit, rng, 6)


def _city(
    width: int, height: int, unit: float, base: Colour, accent: Colour, rng: np.random.Generator
) -> NDArray[np.uint8]:
    import cv2

    picture = _mix(base, accent, 0.15 + 0.08 * fractal(width, height, unit, rng))
    for _ in range(int(6 * width * height / unit**2) + 8):
        w, h = unit * rng.uniform(0.12, 0.35), unit * rng.uniform(0.2, 0.7)
        x, y = rng.uniform(-w, width), rng.uniform(-h, height)
        wall = tuple(int(v) for v in _shade(base, accent, rng.uniform(0.2, 1.0)))
        cv2.rectangle(picture, (int(x), int(y)), (int(x + w), int(y + h)), wall, -1)
        pane = unit * rng.uniform(0.025, 0.045)
        lit = rng.random((int(h / pane / 2), int(w / pane / 2))) < 0.5
        for row, column in zip(*np.nonzero(lit), strict=True):
            a, b = x + pane * (2 * column + 0.7), y + pane * (2 * row + 0.7)
            window = (245, 225, 150) if (row + column) % 3 else (40, 40, 50)
            cv2.rectangle(picture, (int(a), int(b)), (int(a + pane), int(b + pane)), window, -1)
    return _roughen(picture, unit, rng, 4)


def _blobs(
    width: int, height: int, unit: float, base: Colour, accent: Colour, rng: np.random.Generator
) -> NDArray[np.uint8]:
    import cv2

    picture = _mix(base, accent, np.zeros((height, width), np.float32))
    for _ in range(int(60 * width * height / unit**2)):
        centre = int(rng.integers(0, width)), int(rng.integers(0, height))
        colour = _shade(base, accent, rng.uniform(0.1, 1.0)) + rng.integers(-25, 26, 3)
        axes = int(unit * rng.uniform(0.02, 0.1)), int(unit * rng.uniform(0.02, 0.1))
        shade = tuple(int(v) for v in np.clip(colour, 0, 255))
        cv2.ellipse(picture, centre, axes, float(rng.uniform(0, 180)), 0, 360, shade, -1, cv2.LINE_AA)
    return _roughen(picture, unit, rng, 5)


_PAINTERS = {"noise": _noise, "checker": _checker, "landscape": _landscape, "city": _city, "blobs": _blobs}


def texture(name: str, width: int, height: int, unit: float, palette: int, seed: int) -> NDArray[np.uint8]:
    """Paint a background.

    Args:
        name: One of `parts.TEXTURES`.
        width: In px.
        height: In px.
        unit: Height of one screen in px; sizes of all structures follow it.
        palette: Which of `PALETTES`, modulo their number.
        seed: Of the layout.

    Returns:
        uint8 RGB [height, width, 3].
    """
    base, accent = PALETTES[palette % len(PALETTES)]
    return _PAINTERS[name](width, height, unit, base, accent, np.random.default_rng(seed))
