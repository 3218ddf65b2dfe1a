"""One published figure."""

from dataclasses import dataclass


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
