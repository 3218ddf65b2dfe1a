"""Which sounds occur, and when."""

from typing import Protocol

import polars as pl

from resources.tasks.inputs import AudioLike
from resources.tasks.task import Field, Task


class SoundModel(Protocol):
    """Distinguishes speech, singing and music, and other sounds that it knows."""

    def tag(self, audio: AudioLike) -> pl.DataFrame:
        """Return one row per stretch and label.

        Stretches follow each other without gaps. Each has ``speech``, ``singing`` and ``music``; other labels depend on
        the model.

        Raises:
            ModelUnavailable: The profile has no model, or weights or a package are missing or altered.
            ModelError: The model or its host failed.
        """
        ...


SOUNDS = Task(
    name="sounds",
    question="What sounds, and when?",
    model=SoundModel,
    answer={
        "start_s": Field(pl.Float64, "s", "Start of the stretch."),
        "end_s": Field(pl.Float64, "s", "End of the stretch."),
        "label": Field(pl.String, "text", "What sounds."),
        "score": Field(pl.Float64, "1", "Probability, 0 to 1."),
    },
)
