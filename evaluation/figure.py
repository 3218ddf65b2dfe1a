"""What is published: figures, and what a confidence is worth."""

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """How right an analyzer was about one thing.

    Attributes:
        analyzer: Its name.
        what: The measure, in the field's term (``F1 of hard cuts, 0 frames tolerance``).
        value: What came out.
        unit: ``1`` (a share), ``ms``, ``s``, ``deg``, ...
        cases: How many cases it comes from.
        at_least: The figure it must reach, if more is better.
        at_most: The figure it must not pass, if less is better.
    """

    analyzer: str
    what: str
    value: float
    unit: str
    cases: int
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool:
        """Whether the bounds hold."""
        low, high = self.at_least, self.at_most
        return (low is None or self.value >= low) and (high is None or self.value <= high)


BINS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of like confidence: how many, their mean confidence, and the share of them that is right."""

    low: float
    high: float
    answers: int
    confidence: float
    right: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How often answers are right, by the confidence that they carry.

    Attributes:
        analyzer: Its name.
        what: What an answer is, in the plural (``faces``).
        answers: Confidence of each, and whether it is right.
    """

    analyzer: str
    what: str
    answers: tuple[tuple[float, bool], ...]

    def bins(self) -> list[Bin]:
        """The reliability diagram as a table, without empty bins."""
        found: list[Bin] = []
        for low, high in pairwise(BINS):
            inside = [one for one in self.answers if low <= one[0] < high or (one[0] == high == BINS[-1])]
            if inside:
                sums = [sum(column) / len(inside) for column in zip(*inside, strict=True)]
                found.append(Bin(low, high, len(inside), *sums))
        return found

    @property
    def error(self) -> float:
        """Expected calibration error (Guo et al., "On Calibration of Modern Neural Networks", 2017)."""
        gaps = sum(one.answers * abs(one.confidence - one.right) for one in self.bins())
        return gaps / max(len(self.answers), 1)

    def figure(self, at_most: float = 0.2) -> Figure:
        """Its error as a figure with a bound."""
        what = f"footage: expected calibration error of {self.what}"
        cases = len(self.answers)
        return Figure(analyzer=self.analyzer, what=what, value=self.error, unit="1", cases=cases, at_most=at_most)
