"""Lines of text in the pictures, each with its place and time.

Reading is expensive, so the analyzer reads only parts that change: bands of pictures in which rows of strokes appear or
change (`vid_assets.measures.strokes`). It follows each line in both directions for as long as all of its letters stay
the same. When they change, it reads the place again. The new reading shows whether the line continues, another has
replaced it, or none is left: one time and place has one text. The readings of a scrolling line are combined.

The analyzer uses two samples per second. It misses text that is visible for less time, and times are accurate to one
sample. Anything taller than four tenths of the picture counts as a shape. The alphabets depend on the model.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import numpy as np
import polars as pl
from numpy.typing import NDArray

from resources.tasks.text import TEXT, TextModel
from vid_assets.contract import Analyzer, Column, Config, Frames, Video, setting
from vid_assets.drawing import Box, contact_sheet
from vid_assets.measures.strokes import WHOLE, Look, followed, has_rows, looks, patch, tight
from vid_assets.measures.text_lines import (
    SAME_PLACE,
    SURE,
    Line,
    beside,
    is_text,
    letters_of,
    merged,
    one_at_a_time,
    overlap,
    same_size,
    scrolls,
    stitched,
)  # fmt: skip

LEAST_DOUBT = 0.5  # readings below this are no text, or text that the next sample would not make clearer
TALLEST = 0.4
AROUND = 0.7  # heights of a line above and below it that are read with it
SIDEWAYS = 0.3  # widths of a line on both sides of it
EDGE = 0.006
STRIDE = 3  # samples between readings of a scrolling line
AT_ONCE = 8  # samples whose changes are read before the ends of their lines


class Settings(Config):
    """The amount of reading, and the definition of text."""

    pictures_per_s: float = setting(
        0.6, "1/s", "Maximum area to read where lines change, in whole pictures per second", ge=0, le=10
    )
    min_confidence: float = setting(0.8, "1", "Lines with a lower confidence need a second reading", ge=0, le=1)


class Reader:
    """Reads one video: first the promising parts, then the places where found lines end."""

    def __init__(self, frames: Frames, model: TextModel, config: Settings = Settings()) -> None:
        self.frames = frames
        self.config = config
        self.model = model
        self.lines: list[Line] = []
        self._looked: dict[int, list[Box]] = {}
        self._area = 0.0
        self._until = 0

    def read(self, wanted: Iterator[Look]) -> list[Line]:
        """All lines."""
        for part, some in groupby(wanted, lambda look: look.row // AT_ONCE):
            # Lines that begin in the last sample are read in the next one, which is clearer.
            self._until = (part + 1) * AT_ONCE - 2
            self._read([look for look in some if not self._scrolling(look)])
        self._until = len(self.frames)
        self._read(self._ends())
        lines = merged(stitched(self.lines))
        return [line for line in one_at_a_time(lines) if is_text(line)]

    def _seconds(self) -> float:
        """Time that the samples represent."""
        gaps = np.diff(self.frames.times_s)
        return len(self.frames) * float(np.median(gaps)) if len(gaps) else 0.5

    def _read(self, wanted: Iterable[Look]) -> None:
        """Read some parts, and then the parts that their readings call for."""
        pending = self._new(wanted)
        while pending:
            self._area += sum(look.area for look in pending)
            more = self._ask(pending)
            if self._area <= self.config.pictures_per_s * self._seconds() + 4:
                more += [*self._unsure(), *self._ends()]
            pending = self._new(more)

    def _scrolling(self, look: Look) -> bool:
        """Whether the only change is a known scrolling line that was read recently."""
        return any(
            line.moves and abs(look.row - line.row) <= STRIDE and holds(_around(line.box, whole_width=True), look.box)
            for line in self.lines
        )

    def _new(self, wanted: Iterable[Look]) -> list[Look]:
        """The parts that were not read yet, ascending; overlapping parts of one picture are merged."""
        rows: dict[int, list[Box]] = {}
        for look in wanted:
            if not self._seen(look.row, look.box):
                rows.setdefault(look.row, []).append(look.box)
        fresh = [Look(row, box) for row in sorted(rows) for box in together(rows[row])]
        for look in fresh:
            self._looked.setdefault(look.row, []).append(look.box)
        return fresh

    def _seen(self, row: int, box: Box) -> bool:
        return any(holds(part, box) for part in self._looked.get(row, []))

    def _ask(self, pending: Sequence[Look]) -> list[Look]:
        """Read, and return the further parts that these readings require."""
        found = self.model.read_text(self.frames, [look.row for look in pending], [look.box for look in pending])
        more: list[Look] = []
        for reading in found.sort("row", "y0", "x0", "text").iter_rows(named=True):
            row, confidence = int(reading["row"]), float(reading["confidence"])
            x0, y0, x1, y1 = (min(max(float(reading[side]), 0.0), 1.0) for side in ("x0", "y0", "x1", "y1"))
            if x0 >= x1 or not 0 < y1 - y0 <= TALLEST or confidence < LEAST_DOUBT:
                continue
            box = x0, y0, x1, y1
            if any(look.row == row and cut_off(box, look.box) for look in pending):
                more.append(Look(row, _around(box, whole_width=True)))
            elif confidence < self.config.min_confidence:
                beside = [row + step for step in (-1, 1) if 0 <= row + step < len(self.frames)]
                more += [Look(other, _around(box)) for other in beside]
            else:
                self._take(" ".join(str(reading["text"]).split()), confidence, box, row)
        return more

    def _take(self, text: str, confidence: float, box: Box, row: int) -> None:
        if not letters_of(text):
            return
        close = tight(box, self.frames, row)
        reading = Line(text, confidence, close, row, row, row=row)
        for line in self.lines:
            same_place = line.shows(row) and overlap(line.box, close) >= SAME_PLACE and same_size(line, reading)
            if same_place and not beside(line, reading):
                line.add(reading)
                return
        reading.first, reading.last = followed(self.frames, close, row)
        for line in self.lines:
            if scrolls(line, reading):
                line.moves = reading.moves = True
        self.lines.append(reading)

    def _unsure(self) -> list[Look]:
        """Places of lines that were read once and with low confidence, in another sample that shows them."""
        return [
            Look(line.last if line.row != line.last else line.first, _around(line.box))
            for line in self.lines
            if line.reads == 1 and line.confidence < SURE and line.first < line.last
        ]

    def _ends(self) -> list[Look]:
        """The places of lines in the samples before their start and after their end, if strokes are still there."""
        return [
            Look(row, _around(line.box, whole_width=line.moves))
            for line in self.lines
            for row in (self._end(line, -1), self._end(line, 1))
            if 0 <= row < len(self.frames) and row <= self._until and not self._known(line, row)
        ]

    def _end(self, line: Line, way: int) -> int:
        """The sample that shows how a line continues; for a scrolling line, first one some samples away."""
        near = line.last + 1 if way > 0 else line.first - 1
        if not line.moves:
            return near
        ahead = [one for one in self.lines if one.moves and 0 < way * (one.row - line.row) <= STRIDE]
        if any(overlap(one.box, line.box) for one in ahead):
            return -1
        far = line.row + way * STRIDE
        return far if 0 <= far < len(self.frames) and not self._known(line, far) else near

    def _known(self, line: Line, row: int) -> bool:
        """Whether the content of a line's place in a sample is known."""
        if self._seen(row, _around(line.box)):
            return True
        if any(one.shows(row) and overlap(one.box, line.box) >= SAME_PLACE for one in self.lines):
            return True
        return not has_rows(patch(self.frames, row, line.box)[1])


def holds(part: Box, box: Box) -> bool:
    """Whether a box lies in a part of the picture."""
    return all(part[side] <= box[side] + 1e-6 and box[side + 2] <= part[side + 2] + 1e-6 for side in (0, 1))


def cut_off(box: Box, part: Box) -> bool:
    """Whether an edge of a part cuts off the reading although the picture continues."""
    return holds(part, box) and any(
        (part[low] > 0 and box[low] - part[low] < EDGE) or (part[high] < 1 and part[high] - box[high] < EDGE)
        for low, high in ((0, 2), (1, 3))
    )


def together(boxes: Iterable[Box]) -> list[Box]:
    """The boxes, merged if they overlap or touch; the whole picture if they cover most of it."""
    result: list[Box] = []
    for box in sorted(boxes):
        while (other := next((one for one in result if _common(one, box)), None)) is not None:
            result.remove(other)
            box = min(other[0], box[0]), min(other[1], box[1]), max(other[2], box[2]), max(other[3], box[3])
        result.append(box)
    return [Look(0).box] if sum(Look(0, box).area for box in result) > WHOLE else sorted(result)


def _common(one: Box, other: Box) -> bool:
    return all(one[side] <= other[side + 2] and other[side] <= one[side + 2] for side in (0, 1))


def _around(box: Box, *, whole_width: bool = False) -> Box:
    """The area in which a line's replacement may appear."""
    tall, wide = box[3] - box[1], box[2] - box[0]
    left, right = (0.0, 1.0) if whole_width else (box[0] - SIDEWAYS * wide, box[2] + SIDEWAYS * wide)
    return max(left, 0.0), max(box[1] - AROUND * tall, 0.0), min(right, 1.0), min(box[3] + AROUND * tall, 1.0)


TABLE = {
    "text": Column(pl.String, "text", "Text of the line."),
    "start_s": Column(pl.Float64, "s", "Time of the first sampled picture that shows it.", ge=0),
    "end_s": Column(pl.Float64, "s", "Time of the first sampled picture without it, or the end of the video.", ge=0),
    "x0": Column(pl.Float64, "1", "Left edge, share of the width.", ge=0, le=1),
    "y0": Column(pl.Float64, "1", "Upper edge, share of the height.", ge=0, le=1),
    "x1": Column(pl.Float64, "1", "Right edge, share of the width.", ge=0, le=1),
    "y1": Column(pl.Float64, "1", "Lower edge, share of the height.", ge=0, le=1),
    "height": Column(pl.Float64, "1", "Height of the line, share of the picture's height.", ge=0, le=1),
    "position": Column(pl.String, "text", "Third of the picture that contains its middle: top, middle or bottom."),
    "confidence": Column(pl.Float64, "1", "Confidence of the best reading.", ge=0, le=1),
    "reads": Column(pl.Int64, "1", "Number of pictures in which it was read.", ge=1),
}


def run(video: Video, frames: Frames, model: TextModel, config: Settings = Settings()) -> pl.DataFrame:
    """One row per line of text, by time and place; none if there is no text."""
    ends = np.append(frames.times_s[1:], max(video.duration_s, float(frames.times_s[-1]) if len(frames) else 0.0))
    rows = [
        (
            line.text, float(frames.times_s[line.first]), float(ends[line.last]), *line.box, line.box[3] - line.box[1],
            ("top", "middle", "bottom")[min(int(1.5 * (line.box[1] + line.box[3])), 2)], line.confidence, line.reads,
        )
        for line in Reader(frames, model, config).read(looks(frames))
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=ANALYZER.schema, orient="row").sort("start_s", "y0", "x0", "text")


def preview(table: pl.DataFrame, video: Video, frames: Frames) -> NDArray[np.uint8] | None:
    """Up to eight pictures in which a line first appears, with the boxes of all lines there."""
    if table.is_empty():
        return None
    starts = table["start_s"].unique().sort().head(8)
    # Halfway through the first sample that shows it, to avoid confusion with neighbouring samples.
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
    version="4",
    group="text_and_speech",
    inputs=("video", "frames"),
    run=run,
    budget=0.27,
    table=TABLE,
    task=TEXT,
    config=Settings,
    preview=preview,
)
