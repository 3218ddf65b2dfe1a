"""What texts mean, as vectors."""

from collections.abc import Sequence
from typing import Protocol

import polars as pl

from resources.tasks.task import VECTOR, Field, Task


class SentenceModel(Protocol):
    """Turns texts into vectors: the closer the meaning, the larger the cosine of their angle."""

    def embed(self, texts: Sequence[str], asks: bool = False) -> pl.DataFrame:
        """Return one row per text, in order.

        Args:
            texts: The texts; a model reads the first words of a long one, some 150 to 350.
            asks: Whether the texts are questions to an archive, not parts of it. Some models treat the two differently.

        Raises:
            ModelUnavailable: The profile has no model, or weights or a package are missing or altered.
            ModelError: The model or its host failed.
        """
        ...


SENTENCES = Task(
    name="sentences",
    question="What do the texts mean?",
    model=SentenceModel,
    each="texts",
    answer={
        "text": Field(pl.Int64, "1", "Index of the text in `texts`."),
        "embedding": VECTOR,
    },
)
