"""What pictures show, as vectors that can be compared with words."""

from collections.abc import Sequence
from typing import Protocol

import polars as pl

from resources.tasks.inputs import FramesLike
from resources.tasks.task import ROW, Field, Task

_VECTOR = Field(pl.List(pl.Float32), "1", "Vector of length 1; the model decides how many numbers it has.")


class PictureModel(Protocol):
    """Turns pictures into vectors."""

    def embed(self, frames: FramesLike, rows: Sequence[int]) -> pl.DataFrame:
        """Return one row per picture of ``frames.array[rows]``.

        Raises:
            ModelUnavailable: The profile has no model, or weights or a package are missing or altered.
            ModelError: The model or its host failed.
        """
        ...


class PictureWordsModel(Protocol):
    """Turns descriptions into the vectors of the pictures that they describe."""

    def embed(self, texts: Sequence[str]) -> pl.DataFrame:
        """Return one row per text, in order.

        Args:
            texts: Descriptions of pictures, of at most some 60 words.

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
    answer={"row": ROW, "embedding": _VECTOR},
    slowest_s=20.0,
)

# The same checkpoints as for the pictures, in a host of its own: analysing needs no words, and searching no pictures.
PICTURE_WORDS = Task(
    name="picture_words",
    question="Which pictures do the texts describe?",
    model=PictureWordsModel,
    each="texts",
    answer={"text": Field(pl.Int64, "1", "Index of the text in `texts`."), "embedding": _VECTOR},
)
