"""Lines of text that the pictures show, each with its place and the time it is there.

Reading is dear, so few pictures are read. Strokes are what top-hat and black-hat filters leave of a picture (Lienhart
& Wernicke, "Localizing and segmenting text in images and videos", 2002, use the same cue of contrast): a picture is
read where rows of strokes appear that were not in the sample before and are still there in the next, and every 5 s
while strokes keep changing; so are the samples beside one in which the reader is unsure. Each line found is then
followed to both sides for as long as its letters correlate with the picture.

It sees two samples a second: text that shows in one of them only is missed, and times are right to one sample.
Scrolling and scene text that moves is read every few seconds at best, each time as a line of its own. What is taller
than a third of the picture is taken for a shape. Alphabets are those of the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

import numpy as np
import polars as pl
from numpy.typing import NDArray

from resources.tasks.text import TEXT, TextModel
from vid_assets.contract import Analyzer, Column, Frames, Video
from vid_assets.drawing import contact_sheet

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
STROKE_LEVELS = 40
STROKE_SHARE = 1 / 18  # thickest stroke, share of the picture's height
CELL = 8
CELL_DENSITY = 0.15
RUN_CELLS = 3  # the shortest line that counts as text is so many cells wide
LONGEST_UNREAD_S = 5.0
LEAST_CONFIDENCE = 0.8
LEAST_DOUBT = 0.5  # what is less sure than this is no text, or none that the next sample would make clearer
TALLEST = 1 / 3
SAME_LETTERS = 0.7
SAME_TEXT = 0.8
SAME_PLACE = 0.6
STILL_LEVELS = 24

Luma = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Box = tuple[float, float, float, float]


@dataclass(slots=True)
class Line:
    """One line of text: where it was read, and the samples `first` to `last` that show it."""

    text: str
    confidence: float
    box: Box
    first: int
    last: int
    reads: int = field(default=1)


def _luma(picture: NDArray[np.uint8]) -> Luma:
    import cv2

    return np.asarray(cv2.transform(picture, LUMA[None]), np.uint8)


def strokes(luma: Luma) -> Mask:
    """Where something thin and of strong contrast is, either way; bool, shape [h, w]."""
    import cv2

    side = max(3, round(luma.shape[0] * STROKE_SHARE) | 1)  # an even kernel would move what it opens
    kernel = np.ones((side, side), np.uint8)
    thin = cv2.max(cv2.morphologyEx(luma, cv2.MORPH_TOPHAT, kernel), cv2.morphologyEx(luma, cv2.MORPH_BLACKHAT, kernel))
    return np.asarray(thin > STROKE_LEVELS)


def _grown(mask: Mask, by: int) -> Mask:
    import cv2

    kernel = np.ones((2 * by + 1, 2 * by + 1), np.uint8)
    return np.asarray(cv2.dilate(mask.view(np.uint8), kernel), np.uint8).view(np.bool_)


def has_rows(mask: Mask) -> bool:
    """Whether strokes stand side by side, as letters do."""
    rows, columns = mask.shape[0] // CELL, mask.shape[1] // CELL
    cells = mask[: rows * CELL, : columns * CELL].reshape(rows, CELL, columns, CELL).mean(axis=(1, 3)) > CELL_DENSITY
    if columns < RUN_CELLS:
        return bool(cells.any())
    return bool(np.lib.stride_tricks.sliding_window_view(cells, RUN_CELLS, axis=1).all(axis=2).any())


def rows_to_read(lumas: Sequence[Luma], masks: Sequence[Mask], times_s: NDArray[np.float64]) -> list[int]:
    """The samples worth reading.

    Args:
        lumas: Each sample in grey.
        masks: Strokes of each sample.
        times_s: Time of each sample, float64 [n].
    """
    import cv2

    chosen: list[int] = []
    nothing = np.zeros_like(masks[0]) if masks else np.zeros((0, 0), bool)
    before, read = nothing, nothing
    for row, mask in enumerate(masks):
        after = min(row + 1, len(masks) - 1)
        fresh = mask & ~before
        unread = float(times_s[row] - times_s[chosen[-1]]) if chosen else np.inf
        # Strokes that move, of the scene behind, seldom meet others of their own brightness.
        still = fresh & masks[after] & (cv2.absdiff(lumas[row], lumas[after]) <= STILL_LEVELS)
        # Text that fades in is clearer one sample later.
        if after not in chosen and has_rows(still):
            chosen.append(after)
            read = _grown(masks[after], 2)
        elif unread >= LONGEST_UNREAD_S and row not in chosen and has_rows(mask & ~read):
            chosen.append(row)
            read = _grown(mask, 2)
        before = _grown(mask, 2)
    return chosen


def _pixels(box: Box, shape: tuple[int, ...]) -> tuple[slice, slice]:
    height, width = shape[:2]
    left, top = max(int(box[0] * width), 0), max(int(box[1] * height), 0)
    bottom, right = max(int(np.ceil(box[3] * height)), top + 1), max(int(np.ceil(box[2] * width)), left + 1)
    return slice(top, bottom), slice(left, right)


def _tight(box: Box, mask: Mask) -> Box:
    """The box without the margin that the reader leaves around the letters."""
    rows, columns = _pixels(box, mask.shape)
    part = mask[rows, columns]
    down, across = part.sum(axis=1), part.sum(axis=0)
    if not part.any():
        return box
    ys, xs = np.flatnonzero(down >= 0.1 * down.max()), np.flatnonzero(across > 0)
    height, width = mask.shape
    return (
        float(columns.start + xs[0]) / width, float(rows.start + ys[0]) / height,
        float(columns.start + xs[-1] + 1) / width, float(rows.start + ys[-1] + 1) / height,
    )  # fmt: skip


def _follow(lumas: Sequence[Luma], mask: Mask, box: Box, row: int) -> tuple[int, int]:
    """First and last sample around `row` whose letters in the box look the same."""
    place = _pixels(box, mask.shape)
    letters = _grown(np.ascontiguousarray(mask[place]), 2)
    if letters.sum() < 20:
        letters = np.ones_like(letters)

    def look(other: int) -> NDArray[np.float64]:
        values = lumas[other][place][letters].astype(np.float64)
        values -= values.mean()
        return values / max(float(np.linalg.norm(values)), 1e-9)

    wanted, first, last = look(row), row, row
    while first > 0 and look(first - 1) @ wanted >= SAME_LETTERS:
        first -= 1
    while last < len(lumas) - 1 and look(last + 1) @ wanted >= SAME_LETTERS:
        last += 1
    return first, last


def _overlap(one: Box, other: Box) -> float:
    """Share of the smaller box that lies in the other."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / min((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))


def _is_same(one: Line, other: Line) -> bool:
    touching = one.first <= other.last + 2 and other.first <= one.last + 2
    alike = SequenceMatcher(None, one.text.casefold(), other.text.casefold(), autojunk=False).ratio() >= SAME_TEXT
    return touching and alike and _overlap(one.box, other.box) >= SAME_PLACE


def merged(lines: Sequence[Line]) -> list[Line]:
    """Readings of the same line put together; the text is that of the surest one."""
    result: list[Line] = []
    for line in sorted(lines, key=lambda item: (item.first, item.box[1], item.box[0])):
        same = next((other for other in result if _is_same(line, other)), None)
        if same is None:
            result.append(line)
            continue
        if line.confidence > same.confidence:
            same.text, same.confidence, same.box = line.text, line.confidence, line.box
        same.first, same.last = min(same.first, line.first), max(same.last, line.last)
        same.reads += line.reads
    return result


def read(frames: Frames, chosen: list[int], model: TextModel) -> pl.DataFrame:
    """What the model reads in the chosen rows, and in those beside a doubtful one."""
    found = model.read_text(frames, chosen)
    doubtful = found.filter(pl.col("confidence").is_between(LEAST_DOUBT, LEAST_CONFIDENCE, closed="left"))["row"]
    beside = {row + step for row in doubtful.to_list() for step in (-1, 1)}
    again = sorted(beside & set(range(len(frames))) - set(chosen))
    return pl.concat([found, model.read_text(frames, again)]) if again else found


TABLE = {
    "text": Column(pl.String, "text", "What the line says."),
    "start_s": Column(pl.Float64, "s", "Time of the first sampled picture that shows it.", ge=0),
    "end_s": Column(pl.Float64, "s", "Time of the first sampled picture without it, or the end of the video.", ge=0),
    "x0": Column(pl.Float64, "1", "Left edge, share of the width.", ge=0, le=1),
    "y0": Column(pl.Float64, "1", "Upper edge, share of the height.", ge=0, le=1),
    "x1": Column(pl.Float64, "1", "Right edge, share of the width.", ge=0, le=1),
    "y1": Column(pl.Float64, "1", "Lower edge, share of the height.", ge=0, le=1),
    "height": Column(pl.Float64, "1", "Height of the line, share of the picture's height.", ge=0, le=1),
    "position": Column(pl.String, "text", "Third of the picture its middle lies in: top, middle or bottom."),
    "confidence": Column(pl.Float64, "1", "The reader's confidence in its surest reading.", ge=0, le=1),
    "reads": Column(pl.Int64, "1", "How many pictures it was read in.", ge=1),
}


def run(video: Video, frames: Frames, model: TextModel) -> pl.DataFrame:
    """One row a line of text, by time and place; none if there is no text."""
    lumas = [_luma(picture) for picture in frames.array]
    masks = [strokes(luma) for luma in lumas]
    chosen = rows_to_read(lumas, masks, frames.times_s)
    if not chosen:
        return ANALYZER.empty()
    lines: list[Line] = []
    found = read(frames, chosen, model).filter(pl.col("confidence") >= LEAST_CONFIDENCE)
    for reading in found.sort("row", "y0", "x0", "text").iter_rows(named=True):
        text, row = " ".join(reading["text"].split()), int(reading["row"])
        x0, y0, x1, y1 = (min(max(float(reading[side]), 0.0), 1.0) for side in ("x0", "y0", "x1", "y1"))
        box = x0, y0, x1, y1
        if not any(letter.isalnum() for letter in text) or x0 >= x1 or not 0 < y1 - y0 <= TALLEST:
            continue
        first, last = _follow(lumas, masks[row], box, row)
        lines.append(Line(text, float(reading["confidence"]), _tight(box, masks[row]), first, last))
    ends = np.append(frames.times_s[1:], max(video.duration_s, float(frames.times_s[-1])))
    rows = [
        (
            line.text, float(frames.times_s[line.first]), float(ends[line.last]), *line.box, line.box[3] - line.box[1],
            ("top", "middle", "bottom")[min(int(1.5 * (line.box[1] + line.box[3])), 2)], line.confidence, line.reads,
        )
        for line in merged(lines)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=ANALYZER.schema, orient="row")


def preview(table: pl.DataFrame, video: Video, frames: Frames) -> NDArray[np.uint8] | None:
    """Up to eight pictures in which a line first shows, with the boxes of all lines there."""
    if table.is_empty():
        return None
    starts = table["start_s"].unique().sort().head(8)
    # Halfway through the first sample that shows it, so that neighbouring samples cannot be mistaken for it.
    rows = np.searchsorted(frames.times_s, starts.to_numpy() - 1e-6).tolist()
    labels: list[str] = []
    boxes: list[list[Box]] = []
    for row in rows:
        time_s = float(frames.times_s[row])
        there = table.filter((pl.col("start_s") <= time_s + 1e-6) & (pl.col("end_s") > time_s))
        labels.append(" / ".join(there["text"]))
        boxes.append(list(there.select("x0", "y0", "x1", "y1").iter_rows()))
    return contact_sheet(frames, rows, labels, boxes)


ANALYZER = Analyzer(
    name="text_overlay",
    version="2",
    group="text_and_speech",
    inputs=("video", "frames"),
    run=run,
    budget=0.27,
    table=TABLE,
    task=TEXT,
    preview=preview,
)
