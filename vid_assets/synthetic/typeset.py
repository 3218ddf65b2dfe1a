"""One line of text as an alpha mask with its exact place, drawn with the TrueType font that Pillow carries."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vid_assets.synthetic.parts import SceneError, Text


@dataclass(frozen=True, slots=True)
class Typeset:
    """A line of text in its place.

    Attributes:
        ink: Alpha of the letters, float32 [h, w], 0..1.
        outline: Alpha of the outline around and under them, same shape.
        left: Column of the mask's first pixel in the picture.
        top: Row of the mask's first pixel in the picture.
        box: Of the letters without their outline: x0 y0 x1 y1, shares of the picture.
    """

    ink: NDArray[np.float32]
    outline: NDArray[np.float32]
    left: int
    top: int
    box: tuple[float, float, float, float]


@lru_cache(maxsize=64)
def typeset(text: Text, width: int, height: int) -> Typeset:
    """Set a line of text for a picture of `width` x `height` px.

    Raises:
        SceneError: The line does not fit into the picture at its size and place.
    """
    from PIL import Image, ImageDraw, ImageFont

    probe = ImageFont.load_default(size=100)
    line = probe.getbbox("Hg")[3] - probe.getbbox("Hg")[1]
    font = ImageFont.load_default(size=100 * text.height * height / line)
    stroke = max(1, round(text.height * height / 14))

    def mask(stroke_width: int) -> NDArray[np.float32]:
        x0, y0, x1, y1 = font.getbbox(text.text, stroke_width=stroke)
        image = Image.new("L", (int(x1 - x0) + 4, int(y1 - y0) + 4))
        ImageDraw.Draw(image).text((2 - x0, 2 - y0), text.text, fill=255, font=font, stroke_width=stroke_width)
        return np.asarray(image, np.float32) / np.float32(255)

    ink, outline = mask(0), mask(stroke)
    if not ink.any():
        raise SceneError(f"Text {text.text!r}", "it draws nothing", "give it visible letters")
    rows, columns = np.flatnonzero(ink.max(1) > 0.5), np.flatnonzero(ink.max(0) > 0.5)
    x0, x1, y0, y1 = int(columns[0]), int(columns[-1]) + 1, int(rows[0]), int(rows[-1]) + 1
    left, top = round(text.x * width - (x0 + x1) / 2), round(text.y * height - (y0 + y1) / 2)
    if left < 0 or top < 0 or left + ink.shape[1] > width or top + ink.shape[0] > height:
        raise SceneError(
            f"Text {text.text!r}", f"{ink.shape[1]} x {ink.shape[0]} px do not fit at its place", "shorten or move it"
        )
    box = (left + x0) / width, (top + y0) / height, (left + x1) / width, (top + y1) / height
    return Typeset(ink, outline, left, top, box)


def overlay(picture: NDArray[np.uint8], text: Text) -> NDArray[np.uint8]:
    """Draw the line into the picture, uint8 RGB [h, w, 3], in place, and answer with it."""
    line = typeset(text, picture.shape[1], picture.shape[0])
    h, w = line.ink.shape
    part = picture[line.top : line.top + h, line.left : line.left + w]
    dark = sum(text.colour) > 3 * 127
    mixed = part * (1 - line.outline[..., None]) + (0 if dark else 255) * line.outline[..., None]
    mixed = mixed * (1 - line.ink[..., None]) + np.array(text.colour, np.float32) * line.ink[..., None]
    part[:] = np.round(mixed).astype(np.uint8)
    return picture
