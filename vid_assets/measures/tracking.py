"""Tracks of boxes over successive pictures.

Matching has two rounds as in ByteTrack (Zhang et al., "ByteTrack: Multi-object tracking by associating every detection
box", 2022). Boxes with a high score are matched first and may start tracks. Boxes with a low score can only continue
one. Pictures are half a second apart, so a moving object may not overlap its last box. Therefore distance and colour
count besides overlap (Wojke et al., "Simple online and realtime tracking with a deep association metric", 2017, with a
colour histogram instead of the network).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SURE = 0.38
MISSES = 2  # pictures for which a track may be missing
LEAST_LIKENESS = 0.4
BINS = 4


@dataclass(slots=True)
class _Track:
    number: int
    box: Array
    colour: Array
    missed: int = 0


class Tracker:
    """Assigns a track number to each box; tracks never join boxes of two labels, and `cut` ends all tracks.

    Args:
        sure: Score from which a box may start a track.
    """

    def __init__(self, sure: float = SURE) -> None:
        self._sure = sure
        self._tracks: dict[str, list[_Track]] = {}
        self._next = 0

    def cut(self) -> None:
        """End all tracks, because another shot begins."""
        self._tracks = {}

    def add(self, label: str, boxes: Array, scores: Array, colours: Array) -> list[int | None]:
        """Tracks of one picture's boxes of one label; None for a low-score box that continues no track.

        Args:
            label: Label of the boxes; call once per label that has tracks or boxes.
            boxes: x0 y0 x1 y1, [n, 4].
            scores: [n].
            colours: Histograms from `colour_histogram`, [n, bins].
        """
        tracks = self._tracks.setdefault(label, [])
        numbers: list[int | None] = [None] * len(boxes)
        free = list(tracks)
        for sure in (True, False):
            open_boxes = [at for at in range(len(boxes)) if (scores[at] >= self._sure) == sure]
            for at, track in _matched(open_boxes, free, boxes, colours):
                numbers[at] = track.number
                track.box, track.colour, track.missed = boxes[at], colours[at], 0
                free.remove(track)
        for track in free:
            track.missed += 1
        self._tracks[label] = [track for track in tracks if track.missed <= MISSES]
        for at in sorted(range(len(boxes)), key=lambda at: (-scores[at], *boxes[at])):
            if numbers[at] is None and scores[at] >= self._sure:
                numbers[at] = self._next
                self._tracks[label].append(_Track(self._next, boxes[at], colours[at]))
                self._next += 1
        return numbers

    def labels(self) -> list[str]:
        """Labels that have tracks."""
        return [label for label, tracks in self._tracks.items() if tracks]


def _matched(open_boxes: list[int], free: list[_Track], boxes: Array, colours: Array) -> list[tuple[int, _Track]]:
    """The pairing of boxes and tracks with the largest sum of likenesses."""
    if not open_boxes or not free:
        return []
    from scipy.optimize import linear_sum_assignment

    likeness = np.array([
        [_likeness(boxes[at], track.box, colours[at], track.colour) for track in free] for at in open_boxes
    ])  # fmt: skip
    pairs = zip(*linear_sum_assignment(-likeness), strict=True)
    return [(open_boxes[a], free[b]) for a, b in pairs if likeness[a, b] >= LEAST_LIKENESS]


def _likeness(box: Array, other: Array, colour: Array, other_colour: Array) -> float:
    """Likeness 0..1: half overlap or nearness, half colour; 0 if too different in size or over two sizes apart."""
    sizes = np.stack([box[2:] - box[:2], other[2:] - other[:2]])
    common = np.prod(np.maximum(np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2]), 0))
    areas = np.maximum(sizes.prod(axis=1), 1e-12)
    apart = np.linalg.norm((box[:2] + box[2:] - other[:2] - other[2:]) / 2 / np.maximum(sizes.mean(axis=0), 1e-6))
    if apart > 2 or not 0.25 < areas[0] / areas[1] < 4:
        return 0.0
    near = max(float(common / (areas.sum() - common)), 1 - float(apart) / 2)
    return 0.5 * near + 0.5 * float(np.minimum(colour, other_colour).sum())


def colour_histogram(picture: NDArray[np.uint8], box: Array) -> Array:
    """Shares of 4 x 4 x 4 cells of RGB in the middle of a box, [64]; x0 y0 x1 y1 in shares of the picture."""
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = box
    inset_x, inset_y = (x1 - x0) / 8, (y1 - y0) / 8
    left, right = int((x0 + inset_x) * width), int(np.ceil((x1 - inset_x) * width))
    top, bottom = int((y0 + inset_y) * height), int(np.ceil((y1 - inset_y) * height))
    part = picture[top : max(bottom, top + 1), left : max(right, left + 1)].reshape(-1, 3).astype(np.int64)
    cells = (part * BINS // 256) @ np.array([BINS * BINS, BINS, 1])
    return np.bincount(cells, minlength=BINS**3) / max(len(cells), 1)
