"""Which objects are in pictures, and where."""

from collections.abc import Sequence
from typing import Protocol

import polars as pl

from resources.tasks.inputs import FramesLike
from resources.tasks.task import BOX, ROW, Field, Task


class ObjectModel(Protocol):
    """Finds objects in pictures."""

    def detect(self, frames: FramesLike, rows: Sequence[int]) -> pl.DataFrame:
        """Return one row per object in ``frames.array[rows]``.

        Raises:
            ModelUnavailable: The profile has no model, or weights or a package are missing or altered.
            ModelError: The model or its host failed.
        """
        ...


OBJECTS = Task(
    name="objects",
    question="Which objects are in the pictures, and where?",
    model=ObjectModel,
    each="rows",
    answer={
        "row": ROW,
        "label": Field(pl.String, "text", "Class name; the models of this project use the names of COCO."),
        "score": Field(pl.Float64, "1", "Confidence, 0 to 1."),
        **BOX,
    },
)
