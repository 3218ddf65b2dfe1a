"""How thoroughly to measure, and whom to tell."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """What all measurements are told.

    Attributes:
        repeats: How often each side of a ratio is measured.
        rehearse: Whether small stand-ins take the place of what takes long; such figures mean nothing.
        note: Called with what is being done.
    """

    repeats: int
    rehearse: bool
    note: Callable[[str], None]
