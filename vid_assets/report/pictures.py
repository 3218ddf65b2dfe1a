"""The pictures of a report, as WebP: the film strip along the time axis, a picture for each shot, and the thumbnail."""

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vid_assets.contract import Frames
from vid_assets.drawing import Picture
from vid_assets.measures.shots import Span, rows_within, subsample

TILE = (160, 90)
NARROWEST, WIDEST = 50, 240  # px of width of one picture in the strip
SHOTS = 24
QUALITY = 72


def strip(frames: Frames, duration_s: float, width: int) -> Picture:
    """Return pictures side by side, each from the middle of its part of the time axis, as many as keep their shape.

    Args:
        frames: Sampled pictures, at least one.
        duration_s: Length of the time axis.
        width: Width of the whole strip, in px.

    Returns:
        uint8 RGB [90, width, 3].
    """
    tall, wide = frames.array.shape[1:3]
    tile = min(max(TILE[1] * wide / tall, NARROWEST), WIDEST)
    count = max(1, round(width / tile))
    edges = np.rint(np.linspace(0, width, count + 1)).astype(int)
    middles = (edges[:-1] + edges[1:]) / 2 * duration_s / width
    nearest = np.abs(frames.times_s[:, None] - middles[None, :]).argmin(axis=0)
    sizes = np.diff(edges).tolist()
    return np.concatenate([covered(frames.array[row], size) for row, size in zip(nearest, sizes, strict=True)], axis=1)


def covered(picture: NDArray[np.uint8], width: int) -> Picture:
    """Return a tile of this width, filled by the picture; the excess is cut off equally on both sides."""
    import cv2

    tall, wide = picture.shape[:2]
    scale = max(width / wide, TILE[1] / tall)
    size = (max(width, round(wide * scale)), max(TILE[1], round(tall * scale)))
    small = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    left, top = (size[0] - width) // 2, (size[1] - TILE[1]) // 2
    return small[top : top + TILE[1], left : left + width]


def thumbnail(frames: Frames) -> Picture:
    """Return the picture in the middle of the video, as a tile."""
    return fitted(frames.array[len(frames) // 2])


def shot_pictures(frames: Frames, shots: Sequence[Span]) -> list[tuple[int, Span, Picture | None]]:
    """Return number from 0, span and middle picture of at most `SHOTS` evenly chosen shots.

    A shot too short to contain a sampled picture has none.
    """
    found: list[tuple[int, Span, Picture | None]] = []
    for place in subsample(np.arange(len(shots)), SHOTS):
        rows = rows_within(frames, shots[place])
        found.append((place, shots[place], fitted(frames.array[rows[len(rows) // 2]]) if len(rows) else None))
    return found


def fitted(picture: NDArray[np.uint8]) -> Picture:
    """Fit the whole picture into a tile, on black if it has another shape."""
    import cv2

    width, height = TILE
    tall, wide = picture.shape[:2]
    scale = min(width / wide, height / tall)
    size = (max(1, round(wide * scale)), max(1, round(tall * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    tile = np.zeros((height, width, 3), np.uint8)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    tile[top : top + size[1], left : left + size[0]] = small
    return tile


def webp(picture: Picture) -> bytes:
    """Encode the picture as WebP."""
    import cv2

    return cv2.imencode(".webp", picture[:, :, ::-1], [cv2.IMWRITE_WEBP_QUALITY, QUALITY])[1].tobytes()


def inlined(picture: Picture) -> str:
    """Return the picture as a data URL, which needs no file and no server."""
    return _data_url(webp(picture))


def inlined_file(file: Path) -> str:
    """Return a WebP file as a data URL."""
    return _data_url(file.read_bytes())


def _data_url(encoded: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(encoded).decode()}"
