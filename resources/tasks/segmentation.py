"""The foreground in pictures."""

from collections.abc import Sequence
from typing import Protocol

import polars as pl

from resources.tasks.inputs import FramesLike
from resources.tasks.task import ROW, Field, Task

SIDE = 64  # of the returned masks


class SegmentationModel(Protocol):
    """Separates foreground and background."""

    def segment(self, frames: FramesLike, rows: Sequence[int]) -> pl.DataFrame:
        """Return one row per picture of ``frames.array[rows]``.

        Raises:
            ModelUnavailable: The profile has no model, or weights or a package are missing or altered.
            ModelError: The model or its host failed.
        """
        ...


SEGMENTATION = Task(
    name="segmentation",
    question="Which places of the pictures belong to the foreground?",
    model=SegmentationModel,
    each="rows",
    answer={
        "row": ROW,
        "mask": Field(
            pl.Binary,
            "1/255",
            f"{SIDE} x {SIDE} bytes, row by row, whatever the aspect ratio: probability of foreground, 0 to 255.",
        ),
    },
)
