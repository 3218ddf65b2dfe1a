"""Small images of results: contact sheets, curves and timelines, uint8 RGB [height, width, 3]."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vid_assets.contract import Frames

Picture = NDArray[np.uint8]
Box = tuple[float, float, float, float]
Colour = tuple[int, int, int]

WIDTH = 960
INK: Colour = (40, 44, 52)
SOFT: Colour = (150, 156, 166)
FAINT: Colour = (205, 209, 215)
FRAME: Colour = (255, 220, 0)
PALETTE: tuple[Colour, ...] = (
    (31, 119, 180), (214, 90, 30), (44, 140, 60), (176, 40, 60), (120, 80, 180), (120, 90, 60),
)  # fmt: skip
LINES, TEXTS = 3, 200
_LABEL_WIDTH = 140
_MARGIN = 8
_PLOT_LEFT = _LABEL_WIDTH + _MARGIN
_PLOT_WIDTH = WIDTH - _PLOT_LEFT - _MARGIN
_LINE = 16
_WAVE = 72
_SIZE = 0.4


def contact_sheet(
    frames: Frames,
    rows: Sequence[int],
    labels: Sequence[str] | None = None,
    boxes: Sequence[Sequence[Box]] | None = None,
    columns: int = 4,
    tags: Sequence[Sequence[str]] | None = None,
) -> Picture:
    """Draw the chosen pictures side by side, each with its time and label.

    Args:
        frames: Source of the pictures.
        rows: Rows of the pictures to show, in order.
        labels: One text per picture, written below it in at most `LINES` lines.
        boxes: For each picture the boxes to draw, ``(x0, y0, x1, y1)`` as shares of its width and height.
        columns: Pictures per row. A picture is never wider than half the sheet or four times its own width.
        tags: For each picture and box a short name, written at the corner of the box.
    """
    import cv2

    columns = max(1, min(columns, len(rows)))
    height, width = frames.array.shape[1:3]
    cell = min((WIDTH - _MARGIN) // columns - _MARGIN, WIDTH // 2 - 2 * _MARGIN, max(4 * width, 96))
    tall = max(1, round(cell * height / width))
    texts = [f"{frames.times_s[row]:.2f} s  {labels[at] if labels else ''}" for at, row in enumerate(rows)]
    written = [_wrapped(text, cell) for text in texts]
    bands = [written[at : at + columns] for at in range(0, len(rows), columns)]
    bottoms = np.cumsum([0, *(tall + 4 + _LINE * max(map(len, band)) + _MARGIN for band in bands)]).tolist()
    sheet = np.full((bottoms[-1] + _MARGIN, WIDTH, 3), 255, np.uint8)
    for place, row in enumerate(rows):
        picture = cv2.resize(frames.array[row], (cell, tall), interpolation=cv2.INTER_AREA)
        if boxes:
            _frame(picture, boxes[place], tags[place] if tags else ())
        top = _MARGIN + bottoms[place // columns]
        left = _MARGIN + place % columns * (cell + _MARGIN)
        sheet[top : top + tall, left : left + cell] = picture
        for at, line in enumerate(written[place]):
            _write(sheet, line, left, top + tall + _LINE * (at + 1) - 2, cell)
    return sheet


def _frame(picture: Picture, boxes: Sequence[Box], tags: Sequence[str]) -> None:
    """Draw boxes around their contents without hiding any of them, with tags above or in the corner of each box."""
    import cv2

    tall, wide = picture.shape[:2]
    for place, (x0, y0, x1, y1) in enumerate(boxes):
        left, top = max(round(x0 * wide) - 2, 0), max(round(y0 * tall) - 2, 0)
        right, bottom = min(round(x1 * wide) + 2, wide - 1), min(round(y1 * tall) + 2, tall - 1)
        cv2.rectangle(picture, (left, top), (right, bottom), FRAME, 2)
        if place < len(tags):
            long = min(_length(tags[place]) + 6, wide)
            left, top = min(left, wide - long), top - _LINE if top >= _LINE else top
            picture[top : top + _LINE, left : left + long] = FRAME
            _write(picture, tags[place], left + 3, top + _LINE - 5, long)


def line_plot(
    times_s: NDArray[np.float64],
    series: Mapping[str, NDArray[np.float64]],
    duration_s: float,
    spans: Sequence[tuple[float, float]] = (),
    unit: str = "s",
) -> Picture:
    """Draw one curve above the other over a common time axis, each scaled to its own range; NaN leaves a gap.

    Args:
        times_s: Time of each value, in seconds, shape [n].
        series: Name to values, shape [n] each.
        duration_s: Length of the time axis.
        spans: Start and end of time spans to shade.
        unit: Unit of all of these times, for the axis.
    """
    import cv2

    tall = 64
    picture = _canvas(len(series) * (tall + _MARGIN), duration_s, unit)
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


def timeline(
    lanes: Mapping[str, Sequence[tuple[float, float, str]]],
    duration_s: float,
    samples: NDArray[np.float32] | None = None,
) -> Picture:
    """Draw one lane per kind over a common time axis; each bar is ``(start_s, end_s, text)``.

    A text that is too long for its bar is written beside it if there is room, and otherwise left out: half a number
    is a wrong number. A lane with more than `TEXTS` bars has no texts.

    Args:
        lanes: Name to bars.
        duration_s: Length of the time axis.
        samples: Sound of that length, float32 [n]. Its waveform is drawn above the lanes, in the colour of the first
            lane with a bar at that time.
    """
    tall, above = 26, 0 if samples is None else _WAVE + _MARGIN
    picture = _canvas(above + len(lanes) * (tall + _MARGIN), duration_s)
    if samples is not None:
        _wave(picture, samples, lanes, duration_s)
    for place, (name, bars) in enumerate(lanes.items()):
        top = _MARGIN + above + place * (tall + _MARGIN)
        _write(picture, name, _MARGIN, top + 17, _LABEL_WIDTH)
        edges = [(_x(start_s, duration_s), _x(end_s, duration_s)) for start_s, end_s, _ in bars]
        edges = [(left, max(right, left + 2)) for left, right in edges]
        for left, right in edges:
            picture[top : top + tall, left : right - 1] = PALETTE[place % len(PALETTE)]
        for (left, right), (_, _, text) in zip(edges, bars, strict=True) if len(bars) <= TEXTS else ():
            _beside(picture, text, (left, right), edges, top + 17)
    return picture


def _beside(picture: Picture, text: str, bar: tuple[int, int], bars: Sequence[tuple[int, int]], baseline: int) -> None:
    """Write a bar's text in it, or to the right or left of it, where it covers no other bar."""
    long, (left, right) = _length(text), bar
    if long + 6 <= right - left:
        _write(picture, text, left + 3, baseline, long, (255, 255, 255))
        return
    after = min((other for other, _ in bars if other >= right), default=WIDTH)
    before = max((other for _, other in bars if other <= left), default=_LABEL_WIDTH)
    # a neighbour may want to write into the same gap: only one of them gets it
    if right + 4 + long <= after - 4 - (0 if after == WIDTH else long):
        _write(picture, text, right + 4, baseline, long)
    elif before == _LABEL_WIDTH and left - 4 - long >= before:
        _write(picture, text, left - 4 - long, baseline, long)


def _wave(
    picture: Picture,
    samples: NDArray[np.float32],
    lanes: Mapping[str, Sequence[tuple[float, float, str]]],
    duration_s: float,
) -> None:
    """Draw the highest and lowest sample of each pixel column; the loudest fills the height."""
    _write(picture, "sound", _MARGIN, _MARGIN + 14, _LABEL_WIDTH)
    if not len(samples):
        return
    colours = np.full((_PLOT_WIDTH, 3), SOFT, np.uint8)
    for place, bars in reversed(list(enumerate(lanes.values()))):
        for start_s, end_s, _ in bars:
            left, right = _x(start_s, duration_s) - _PLOT_LEFT, _x(end_s, duration_s) - _PLOT_LEFT
            colours[left : max(right, left + 2)] = PALETTE[place % len(PALETTE)]
    starts = np.linspace(0, len(samples), _PLOT_WIDTH, endpoint=False).astype(int)
    loudest = max(float(samples.max()), -float(samples.min()), 1e-9)
    middle = _MARGIN + _WAVE // 2
    above = np.maximum(np.maximum.reduceat(samples, starts), 0) / loudest * (_WAVE // 2 - 1)
    below = np.minimum(np.minimum.reduceat(samples, starts), 0) / loudest * (_WAVE // 2 - 1)
    for column, (high, low) in enumerate(zip(above, below, strict=True)):
        picture[middle - round(float(high)) : middle - round(float(low)) + 1, _PLOT_LEFT + column] = colours[column]


def colour_bars(
    times_s: NDArray[np.float64],
    colours: Sequence[Sequence[str]],
    shares: Sequence[Sequence[float]],
    duration_s: float,
) -> Picture:
    """Draw one column per picture, from its time to that of the next, with its colours stacked by their share.

    Args:
        times_s: Time of each picture, ascending, in seconds.
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
    """Draw one horizontal bar per value, with its name, in the order given; the longest fills the width."""
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


def _canvas(height: int, duration_s: float, unit: str = "s") -> Picture:
    """Return a white canvas with a time axis at the bottom, with a tick about every eighth of its length."""
    picture = np.full((height + _MARGIN + 24, WIDTH, 3), 255, np.uint8)
    step = next((s for s in (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800) if duration_s / s <= 12), 3600)
    for tick in np.arange(0, duration_s + 1e-9, step):
        x = _x(float(tick), duration_s)
        picture[:height, x] = FAINT
        _write(picture, f"{tick:g} {unit}", min(x + 2, WIDTH - 40), height + 22, 80)
    return picture


def _x(time_s: float, duration_s: float) -> int:
    share = min(max(time_s / duration_s, 0.0), 1.0) if duration_s > 0 else 0.0
    return _PLOT_LEFT + round(share * (_PLOT_WIDTH - 1))


def _length(text: str) -> int:
    """Return the width of a text in px."""
    import cv2

    return cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, _SIZE, 1)[0][0]


def _wrapped(text: str, width: int) -> list[str]:
    """Wrap the text into at most `LINES` lines of at most `width` px; the last one ends in dots if text is left out."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and _length(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines if len(lines) <= LINES else [*lines[: LINES - 1], " ".join(lines[LINES - 1 :])]


def _write(picture: Picture, text: str, x: int, y: int, width: int, colour: Colour = INK) -> None:
    """Write one line of text with its baseline at (x, y); cut it with dots if it exceeds `width` px."""
    import cv2

    text = " ".join(text.splitlines())[:width]
    if _length(text) > width:
        while text and _length(f"{text}..") > width:
            text = text[:-1]
        text = f"{text}.." if text else ""
    cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, _SIZE, colour, 1, cv2.LINE_AA)
