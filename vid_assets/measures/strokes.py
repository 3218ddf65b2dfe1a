"""Strokes of letters in pictures: where they appear or change, and whether those of one line stay the same.

Strokes are the result of top-hat and black-hat filters on a picture (Lienhart & Wernicke, "Localizing and segmenting
text in images and videos", 2002, use the same contrast cue). Reading is expensive, so these cheap tests select the
parts of pictures that are worth reading.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vid_assets.contract import Frames
from vid_assets.measures.luma import WEIGHTS

STROKE_LEVELS = 40
STROKE_SHARE = 1 / 18  # thickest stroke, share of the picture's height
CELL = 8
CELL_DENSITY = 0.15
RUN_CELLS = 3  # width of the shortest line of text, in cells
STILL_LEVELS = 24
QUIET_LEVELS, QUIET_SHARE = 12, 0.1  # in a still scene, at most this share changes by more than these levels
# Maximum level difference of still strokes, their minimum share of a cell's new strokes, the shortest run of such
# cells, and the fewest in a band. In a moving scene, strokes sometimes meet others of the same brightness.
QUIET, BUSY = (STILL_LEVELS, 0.6, RUN_CELLS, 1), (10, 0.7, 4, 6)
RESTLESS_S = 1.5
MARGIN_CELLS = 3  # around the part to read: the detector needs to see that a line ends
WHOLE = 0.5  # from this share of the picture on, the whole picture is read
LONGEST_UNREAD_S = 5.0
SAME_LETTERS, SIMILAR_LETTERS = 0.85, 0.4

Box = tuple[float, float, float, float]
Luma = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Band = tuple[float, float]  # upper and lower edge, shares of the picture's height
ALL: Band = (0.0, 1.0)


@dataclass(frozen=True, slots=True, order=True)
class Look:
    """A part worth reading: `box` in the sampled picture `row`."""

    row: int
    box: Box = (0.0, 0.0, 1.0, 1.0)

    @property
    def area(self) -> float:
        """Area of the box, share of the picture."""
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])


def luma_of(picture: NDArray[np.uint8]) -> Luma:
    """The picture in grey, BT.709, uint8 [h, w]."""
    import cv2

    return np.asarray(cv2.transform(picture, WEIGHTS[None]), np.uint8)


def stroke_side(height: int) -> int:
    """Side in px of the kernel that finds strokes in a picture of this height."""
    return max(3, round(height * STROKE_SHARE) | 1)  # an even kernel would shift the picture


def strokes(luma: Luma, side: int | None = None) -> Mask:
    """Thin places with strong contrast, darker or brighter; bool, shape [h, w]."""
    import cv2

    side = side or stroke_side(luma.shape[0])
    kernel = np.ones((side, side), np.uint8)
    thin = cv2.max(cv2.morphologyEx(luma, cv2.MORPH_TOPHAT, kernel), cv2.morphologyEx(luma, cv2.MORPH_BLACKHAT, kernel))
    return np.asarray(thin > STROKE_LEVELS)


def grown(mask: Mask, by: int) -> Mask:
    """The mask, extended by `by` px."""
    import cv2

    kernel = np.ones((2 * by + 1, 2 * by + 1), np.uint8)
    mask = np.ascontiguousarray(mask)
    return np.asarray(cv2.dilate(mask.view(np.uint8), kernel), np.uint8).view(np.bool_)


def _density(mask: Mask) -> NDArray[np.float64]:
    """Share of set pixels in each cell of `CELL` x `CELL` px."""
    rows, columns = mask.shape[0] // CELL, mask.shape[1] // CELL
    return mask[: rows * CELL, : columns * CELL].reshape(rows, CELL, columns, CELL).mean(axis=(1, 3))


def _runs(cells: Mask, least: int = RUN_CELLS) -> Mask:
    """The cells in horizontal runs of at least `least` set cells, as for letters."""
    least = min(least, cells.shape[-1])
    if not cells.size or not cells.any():
        return np.zeros_like(cells)
    starts = np.lib.stride_tricks.sliding_window_view(cells, least, axis=1).all(axis=2)
    runs = np.zeros_like(cells)
    for step in range(least):
        runs[:, step : cells.shape[1] - least + 1 + step] |= starts
    return runs


def has_rows(mask: Mask) -> bool:
    """Whether there are strokes side by side, as for letters."""
    return bool(_runs(_density(mask) > CELL_DENSITY).any())


def bands_of(cells: Mask, height: int, least: int = 1) -> list[Band]:
    """The bands that contain at least `least` of these cells, with a margin."""
    lines = np.flatnonzero(cells.any(axis=1))
    if not len(lines):
        return []
    parts = np.split(lines, np.flatnonzero(np.diff(lines) > 2 * MARGIN_CELLS) + 1)
    edges = [(part[0] - MARGIN_CELLS, part[-1] + 1 + MARGIN_CELLS) for part in parts if cells[part].sum() >= least]
    return united(
        [(max(float(top) * CELL / height, 0.0), min(float(bottom) * CELL / height, 1.0)) for top, bottom in edges]
    )


def united(bands: list[Band]) -> list[Band]:
    """The bands, merged if they touch, ascending; the whole picture if they cover most of it."""
    result: list[Band] = []
    for top, bottom in sorted(bands):
        if result and top <= result[-1][1]:
            result[-1] = result[-1][0], max(bottom, result[-1][1])
        else:
            result.append((top, bottom))
    return [ALL] if sum(bottom - top for top, bottom in result) > WHOLE else result


class _Watch:
    """Processes one sample after the other; its memory does not grow with the video."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._height = frames.array.shape[1]
        self._luma = luma_of(frames.array[0])
        self._mask = strokes(self._luma)
        self._previous: tuple[Luma, Mask] | None = None
        self._unread = np.zeros_like(self._mask)  # strokes that appeared and were not read yet
        self._read = np.zeros_like(self._mask)  # surroundings of strokes that were read
        self._whole_s = float(frames.times_s[0])
        self._restless_s = -np.inf

    def step(self, row: int) -> Iterator[Look]:
        """The parts worth reading because of the sample `row`."""
        time_s, last = float(self._frames.times_s[row]), row == len(self._frames) - 1
        following = (self._previous or (self._luma, self._mask)) if last else self._sample(row + 1)
        fresh, quiet = self._fresh()
        bands = self._held(fresh, quiet, *following)
        for band in bands:
            yield self._look(row if last else row + 1, band, self._mask if last else following[1])
        if not bands and quiet and time_s - self._restless_s >= RESTLESS_S:
            bands = bands_of(_runs(_density(fresh) > CELL_DENSITY), self._height)
            self._restless_s = time_s if bands else self._restless_s
            for band in bands:
                yield self._look(row, band, self._mask)
        if ALL not in bands and time_s - self._whole_s >= LONGEST_UNREAD_S and has_rows(self._mask & ~self._read):
            bands = [ALL]
            yield self._look(row, ALL, self._mask)
        self._whole_s = time_s if ALL in bands else self._whole_s
        self._unread = fresh
        for band in bands:
            self._unread[self._rows(band)] = False
        self._previous, (self._luma, self._mask) = (self._luma, self._mask), following

    def _sample(self, row: int) -> tuple[Luma, Mask]:
        luma = luma_of(self._frames.array[row])
        return luma, strokes(luma)

    def _fresh(self) -> tuple[Mask, bool]:
        """Strokes that are new, changed or unread, and whether the scene is still."""
        import cv2

        if self._previous is None:
            return self._mask.copy(), len(self._frames) == 1
        luma, mask = self._previous
        difference = cv2.absdiff(self._luma, luma)
        quiet = bool((difference > QUIET_LEVELS).mean() < QUIET_SHARE)
        return self._mask & ((difference > STILL_LEVELS) | ~grown(mask, 2) | self._unread), quiet

    def _held(self, fresh: Mask, quiet: bool, luma: Luma, mask: Mask) -> list[Band]:
        """Bands with rows of fresh strokes that are unchanged in another sample."""
        import cv2

        levels, share, run, least = QUIET if quiet else BUSY
        still = fresh & mask & (cv2.absdiff(self._luma, luma) <= levels)
        new, held = _density(fresh), _density(still)
        return bands_of(_runs((held > CELL_DENSITY) & (held >= share * new), run), self._height, least)

    def _look(self, row: int, band: Band, mask: Mask) -> Look:
        rows = self._rows(band)
        self._read[rows] = grown(mask, 2)[rows] if band == ALL else self._read[rows] | grown(mask, 2)[rows]
        return Look(row, (0.0, band[0], 1.0, band[1]))

    def _rows(self, band: Band) -> slice:
        return slice(int(band[0] * self._height), int(np.ceil(band[1] * self._height)))


def looks(frames: Frames) -> Iterator[Look]:
    """Parts worth reading, without knowledge of earlier readings, roughly ascending; a band may occur twice.

    A band is read if rows of strokes appear or change. If they stay still until the next sample, that sample is read,
    because text that fades in is clearer there. If they do not stay still but the scene does, the sample itself is
    read. The whole picture is read every `LONGEST_UNREAD_S` while strokes keep changing.
    """
    watch = _Watch(frames) if len(frames) else None
    for row in range(len(frames)):
        if watch:
            yield from watch.step(row)


def pixels(box: Box, height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns of a box, at least one px each."""
    left, top = max(int(box[0] * width), 0), max(int(box[1] * height), 0)
    bottom, right = max(int(np.ceil(box[3] * height)), top + 1), max(int(np.ceil(box[2] * width)), left + 1)
    return slice(top, bottom), slice(left, right)


def patch(frames: Frames, row: int, box: Box) -> tuple[Luma, Mask]:
    """Luma and strokes of a part of a sampled picture, each [h, w], as in the whole picture."""
    height, width = frames.array.shape[1:3]
    rows, columns = pixels(box, height, width)
    side = stroke_side(height)
    top, left = max(rows.start - side, 0), max(columns.start - side, 0)
    luma = luma_of(frames.array[row, top : rows.stop + side, left : columns.stop + side])
    part = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
    return luma[part], strokes(luma, side)[part]


def tight(box: Box, frames: Frames, row: int) -> Box:
    """The box without the reader's margin around the letters."""
    height, width = frames.array.shape[1:3]
    rows, columns = pixels(box, height, width)
    _, part = patch(frames, row, box)
    down, across = part.sum(axis=1), part.sum(axis=0)
    if not part.any():
        return box
    ys, xs = np.flatnonzero(down >= 0.1 * down.max()), np.flatnonzero(across > 0)
    return (
        float(columns.start + xs[0]) / width, float(rows.start + ys[0]) / height,
        float(columns.start + xs[-1] + 1) / width, float(rows.start + ys[-1] + 1) / height,
    )  # fmt: skip


def likeness(one: tuple[Luma, Mask], two: tuple[Luma, Mask]) -> float:
    """Lowest similarity of the letters of two patches: a correlation, -1..1.

    It compares windows about as wide as a letter, so that a change of one digit is visible.
    """
    letters = grown(one[1] | two[1], 1).astype(np.float64)
    first, second = one[0].astype(np.float64), two[0].astype(np.float64)
    step = max(6, round(0.6 * letters.shape[0]))
    starts = np.arange(0, letters.shape[1], step)

    def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.add.reduceat((values * letters).sum(axis=0), starts)

    count, a, b = total(np.ones_like(letters)), total(first), total(second)
    with np.errstate(invalid="ignore", divide="ignore"):
        common = total(first * second) - a * b / count
        spread = (total(first * first) - a * a / count) * (total(second * second) - b * b / count)
        alike = np.where(spread > 1e-6, common / np.sqrt(np.maximum(spread, 1e-6)), 0.0)
    seen = count >= 0.15 * step * letters.shape[0]
    return float(alike[seen].min()) if seen.any() else 0.0


def followed(frames: Frames, box: Box, row: int) -> tuple[int, int]:
    """First and last sample around `row` with the same letters in the box.

    One sample with only similar letters, for example because the background moves, does not end them.
    """
    wanted = patch(frames, row, box)
    return row - _steps(frames, box, row, -1, wanted), row + _steps(frames, box, row, 1, wanted)


def _steps(frames: Frames, box: Box, row: int, way: int, wanted: tuple[Luma, Mask]) -> int:
    """Number of samples for which the letters stay, from `row` in one direction."""
    most, steps = len(frames) - 1 - row if way > 0 else row, 0
    while steps < most:
        here = likeness(wanted, patch(frames, row + way * (steps + 1), box))
        if here < SAME_LETTERS:
            if here < SIMILAR_LETTERS or steps + 2 > most:
                return steps
            if likeness(wanted, patch(frames, row + way * (steps + 2), box)) < SAME_LETTERS:
                return steps
        steps += 1
    return steps
