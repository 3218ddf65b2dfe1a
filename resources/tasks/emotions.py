"""Emotions in voices."""

from collections.abc import Sequence
from typing import Protocol

import polars as pl

from resources.tasks.inputs import AudioLike
from resources.tasks.task import Field, Task


class EmotionModel(Protocol):
    """Classifies the emotions in voices."""

    def emotions(self, audio: AudioLike, spans: Sequence[tuple[float, float]]) -> pl.DataFrame:
        """Return one row per span and emotion; spans that are too short have none.

        Args:
            audio: The sound.
            spans: Start and end of each, in seconds.

        Raises:
            ModelUnavailable: The profile has no model, or weights or a package are missing or altered.
            ModelError: The model or its host failed.
        """
        ...


EMOTIONS = Task(
    name="emotions",
    question="Which emotion does the voice express?",
    model=EmotionModel,
    each="spans",
    answer={
        "span": Field(pl.Int64, "1", "Index of the span."),
        "emotion": Field(pl.String, "text", "Name of the emotion."),
        "score": Field(pl.Float64, "1", "Probability; the scores of a span add up to 1."),
    },
    slowest_s=30.0,
)
