"""Small pictures of results: contact sheets, curves and timelines, uint8 RGB [height, width, 3]."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vid_assets.contract import Frames

Picture = NDArray[np.uint8]
Box = tuple[float, float, float, float]
Colour = tuple[int, int, int]

WIDTH = 960
INK: Colour = (40, 44, 52)
FAINT: Colour = (205, 209, 215)
PALETTE: tuple[Colour, ...] = (
    (31, 119, 180), (214, 90, 30), (44, 140, 60), (176, 40, 60), (120, 80, 180), (120, 90, 60),
)  # fmt: skip
_LABEL_WIDTH = 140
_MARGIN = 8
_PLOT_WIDTH = WIDTH - _LABEL_WIDTH - 2 * _MARGIN


def contact_sheet(
    frames: Frames,
    rows: Sequence[int],
    labels: Sequence[str] | None = None,
    boxes: Sequence[Sequence[Box]] | None = None,
    columns: int = 4,
) -> Picture:
    """The chosen pictures side by side, each with its time and label.

    Args:
        frames: Where the pictures come from.
        rows: Which of them, in the order to show.
        labels: One text a picture, written under it.
        boxes: For each picture the boxes to draw, ``(x0, y0, x1, y1)`` as shares of its width and height.
        columns: Pictures in a row.
    """
    import cv2

    columns = max(1, min(columns, len(rows)))
    height, width = frames.array.shape[1:3]
    cell = (WIDTH - _MARGIN) // columns - _MARGIN
    tall = max(1, round(cell * height / width))
    lines = -(-len(rows) // columns)
    sheet = np.full((lines * (tall + 20 + _MARGIN) + _MARGIN, WIDTH, 3), 255, np.uint8)
    for place, row in enumerate(rows):
        picture = cv2.resize(frames.array[row], (cell, tall), interpolation=cv2.INTER_AREA)
        for x0, y0, x1, y1 in boxes[place] if boxes else ():
            corners = [(round(x * cell), round(y * tall)) for x, y in ((x0, y0), (x1, y1))]
            cv2.rectangle(picture, corners[0], corners[1], (255, 220, 0), 2)
        top = _MARGIN + place // columns * (tall + 20 + _MARGIN)
        left = _MARGIN + place % columns * (cell + _MARGIN)
        sheet[top : top + tall, left : left + cell] = picture
        text = f"{frames.times_s[row]:.2f} s  {labels[place] if labels else ''}"
        _write(sheet, text, left, top + tall + 14, cell)
    return sheet


def line_plot(
    times_s: NDArray[np.float64],
    series: Mapping[str, NDArray[np.float64]],
    duration_s: float,
    spans: Sequence[tuple[float, float]] = (),
) -> Picture:
    """One curve above the other over a common time axis, each scaled to its own range; NaN leaves a gap.

    Args:
        times_s: Position of the values, in seconds, shape [n].
        series: Name to values, shape [n] each.
        duration_s: Length of the time axis.
        spans: Start and end of stretches to shade.
    """
    import cv2

    tall = 64
    picture = _canvas(len(series) * (tall + _MARGIN), duration_s)
    for place, (name, values) in enumerate(series.items()):
        top = _MARGIN + place * (tall + _MARGIN)
        picture[top + tall + _MARGIN // 2, _LABEL_WIDTH:] = FAINT
        for start_s, end_s in spans:
            left, right = _x(start_s, duration_s), _x(end_s, duration_s)
            picture[top : top + tall, left : max(right, left + 1)] = (238, 240, 244)
        finite = np.isfinite(values)
        low, high = (float(values[finite].min()), float(values[finite].max())) if finite.any() else (0.0, 0.0)
        _write(picture, name, _MARGIN, top + 14, _LABEL_WIDTH)
        _write(picture, f"{low:.3g} .. {high:.3g}", _MARGIN, top + 32, _LABEL_WIDTH)
        scaled = (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
        heights = top + tall - 1 - scaled * (tall - 2)
        colour = PALETTE[place % len(PALETTE)]
        for part in np.split(np.arange(len(values)), np.flatnonzero(np.diff(finite.astype(np.int8))) + 1):
            if len(part) == 0 or not finite[part[0]]:
                continue
            points = [(_x(float(times_s[i]), duration_s), round(float(heights[i]))) for i in part]
            if len(points) == 1:
                cv2.circle(picture, points[0], 2, colour, -1, cv2.LINE_AA)
            else:
                cv2.polylines(picture, [np.array(points, np.int32)], False, colour, 1, cv2.LINE_AA)
    return picture


def timeline(lanes: Mapping[str, Sequence[tuple[float, float, str]]], duration_s: float) -> Picture:
    """One lane a kind over a common time axis; each bar is ``(start_s, end_s, text)``."""
    tall = 26
    picture = _canvas(len(lanes) * (tall + _MARGIN), duration_s)
    for place, (name, bars) in enumerate(lanes.items()):
        top = _MARGIN + place * (tall + _MARGIN)
        _write(picture, name, _MARGIN, top + 17, _LABEL_WIDTH)
        colour = PALETTE[place % len(PALETTE)]
        for start_s, end_s, text in bars:
            left, right = _x(start_s, duration_s), _x(end_s, duration_s)
            right = max(right, left + 2)
            picture[top : top + tall, left : right - 1] = colour
            if right - left > 20:
                _write(picture, text, left + 3, top + 17, right - left - 6, (255, 255, 255))
    return picture


def colour_bars(
    times_s: NDArray[np.float64],
    colours: Sequence[Sequence[str]],
    shares: Sequence[Sequence[float]],
    duration_s: float,
) -> Picture:
    """One column a picture, from its time to that of the next, its colours stacked by their share.

    Args:
        times_s: When each picture shows, ascending, in seconds.
        colours: For each picture its colours, ``#rrggbb``.
        shares: For each picture the share of each colour; they add up to 1.
        duration_s: Length of the time axis.
    """
    tall = 160
    picture = _canvas(tall + _MARGIN, duration_s)
    ends = [*times_s[1:], duration_s]
    for start_s, end_s, codes, parts in zip(times_s, ends, colours, shares, strict=True):
        left, right = _x(float(start_s), duration_s), _x(float(end_s), duration_s)
        edges = _MARGIN + np.rint(np.cumsum([0.0, *parts]) * tall).astype(int)
        for code, top, bottom in zip(codes, edges, edges[1:], strict=False):
            picture[top:bottom, left : max(right, left + 1)] = [int(code[at : at + 2], 16) for at in (1, 3, 5)]
    _write(picture, "palette", _MARGIN, _MARGIN + 14, _LABEL_WIDTH)
    return picture


def bar_chart(values: Mapping[str, float]) -> Picture:
    """One horizontal bar a value, with its name, in the order given; the longest fills the width."""
    tall = 22
    picture = np.full((_MARGIN + len(values) * (tall + 4), WIDTH, 3), 255, np.uint8)
    most = max([*values.values(), 1e-9])
    for place, (name, value) in enumerate(values.items()):
        top = _MARGIN + place * (tall + 4)
        _write(picture, name, _MARGIN, top + 15, _LABEL_WIDTH + 40)
        left = _LABEL_WIDTH + 50
        right = left + round(max(value, 0.0) / most * (WIDTH - left - 80))
        picture[top : top + tall - 4, left : max(right, left + 1)] = PALETTE[0]
        _write(picture, f"{value:.3g}", max(right, left + 1) + 6, top + 15, 70)
    return picture


def _canvas(height: int, duration_s: float) -> Picture:
    """White, with a time axis below that has a tick about every eighth of its length."""
    picture = np.full((height + _MARGIN + 24, WIDTH, 3), 255, np.uint8)
    step = next((s for s in (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800) if duration_s / s <= 12), 3600)
    for tick in np.arange(0, duration_s + 1e-9, step):
        x = _x(float(tick), duration_s)
        picture[:height, x] = FAINT
        _write(picture, f"{tick:g} s", min(x + 2, WIDTH - 40), height + 22, 80)
    return picture


def _x(time_s: float, duration_s: float) -> int:
    share = min(max(time_s / duration_s, 0.0), 1.0) if duration_s > 0 else 0.0
    return _LABEL_WIDTH + _MARGIN + round(share * (_PLOT_WIDTH - 1))


def _write(picture: Picture, text: str, x: int, y: int, width: int, colour: Colour = INK) -> None:
    """One line of text whose baseline starts at (x, y), cut where it would leave `width` px."""
    import cv2

    size = 0.4
    # cv2's built-in fonts know ASCII only
    text = text.encode("ascii", "replace").decode()
    while text and cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)[0][0] > width:
        text = text[:-1]
    cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)
