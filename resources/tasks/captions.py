"""What single pictures show, in words."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import polars as pl

from resources.tasks.inputs import FramesLike
from resources.tasks.task import ROW, Field, Task

PROMPTS = {
    "scene": "a photo of",
    "objects": "Question: what objects are in the picture? Answer:",
    "actions": "Question: what is happening in the picture? Answer:",
    "setting": "Question: where is this? Answer:",
}


class CaptionModel(Protocol):
    """Answers prompts about single pictures."""

    def caption(self, frames: FramesLike, rows: Sequence[int], prompts: Mapping[str, str] = PROMPTS) -> pl.DataFrame:
        """Return one row per picture and prompt, pictures in the order of `rows`.

        Args:
            frames: The pictures.
            rows: Indices of the pictures to caption.
            prompts: Name of each question, and its prompt for the model.

        Raises:
            ModelUnavailable: The profile has no model, or weights or a package are missing or altered.
            ModelError: The model or its host failed.
        """
        ...


CAPTIONS = Task(
    name="captions",
    question="What do the pictures show?",
    model=CaptionModel,
    each="rows",
    answer={
        "row": ROW,
        "prompt": Field(pl.String, "text", "Name of the prompt."),
        "text": Field(pl.String, "text", "The answer."),
        "confidence": Field(pl.Float64, "1", "Geometric mean probability of the tokens, 0 to 1."),
        "refused": Field(
            pl.Boolean, "1", "Whether the picture is unlike what the model knows; the text is then no caption."
        ),
    },
    slowest_s=60.0,
    resource="blip2",
)
