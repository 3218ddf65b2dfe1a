"""Procedural pictures that are no scenes: textures, gradients, landscapes, clutter, text, and scenes gone wrong.

They stand for the footage of the world when the tiny captioners learn to answer "unknown". No real picture is among
them.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vid_assets.synthetic.shapes import BACKGROUNDS, COLOURS, SHAPES, Shape, background, draw_all

Picture = NDArray[np.uint8]


def _field(rng: np.random.Generator, width: int, height: int, slope: float) -> NDArray[np.float32]:
    """A random field 0..1 whose spectrum falls as frequency ** -slope; pictures of nature have slopes near 1."""
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    reach = np.maximum(np.hypot(fy * height, fx * width), 1.0)
    waves = (rng.standard_normal(reach.shape) + 1j * rng.standard_normal(reach.shape)) / reach**slope
    field = np.fft.irfft2(waves, (height, width))
    low, high = np.percentile(field, (1, 99))
    return np.clip((field - low) / (high - low + 1e-9), 0, 1).astype(np.float32)


def _tint(rng: np.random.Generator, field: NDArray[np.float32]) -> Picture:
    """The field, coloured between two or three random colours."""
    stops = rng.uniform(0, 255, (int(rng.integers(2, 4)), 3))
    places = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(field, places, stops[:, channel]) for channel in range(3)], -1).astype(np.uint8)


def texture(rng: np.random.Generator, width: int, height: int) -> Picture:
    """Clouds to sand, in one palette or with three independent channels."""
    slope = float(rng.uniform(0.3, 2.2))
    if rng.random() < 0.6:
        return _tint(rng, _field(rng, width, height, slope))
    channels = np.stack([_field(rng, width, height, slope) for _ in range(3)], -1)
    mix = rng.uniform(0, 1, (3, 3))
    return np.clip(channels @ (mix / mix.sum(0)) * 255, 0, 255).astype(np.uint8)


def gradient(rng: np.random.Generator, width: int, height: int) -> Picture:
    """A linear or radial ramp between random colours."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    ramp = np.cos(angle) * x / width + np.sin(angle) * y / height
    if rng.random() < 0.4:
        ramp = np.hypot(x / width - rng.random(), y / height - rng.random())
    ramp = (ramp - ramp.min()) / np.ptp(ramp)
    return _tint(rng, ramp.astype(np.float32))


def pattern(rng: np.random.Generator, width: int, height: int) -> Picture:
    """Stripes or a checkerboard at any angle."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    angle, step = rng.uniform(0, np.pi), rng.uniform(0.05, 0.4) * height
    u, v = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    cells = np.floor(u / step) + (np.floor(v / step) if rng.random() < 0.6 else 0)
    return _tint(rng, np.mod(cells, 2).astype(np.float32))


def plain(rng: np.random.Generator, width: int, height: int) -> Picture:
    """No shape at all: a known background, or any colour."""
    if rng.random() < 0.6:
        return background(str(rng.choice(list(BACKGROUNDS))), width, height, rng, int(rng.integers(0, 11)))
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = rng.integers(0, 256, 3)
    return picture


def noise(rng: np.random.Generator, width: int, height: int) -> Picture:
    """White noise around a random colour."""
    return np.clip(rng.normal(rng.uniform(0, 255, 3), rng.uniform(20, 90), (height, width, 3)), 0, 255).astype(np.uint8)


def _blob(rng: np.random.Generator, picture: Picture, size: float, colour: tuple[int, ...]) -> None:
    """One random polygon, ellipse, bar or line of about this size (share of the height)."""
    import cv2

    height, width = picture.shape[:2]
    x, y = int(rng.uniform(0, width)), int(rng.uniform(0, height))
    reach = max(2.0, size * height)
    form = int(rng.integers(4))
    if form == 0:
        axes = int(reach * rng.uniform(0.3, 1)) + 1, int(reach * rng.uniform(0.3, 1)) + 1
        cv2.ellipse(picture, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
    elif form == 1:
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(4, 10))))
        radii = reach * rng.uniform(0.3, 1.1, len(angles))
        corners = np.stack([x + radii * np.cos(angles), y + radii * np.sin(angles)], 1).astype(np.int32)
        cv2.fillPoly(picture, [corners], colour, cv2.LINE_AA)
    elif form == 2:
        box = cv2.boxPoints(((x, y), (reach * 2, reach * rng.uniform(0.2, 1.5)), float(rng.uniform(0, 90))))
        cv2.fillPoly(picture, [box.astype(np.int32)], colour, cv2.LINE_AA)
    else:
        end = int(rng.uniform(0, width)), int(rng.uniform(0, height))
        cv2.line(picture, (x, y), end, colour, max(1, int(reach * 0.15)), cv2.LINE_AA)


def _any_colour(rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(int(value) for value in rng.integers(0, 256, 3))


def clutter(rng: np.random.Generator, width: int, height: int) -> Picture:
    """Many things of all colours over one another, softened here and there: rooms and streets, seen from far."""
    import cv2

    picture = [plain, gradient, texture][int(rng.integers(3))](rng, width, height).copy()
    for _ in range(int(rng.integers(5, 40))):
        _blob(rng, picture, float(rng.uniform(0.03, 0.5)), _any_colour(rng))
    if rng.random() < 0.5:
        picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.5, 4)))
    if rng.random() < 0.5:
        shade = _field(rng, width, height, float(rng.uniform(0.8, 2)))[..., None] * 0.7 + 0.3
        picture = (picture * shade).astype(np.uint8)
    return picture


def landscape(rng: np.random.Generator, width: int, height: int) -> Picture:
    """Sky, one to four ridges, haze; muted palettes as cameras give them."""
    picture = gradient(rng, width, height).astype(np.float32)
    base = rng.uniform(20, 200, 3)
    level = rng.uniform(0.2, 0.6)
    for _ in range(int(rng.integers(1, 5))):
        ridge = (level + 0.25 * (_field(rng, width, 4, 1.2)[0] - 0.5)) * height
        ground = np.mgrid[0:height, 0:width][0] > ridge[None]
        shade = _field(rng, width, height, float(rng.uniform(0.5, 1.5)))[..., None] * 0.6 + 0.6
        picture = np.where(ground[..., None], base * shade, picture)
        base, level = np.clip(base * rng.uniform(0.5, 1.3, 3), 0, 255), level + rng.uniform(0.08, 0.25)
    return np.clip(picture, 0, 255).astype(np.uint8)


def portrait(rng: np.random.Generator, width: int, height: int) -> Picture:
    """A big rounded thing with smaller ones in it before a soft background: heads, animals, close-ups."""
    import cv2

    picture = [gradient, texture, plain, landscape][int(rng.integers(4))](rng, width, height).copy()
    x, y = rng.uniform(0.25, 0.75) * width, rng.uniform(0.3, 0.7) * height
    size = rng.uniform(0.2, 0.55) * height
    skin = rng.uniform(30, 240, 3)
    for scale, shift, tone in ((1.7, 1.6, rng.uniform(10, 200, 3)), (1.0, 0.0, skin), (0.9, -0.3, skin * 0.6)):
        axes = int(size * scale * rng.uniform(0.5, 0.9)) + 1, int(size * scale * rng.uniform(0.4, 0.8)) + 1
        at = int(x), int(y + shift * size)
        cv2.ellipse(picture, at, axes, float(rng.uniform(-20, 20)), 0, 360, tuple(map(float, tone)), -1, cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 6))):
        at = int(x + rng.normal(0, 0.3) * size), int(y + rng.normal(0, 0.3) * size)
        axes = int(size * rng.uniform(0.03, 0.2)) + 1, int(size * rng.uniform(0.03, 0.12)) + 1
        tone = tuple(map(float, skin * rng.uniform(0.2, 1.3)))
        cv2.ellipse(picture, at, axes, 0, 0, 360, tone, -1, cv2.LINE_AA)
    light = _field(rng, width, height, 1.8)[..., None] * rng.uniform(0.1, 0.8)
    picture = np.clip(picture * (1 - light), 0, 255).astype(np.uint8)
    return cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.4, 3)))


def slide(rng: np.random.Generator, width: int, height: int) -> Picture:
    """Lines of text on a plain or graded background."""
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.fromarray([plain, gradient][int(rng.integers(2))](rng, width, height))
    pen = ImageDraw.Draw(picture)
    y = float(rng.uniform(0, 0.4))
    while y < 0.95:
        size = float(rng.uniform(0.06, 0.3))
        letters = rng.choice(list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJK 0123456789"), int(rng.integers(3, 24)))
        font = ImageFont.load_default(size=max(6.0, size * height))
        pen.text((float(rng.uniform(0, 0.4)) * width, y * height), "".join(letters), _any_colour(rng), font)
        y += size * float(rng.uniform(1.1, 2.5))
    return np.asarray(picture)


def _shapes(rng: np.random.Generator, count: int, low: float, high: float) -> list[Shape]:
    return [
        Shape(
            str(rng.choice(SHAPES)), str(rng.choice(list(COLOURS))),
            float(rng.random()), float(rng.random()), float(rng.uniform(low, high)),
        )
        for _ in range(count)
    ]  # fmt: skip


def strange_scene(rng: np.random.Generator, width: int, height: int) -> Picture:
    """Known shapes where they do not belong, too many or too big, or unknown things on a known background."""
    form = int(rng.integers(4))
    if form == 0:
        picture = [texture, landscape, pattern, gradient][int(rng.integers(4))](rng, width, height).copy()
        draw_all(picture, _shapes(rng, int(rng.integers(1, 4)), 0.08, 0.22))
        return picture
    picture = background(str(rng.choice(list(BACKGROUNDS))), width, height, rng, int(rng.integers(0, 11)))
    if form == 1:
        draw_all(picture, _shapes(rng, int(rng.integers(6, 20)), 0.05, 0.25))
    elif form == 2:
        draw_all(picture, _shapes(rng, int(rng.integers(1, 3)), 0.5, 1.0))
    else:
        for _ in range(int(rng.integers(1, 6))):
            _blob(rng, picture, float(rng.uniform(0.15, 0.6)), _any_colour(rng))
    return picture


def collage(rng: np.random.Generator, width: int, height: int) -> Picture:
    """Two kinds of picture in one: a mixture, or side by side."""
    first, second = (KINDS[int(rng.integers(len(KINDS) - 1))](rng, width, height) for _ in range(2))
    if rng.random() < 0.5:
        share = float(rng.uniform(0.3, 0.7))
        return (first * share + second * (1 - share)).astype(np.uint8)
    edge = int(width * rng.uniform(0.2, 0.8))
    return np.concatenate([first[:, :edge], second[:, edge:]], axis=1)


KINDS: tuple[Callable[[np.random.Generator, int, int], Picture], ...] = (
    texture, gradient, pattern, plain, noise, clutter, clutter, landscape, landscape, portrait, portrait, slide,
    strange_scene, strange_scene, strange_scene, collage,
)  # fmt: skip


def negative(rng: np.random.Generator, width: int, height: int) -> Picture:
    """A random picture that is no scene, uint8 RGB [height, width, 3]."""
    return KINDS[int(rng.integers(len(KINDS)))](rng, width, height)
