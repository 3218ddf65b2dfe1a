"""Lines read against lines shown, and what plain RapidOCR makes of one picture per second."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

import polars as pl

from evaluation._models import model
from evaluation._overlays import Box, Shown
from resources.tasks.text import TEXT, TextModel
from vid_assets.contract import Frames, Video
from vid_assets.measures.text_lines import overlap

Row = dict[str, Any]
ALIKE = 0.85
PLAIN_STEP = 2  # of the samples, which are two per second
HALF_S = 0.5


class Counting:
    """The true reader in this process, with the number of pictures that it was asked about."""

    def __init__(self) -> None:
        self._model: TextModel = model(TEXT)
        self.pictures: set[int] = set()
        self.area = 0.0

    def read_text(self, frames: Frames, rows: Sequence[int], boxes: Sequence[Box] | None = None) -> pl.DataFrame:
        """Of `TextModel`."""
        self.pictures |= set(rows)
        self.area += len(rows) if boxes is None else sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in boxes)
        return self._model.read_text(frames, rows, boxes)


@dataclass(slots=True)
class Tally:
    """Counts over clips.

    Attributes:
        lines: True ones.
        found: Those that were read rightly.
        false: Rows that are no line, or one a second time.
        errors_s: Error of start and of end of those found, in seconds.
        pictures: Pictures of which something was read.
        area: What was read, in pictures.
        seconds: Length of the clips.
    """

    lines: int = 0
    found: int = 0
    false: int = 0
    errors_s: list[float] = field(default_factory=list[float])
    pictures: int = 0
    area: float = 0.0
    seconds: float = 0.0

    def __add__(self, other: "Tally") -> "Tally":
        """The counts of both."""
        return Tally(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    def of(self, reader: Counting, video: Video) -> "Tally":
        """The same, with what was read and of how long a clip."""
        self.pictures, self.area, self.seconds = len(reader.pictures), reader.area, video.duration_s
        return self

    @property
    def recall(self) -> float:
        """Lines found, of the true ones."""
        return self.found / max(self.lines, 1)

    @property
    def precision(self) -> float:
        """Rows that are lines, of all rows."""
        return self.found / max(self.found + self.false, 1)

    @property
    def span_error_s(self) -> float:
        """Mean error of starts and ends, in seconds."""
        return sum(self.errors_s) / max(len(self.errors_s), 1)

    @property
    def in_half_a_second(self) -> float:
        """Starts and ends that are right to half a second, of those of the lines found."""
        return sum(error <= HALF_S + 1e-6 for error in self.errors_s) / max(len(self.errors_s), 1)


def plain(video: Video, frames: Frames, reader: Counting) -> list[Row]:
    """RapidOCR on one picture per second; the same text again at the same place is the same line."""
    rows = list(range(0, len(frames), PLAIN_STEP))
    found = reader.read_text(frames, rows)
    lines: list[Row] = []
    for reading in found.sort("row", "y0", "x0").iter_rows(named=True):
        start = float(frames.times_s[reading["row"]])
        reading |= {"start_s": start, "end_s": min(start + 1, video.duration_s)}
        same = next((line for line in lines if _goes_on(line, reading)), None)
        if same is None:
            lines.append(reading)
        else:
            same["end_s"] = reading["end_s"]
    return lines


def box_of(row: Row) -> Box:
    """Its box, x0 y0 x1 y1."""
    return row["x0"], row["y0"], row["x1"], row["y1"]


def _goes_on(line: Row, reading: Row) -> bool:
    return (
        abs(line["end_s"] - reading["start_s"]) < 1e-6
        and letters(line["text"]) == letters(reading["text"])
        and overlap(box_of(line), box_of(reading)) > HALF_S
    )


def letters(text: str) -> str:
    """Letters and digits alone, in lower case."""
    return re.sub(r"[\W_]", "", text.casefold())


def alike(read: str, shown: str) -> bool:
    """Whether a text is the other but for a letter or so, and has the same digits."""
    digits = [re.sub(r"\D", "", text) for text in (read, shown)]
    same = SequenceMatcher(None, letters(read), letters(shown), autojunk=False).ratio() >= ALIKE
    return same and digits[0] == digits[1]


def common_s(row: Row, line: Shown) -> float:
    """Seconds in which both are there."""
    return min(row["end_s"], line.end_s) - max(row["start_s"], line.start_s)


def belongs(row: Row, line: Shown) -> bool:
    """Whether a row is in the line's place, and there when it is."""
    return (
        overlap(box_of(row), line.box) >= 0.5
        and common_s(row, line) > 0
        and row["y1"] - row["y0"] <= 3 * (line.box[3] - line.box[1])
    )


def _best(rows: list[Row], line: Shown) -> list[Row]:
    """The row that says the line, or the rows that do side by side; none if it is not read."""
    here = sorted((row for row in rows if belongs(row, line)), key=lambda row: row["x0"])
    single = [row for row in here if alike(row["text"], line.text)]
    if single:
        return [max(single, key=lambda row: common_s(row, line))]
    return here if here and alike("".join(row["text"] for row in here), line.text) else []


def _within(text: str, whole: str) -> bool:
    """Whether the letters are, but for a few, a part of all letters."""
    blocks = SequenceMatcher(None, text, whole, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) >= ALIKE * len(text)


def _of_ticker(rows: list[Row], line: Shown) -> tuple[int, int, list[int]]:
    """Words shown, words read, and the rows that are no part of what is shown."""
    here = [place for place, row in enumerate(rows) if belongs(row, line)]
    words, said = line.text.split(), [letters(rows[place]["text"]) for place in here]
    whole = letters(line.whole)
    wrong = [place for place, text in zip(here, said, strict=True) if text and not _within(text, whole)]
    named = [word for word in words if letters(word)]
    return len(named), sum(any(letters(word) in text for text in said) for word in named), wrong


def tally(rows: list[Row], lines: Sequence[Shown]) -> Tally:
    """What was found of the lines and what is false.

    A ticker counts as one line, found with nine tenths of its words.
    """
    result, used = Tally(), set[int]()
    for line in lines:
        result.lines += 1
        if line.whole:
            shown, read, wrong = _of_ticker(rows, line)
            result.found += read >= 0.9 * shown
            used |= {place for place, row in enumerate(rows) if belongs(row, line)}
            result.false += len(wrong)
            continue
        best = _best([row for place, row in enumerate(rows) if place not in used], line)
        if not best:
            continue
        used |= {place for place, row in enumerate(rows) if any(row is one for one in best)}
        result.found += 1
        result.errors_s.append(abs(min(row["start_s"] for row in best) - line.start_s))
        result.errors_s.append(abs(max(row["end_s"] for row in best) - line.end_s))
    result.false += len(rows) - len(used)
    return result
