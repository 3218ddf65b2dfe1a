"""Position of a stored picture's pixels: orientation, pixel aspect, and boxes that keep proportions."""

import struct
from fractions import Fraction
from typing import Any, NamedTuple

# (transpose, flip left-right, flip top-bottom) -> (clockwise turn in degrees, mirrored left-right before the turn)
TURNS = {
    (False, False, False): (0, False),
    (True, True, False): (90, False),
    (False, True, True): (180, False),
    (True, False, True): (270, False),
    (False, True, False): (0, True),
    (True, True, True): (90, True),
    (False, False, True): (180, True),
    (True, False, False): (270, True),
}
# Aspects closer than this are equal: encoders round sizes to even numbers and blocks.
SAME_ASPECT = 0.02


class Box(NamedTuple):
    """A rectangle in px: its top left corner and its size."""

    x: int
    y: int
    width: int
    height: int


def orientation(frame: Any) -> tuple[bool, bool, bool]:
    """Return how to make a picture upright: transpose it, then flip it left-right, then top-bottom.

    The display matrix maps a stored pixel (x, y) to (a x + c y, b x + d y) on the screen (libavutil/display.h). A
    rotation that is not a multiple of 90 degrees becomes the nearest one.
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return False, False, False
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(data)[:36])
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return False, a < 0, d < 0
    return True, c < 0, b < 0


def displayed(width: int, height: int, aspect: Fraction, *, transposed: bool) -> tuple[int, int]:
    """Return width and height in square px of a stored picture after it is made upright."""
    upright = max(1, round(width * aspect)), height
    return (upright[1], upright[0]) if transposed else upright


def shrunk(width: int, height: int, long_side: int) -> tuple[int, int]:
    """Return the size with the same proportions whose long side is at most `long_side`."""
    scale = min(1.0, long_side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def inner_box(shown: tuple[int, int], canvas: tuple[int, int], target: tuple[int, int]) -> Box:
    """Return the box of a picture that is fitted, with its proportions, into a canvas that is scaled to a target size.

    Args:
        shown: Width and height of the picture, in square px.
        canvas: Width and height of the canvas, in square px.
        target: Width and height of the scaled canvas.
    """
    ratio = shown[0] * canvas[1] / (shown[1] * canvas[0])
    if abs(ratio - 1) <= SAME_ASPECT:
        return Box(0, 0, *target)
    width = max(1, round(target[0] * min(1.0, ratio)))
    height = max(1, round(target[1] * min(1.0, 1 / ratio)))
    return Box((target[0] - width) // 2, (target[1] - height) // 2, width, height)
