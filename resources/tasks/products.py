"""Which products are in pictures, and where."""

from collections.abc import Sequence
from typing import Protocol

import polars as pl

from resources.tasks.inputs import FramesLike
from resources.tasks.task import BOX, ROW, Field, Task


class ProductModel(Protocol):
    """Finds products, as sold in shops, in pictures."""

    def detect(self, frames: FramesLike, rows: Sequence[int], prompts: Sequence[str] = ()) -> pl.DataFrame:
        """Return one row per product in ``frames.array[rows]``.

        Args:
            frames: The pictures.
            rows: Indices of the pictures to search.
            prompts: Names of the products to look for; empty for the model's own list. A model with a fixed list of
                classes finds only the products that it knows.

        Raises:
            ModelUnavailable: The profile has no model, or weights or a package are missing or altered.
            ModelError: The model or its host failed.
        """
        ...


PRODUCTS = Task(
    name="products",
    question="Which products are in the pictures, and where?",
    model=ProductModel,
    each="rows",
    answer={
        "row": ROW,
        "label": Field(pl.String, "text", "Name of the product, as the model or the prompts call it."),
        "score": Field(pl.Float64, "1", "Confidence, 0 to 1."),
        **BOX,
    },
    slowest_s=20.0,
)
