"""Lines of text over time: readings of the same line, the line at a place and time, and scrolling lines."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

Box = tuple[float, float, float, float]

SAME_TEXT = 0.8
SAME_PLACE = 0.6
NARROWER = 0.75
FEW_LETTERS = 2  # a text this short must stay longer and be read with high confidence
SURE = 0.95
BRIEF = 2  # most samples for which a moving line stays in one place
LINK = 4  # most samples between two readings of a moving line
LEAST_COMMON, COMMON_SHARE = 4, 0.5  # letters that two windows on a scrolling line share
LEAST_SHIFT = 0.03  # share of the picture's width


@dataclass(slots=True)
class Line:
    """One line of text.

    Attributes:
        text: The text of the line.
        confidence: Confidence of the best reading, 0..1.
        box: Place of the best reading, x0 y0 x1 y1 in shares of the picture.
        first: First sample that shows the line.
        last: Last sample that shows the line.
        reads: Number of pictures in which the line was read.
        row: Sample of the best reading.
        moves: Whether the line is one of several windows on a scrolling line.
    """

    text: str
    confidence: float
    box: Box
    first: int
    last: int
    reads: int = field(default=1)
    row: int = field(default=-1)
    moves: bool = field(default=False)

    @property
    def width(self) -> float:
        """Width of the line, share of the picture's width."""
        return self.box[2] - self.box[0]

    def shows(self, row: int) -> bool:
        """Whether the line is visible in a sample."""
        return self.first <= row <= self.last

    def add(self, other: "Line") -> None:
        """Add another reading of the same line; the text is that of the best reading."""
        if other.confidence > self.confidence:
            self.text, self.confidence, self.box, self.row = other.text, other.confidence, other.box, other.row
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        self.reads += other.reads


def overlap(one: Box, other: Box) -> float:
    """Share of the smaller box that lies in the other."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / min((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))


def same_size(one: Line, other: Line) -> bool:
    """Whether neither is much narrower than the other."""
    return min(one.width, other.width) >= NARROWER * max(one.width, other.width)


def letters_of(text: str) -> str:
    """Letters and digits of the text, in lower case."""
    return re.sub(r"[\W_]", "", text.casefold())


def alike(one: str, other: str) -> bool:
    """Whether two readings may be of one text: nearly the same letters, and the same digits."""
    if re.sub(r"\D", "", one) != re.sub(r"\D", "", other):
        return False
    return SequenceMatcher(None, letters_of(one), letters_of(other), autojunk=False).ratio() >= SAME_TEXT


def is_text(line: Line) -> bool:
    """Whether a reading is more than a texture that sometimes looks like text."""
    return len(letters_of(line.text)) > FEW_LETTERS or (line.last > line.first and line.confidence >= SURE)


def merged(lines: Iterable[Line]) -> list[Line]:
    """The lines, with readings of the same line merged."""
    result: list[Line] = []
    for line in sorted(lines, key=lambda item: (item.first, item.box[1], item.box[0], item.last)):
        same = next((other for other in result if _is_same(other, line)), None)
        if same is None:
            result.append(line)
        else:
            same.add(line)
    return result


def _is_same(one: Line, other: Line) -> bool:
    if not (one.first <= other.last + 2 and other.first <= one.last + 2 and alike(one.text, other.text)):
        return False
    # Moving lines, such as closing credits, are in another place in each sample.
    apart = one.last < other.first and other.first == other.last and (one.moves or one.first == one.last)
    if apart and overlap(one.box, other.box) < SAME_PLACE:
        one.moves = same_size(one, other)
        return one.moves
    return overlap(one.box, other.box) >= SAME_PLACE


def beside(one: Line, other: Line) -> bool:
    """Whether one picture was read to have both, such as a logo and its small print, whose boxes may overlap."""
    texts = letters_of(one.text), letters_of(other.text)
    return one.row == other.row >= 0 and texts[0] not in texts[1] and texts[1] not in texts[0]


def one_at_a_time(lines: Sequence[Line]) -> list[Line]:
    """The lines, with at most one per place and time: the later line replaces the earlier one."""
    result: list[Line] = []
    for line in sorted(lines, key=lambda item: (item.first, -item.width, -item.confidence, item.text)):
        for other in [other for other in result if overlap(line.box, other.box) >= SAME_PLACE]:
            if line.first > other.last or line.last < other.first or beside(line, other):
                continue
            if line.width < NARROWER * other.width or line.first == other.first:
                line.first = other.last + 1  # a part of the other, or less certain
            else:
                other.last = line.first - 1
        result.append(line)
    return [line for line in result if line.first <= line.last]


def _in_one_band(one: Box, other: Box) -> bool:
    common = min(one[3], other[3]) - max(one[1], other[1])
    return common >= SAME_PLACE * max(one[3] - one[1], other[3] - other[1])


def scrolls(one: Line, other: Line) -> bool:
    """Whether two readings are windows on one line that scrolls to the left: their common part has moved."""
    early, late = sorted((one, other), key=lambda line: line.row)
    if not 0 < late.row - early.row <= LINK or not _in_one_band(one.box, other.box):
        return False
    if max(one.last - one.first, other.last - other.first) >= BRIEF:
        return False
    match = SequenceMatcher(None, early.text, late.text, autojunk=False).find_longest_match()
    if match.size < max(LEAST_COMMON, COMMON_SHARE * min(len(early.text), len(late.text))):
        return False
    before = early.box[0] + early.width * match.a / len(early.text)
    return before - (late.box[0] + late.width * match.b / len(late.text)) > LEAST_SHIFT


def stitched(lines: Sequence[Line]) -> list[Line]:
    """The lines, with the windows on each scrolling line merged, in a box that contains them all."""
    result: list[Line] = []
    tickers: list[Line] = []
    for line in sorted(lines, key=lambda line: (line.row, line.box[0])):
        known = next(
            (one for one in tickers if _in_one_band(one.box, line.box) and line.row <= one.row + 2 * LINK), None
        )
        if known is None and not line.moves:
            result.append(line)
        elif known is None:
            tickers.append(line)
        elif line.moves or _is_window(line, known):
            _stitch(known, line)
        else:
            result.append(line)
    return [*(line for line in result if not any(_is_window(line, one) for one in tickers)), *tickers]


def _is_window(line: Line, ticker: Line) -> bool:
    """Whether a line is a short part of a scrolling line."""
    inside = _in_one_band(line.box, ticker.box) and ticker.first - 1 <= line.first and line.last <= ticker.last + LINK
    match = SequenceMatcher(None, letters_of(line.text), letters_of(ticker.text), autojunk=False).find_longest_match()
    return inside and match.size >= COMMON_SHARE * len(letters_of(line.text))


def _stitch(ticker: Line, line: Line) -> None:
    """Extend a scrolling line by the text of one more window."""
    match = SequenceMatcher(None, ticker.text, line.text, autojunk=False).find_longest_match()
    if match.size >= LEAST_COMMON:
        if len(line.text) - match.b >= len(ticker.text) - match.a:
            ticker.text = ticker.text[: match.a] + line.text[match.b :]
    elif line.row > ticker.row:
        ticker.text = f"{ticker.text} {line.text}"
    one, other = ticker.box, line.box
    ticker.box = min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])
    ticker.first, ticker.last = min(ticker.first, line.first), max(ticker.last, line.last)
    ticker.confidence, ticker.row = min(ticker.confidence, line.confidence), max(ticker.row, line.row)
    ticker.reads += line.reads
