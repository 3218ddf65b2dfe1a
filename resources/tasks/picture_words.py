"""Which pictures texts describe, as vectors that can be compared with those of pictures."""

from collections.abc import Sequence
from typing import Protocol

import polars as pl

from resources.tasks.task import VECTOR, Field, Task


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


# The same checkpoints as for the pictures, in a host of its own: analysing needs no words, and searching no pictures.
PICTURE_WORDS = Task(
    name="picture_words",
    question="Which pictures do the texts describe?",
    model=PictureWordsModel,
    each="texts",
    answer={"text": Field(pl.Int64, "1", "Index of the text in `texts`."), "embedding": VECTOR},
)
