"""Text in pictures."""

from collections.abc import Sequence
from typing import Protocol

import polars as pl

from resources.tasks.inputs import FramesLike
from resources.tasks.task import BOX, ROW, Field, Task


class TextModel(Protocol):
    """Finds and reads text in pictures."""

    def read_text(
        self, frames: FramesLike, rows: Sequence[int], boxes: Sequence[tuple[float, float, float, float]] | None = None
    ) -> pl.DataFrame:
        """Return one row per line of text in ``frames.array[rows]``, or in one part of each.

        Args:
            frames: The pictures.
            rows: Indices of the pictures to read. An index may occur several times, with different parts.
            boxes: For each of `rows` the part to read, x0 y0 x1 y1, as shares of the picture's width and height; None
                for whole pictures.

        Raises:
            ModelUnavailable: The profile has no model, or weights or a package are missing or altered.
            ModelError: The model or its host failed.
        """
        ...


TEXT = Task(
    name="text",
    question="Which lines of text are in the pictures, and where?",
    model=TextModel,
    each="rows",
    beside=("boxes",),
    answer={
        "row": ROW,
        "text": Field(pl.String, "text", "The line of text."),
        "confidence": Field(pl.Float64, "1", "Confidence, 0 to 1."),
        **BOX,
    },
    slowest_s=20.0,
)
