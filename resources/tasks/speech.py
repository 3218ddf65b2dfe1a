"""Which words are spoken, and when."""

from typing import Protocol

import polars as pl

from resources.tasks.inputs import AudioLike
from resources.tasks.task import Field, Task


class SpeechModel(Protocol):
    """Converts speech to words with times."""

    def transcribe(self, audio: AudioLike, language: str = "", beam_size: int = 5) -> pl.DataFrame:
        """Return one row per word, in order, and one row with an empty word per passage of speech without words.

        Args:
            audio: The sound.
            language: ISO 639-1 code of the spoken language; empty to detect it for each passage.
            beam_size: Hypotheses that the decoder follows, at least 1.

        Raises:
            ModelUnavailable: The profile has no model, or weights or a package are missing or altered.
            ModelError: The model or its host failed.
        """
        ...


SPEECH = Task(
    name="speech",
    question="Which words are spoken, and when?",
    model=SpeechModel,
    answer={
        "segment": Field(pl.Int64, "1", "Number of the segment that the word belongs to."),
        "word": Field(pl.String, "text", "The word, with its punctuation; empty for speech without words."),
        "start_s": Field(pl.Float64, "s", "Start, from the first sample."),
        "end_s": Field(pl.Float64, "s", "End, from the first sample."),
        "confidence": Field(pl.Float64, "1", "Probability of the word, 0 to 1."),
        "no_speech": Field(pl.Float64, "1", "Probability that its segment is no speech, 0 to 1."),
        "speech": Field(pl.Float64, "1", "Probability, by a detector of voices, that somebody speaks there, 0 to 1."),
        "language": Field(pl.String, "text", "ISO 639-1 code of its segment; empty where it is not clear."),
    },
)
