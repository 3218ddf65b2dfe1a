"""What pictures show, as vectors that can be compared with words."""

from collections.abc import Sequence
from typing import Protocol

import polars as pl

from resources.tasks.inputs import FramesLike
from resources.tasks.task import ROW, VECTOR, Task


class PictureModel(Protocol):
    """Turns pictures into vectors."""

    def embed(self, frames: FramesLike, rows: Sequence[int]) -> pl.DataFrame:
        """Return one row per picture of ``frames.array[rows]``.

        Raises:
            ModelUnavailable: The profile has no model, or weights or a package are missing or altered.
            ModelError: The model or its host failed.
        """
        ...


PICTURES = Task(
    name="pictures",
    question="What do the pictures show, in the terms of a model that knows pictures and words?",
    model=PictureModel,
    each="rows",
    answer={"row": ROW, "embedding": VECTOR},
    slowest_s=20.0,
)
