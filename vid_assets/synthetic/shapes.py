"""Coloured shapes on plain backgrounds: the vocabulary that generated clips, captions and tests share.

Sizes and positions are shares of the picture's height and width, so that the same scene can be drawn at any size.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (220, 40, 40),
    "green": (40, 180, 60),
    "blue": (50, 80, 220),
    "yellow": (230, 210, 50),
    "purple": (150, 60, 180),
    "white": (240, 240, 240),
}
SHAPES = ("circle", "square", "triangle", "cross")
BACKGROUNDS: dict[str, tuple[int, int, int]] = {
    "black": (15, 15, 15),
    "grey": (110, 110, 110),
    "brown": (100, 70, 40),
}
DIRECTIONS: dict[str, tuple[int, int]] = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape at one moment.

    Attributes:
        kind: One of `SHAPES`.
        colour: A key of `COLOURS`.
        x: Centre, share of the picture's width.
        y: Centre, share of the picture's height.
        radius: Half its extent, share of the picture's height.
        depth: Distance from the viewer, 0 (near) to 1 (far); nearer shapes are drawn over farther ones.
    """

    kind: str
    colour: str
    x: float
    y: float
    radius: float
    depth: float = 0.5

    @property
    def name(self) -> str:
        """Such as ``red circle``."""
        return f"{self.colour} {self.kind}"


def background(name: str, width: int, height: int, rng: np.random.Generator, noise: int = 8) -> NDArray[np.uint8]:
    """A plain background, uint8 RGB [height, width, 3], with uniform noise of at most `noise` levels."""
    plain = np.empty((height, width, 3), np.int16)
    plain[:] = BACKGROUNDS[name]
    if noise:
        plain += rng.integers(-noise, noise + 1, plain.shape, dtype=np.int16)
    return np.clip(plain, 0, 255).astype(np.uint8)


def draw(picture: NDArray[np.uint8], shape: Shape) -> None:
    """Draw one shape into the picture, antialiased."""
    import cv2

    height, width = picture.shape[:2]
    shift = 4  # cv2 takes fixed-point coordinates with this many fractional bits
    scale = 1 << shift
    x, y, r = shape.x * width, shape.y * height, shape.radius * height
    colour = COLOURS[shape.colour]

    def polygon(*points: tuple[float, float]) -> None:
        corners = np.array([[round((x + a * r) * scale), round((y + b * r) * scale)] for a, b in points], np.int32)
        cv2.fillPoly(picture, [corners], colour, cv2.LINE_AA, shift)

    if shape.kind == "circle":
        centre = round(x * scale), round(y * scale)
        cv2.circle(picture, centre, round(r * scale), colour, -1, cv2.LINE_AA, shift)
    elif shape.kind == "square":
        polygon((-1, -1), (1, -1), (1, 1), (-1, 1))
    elif shape.kind == "triangle":
        polygon((0, -1), (1, 1), (-1, 1))
    elif shape.kind == "cross":
        arm = 0.3
        polygon((-arm, -1), (arm, -1), (arm, 1), (-arm, 1))
        polygon((-1, -arm), (1, -arm), (1, arm), (-1, arm))
    else:
        raise ValueError(f"unknown shape {shape.kind!r}; use one of {', '.join(SHAPES)}")


def draw_all(picture: NDArray[np.uint8], shapes: list[Shape]) -> None:
    """Draw the shapes, the farthest first."""
    for shape in sorted(shapes, key=lambda item: -item.depth):
        draw(picture, shape)
