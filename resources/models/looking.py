"""Which parts of pictures a network looks at: those that have changed, and small parts in every second picture."""

from collections.abc import Callable, Collection
from typing import Generic, TypeVar

import numpy as np

CELL, NOISE = 16, 4  # px, and levels of 256: the mean change of a cell from which it has changed
T = TypeVar("T")


class View(Generic[T]):
    """One part of the pictures. The network looks at it again only when it has changed."""

    def __init__(self, look: Callable[[np.ndarray], T]) -> None:
        self._look = look
        self._last: tuple[np.ndarray, T] | None = None

    def see(self, picture: np.ndarray) -> T:
        """Return what is in the part, uint8 [height, width, 3], or what was in the last one that looked the same."""
        if self._last is None or has_changed(self._last[0], picture):
            self._last = picture, self._look(picture)
        return self._last[1]


def closely(rows: Collection[int]) -> list[int]:
    """Return every second row, and those without a neighbour on both sides: small parts of these are looked at.

    What only a small part shows rarely leaves with the next picture. So the other rows need such a look only where a
    neighbour shows something.
    """
    there = set(rows)
    return sorted(row for row in there if row % 2 == 0 or not {row - 1, row + 1} <= there)


def has_changed(before: np.ndarray, now: np.ndarray) -> bool:
    """Whether a place of the picture has changed by more than the noise of cameras and codecs.

    Args:
        before: uint8 [height, width, 3].
        now: The same, of any size.
    """
    import cv2

    if before.shape != now.shape:
        return True
    difference = cv2.absdiff(np.ascontiguousarray(before), np.ascontiguousarray(now))
    cells = tuple(max(1, round(side / CELL)) for side in now.shape[1::-1])
    return bool(cv2.resize(difference, cells, interpolation=cv2.INTER_AREA).max() > NOISE)
