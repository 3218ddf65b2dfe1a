"""How old faces look."""

from collections.abc import Sequence
from typing import Protocol

import polars as pl

from resources.tasks.inputs import FramesLike
from resources.tasks.task import Field, Task

YEARS = 100


class AgeModel(Protocol):
    """Estimates the age of faces."""

    def ages(
        self, frames: FramesLike, rows: Sequence[int], boxes: Sequence[tuple[float, float, float, float]]
    ) -> pl.DataFrame:
        """Return one row per face, in order. Faces that are too small to crop are left out.

        Args:
            frames: The pictures.
            rows: For each face, the index of its picture in `frames`.
            boxes: For each face, its box x0 y0 x1 y1, as shares of the picture's width and height.

        Raises:
            ModelUnavailable: The profile has no model, or weights or a package are missing or altered.
            ModelError: The model or its host failed.
        """
        ...


AGES = Task(
    name="ages",
    question="How old do the faces look?",
    model=AgeModel,
    each="rows",
    beside=("boxes",),
    answer={
        "face": Field(pl.Int64, "1", "Index of the face in `rows` and `boxes`."),
        "ages": Field(pl.List(pl.Float64), "1", f"Probability of each year from 0 to {YEARS - 1}."),
    },
)
