"""Where faces are, with mesh and irises."""

from collections.abc import Sequence
from typing import Protocol

import polars as pl

from resources.tasks.inputs import FramesLike
from resources.tasks.task import BOX, ROW, Field, Task


class FaceModel(Protocol):
    """Finds faces and reads their mesh and irises."""

    def faces(self, frames: FramesLike, rows: Sequence[int]) -> pl.DataFrame:
        """Return one row per face in ``frames.array[rows]``.

        Raises:
            ModelUnavailable: The profile has no model, or weights or a package are missing or altered.
            ModelError: The model or its host failed.
        """
        ...


FACES = Task(
    name="faces",
    question="Where are faces in the pictures, and how are their features placed?",
    model=FaceModel,
    each="rows",
    answer={
        "row": ROW,
        "score": Field(pl.Float64, "1", "Confidence, 0 to 1."),
        **BOX,
        "mesh": Field(
            pl.List(pl.Float64), "px", "x, y, z of MediaPipe's 468 points; z towards the camera is negative."
        ),
        "irises": Field(
            pl.List(pl.Float64), "px", "x, y of five points of the person's right and then left iris, the centre first."
        ),
    },
)
