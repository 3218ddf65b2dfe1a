"""How near each place in a picture is."""

from collections.abc import Sequence
from typing import Protocol

import polars as pl

from resources.tasks.inputs import FramesLike
from resources.tasks.task import ROW, Field, Task

SIDE = 64  # of the returned maps


class DepthModel(Protocol):
    """Estimates relative depth."""

    def nearness(self, frames: FramesLike, rows: Sequence[int]) -> pl.DataFrame:
        """Return one row per picture of ``frames.array[rows]``.

        Raises:
            ModelUnavailable: The profile has no model, or weights or a package are missing or altered.
            ModelError: The model or its host failed.
        """
        ...


DEPTH = Task(
    name="depth",
    question="How near is each place of the pictures, relative to the others?",
    model=DepthModel,
    each="rows",
    answer={
        "row": ROW,
        "nearness": Field(
            pl.Binary,
            "1/255",
            f"{SIDE} x {SIDE} bytes, row by row, whatever the aspect ratio: 0 for the farthest place of the picture,"
            " 255 for the nearest, linear in inverse depth.",
        ),
    },
    slowest_s=20.0,
)
