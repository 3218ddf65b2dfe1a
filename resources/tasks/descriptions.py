"""Descriptions in words of what happens in spans of a video."""

from collections.abc import Sequence
from typing import Protocol

import polars as pl

from resources.tasks.inputs import FramesLike
from resources.tasks.task import Field, Task

PROMPT = "What happens in the video?"


class VideoModel(Protocol):
    """Describes spans of a video, each from several pictures."""

    def describe(self, frames: FramesLike, spans: Sequence[Sequence[int]], prompt: str = PROMPT) -> pl.DataFrame:
        """Return one row per span.

        Args:
            frames: The pictures.
            spans: For each span the indices of its pictures in `frames`, ascending, at least one.
            prompt: The prompt for the model.

        Raises:
            ModelUnavailable: The profile has no model, or weights or a package are missing or altered.
            ModelError: The model or its host failed.
        """
        ...


DESCRIPTIONS = Task(
    name="descriptions",
    question="What happens in these spans of the video?",
    model=VideoModel,
    each="spans",
    answer={
        "span": Field(pl.Int64, "1", "Index of the span."),
        "text": Field(pl.String, "text", "The description."),
        "confidence": Field(pl.Float64, "1", "Geometric mean probability of the tokens, 0 to 1."),
        "refused": Field(
            pl.Boolean, "1", "Whether the span is unlike what the model knows; the text is then no description."
        ),
    },
    slowest_s=120.0,
    resource="video_llava",
)
