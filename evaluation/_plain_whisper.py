"""Speech to words by faster-whisper as it comes, with the same weights as ours: what ours must be better than."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation._models import host
from evaluation._words import bare
from resources.models.whisper import WhisperHost
from resources.tasks.speech import SPEECH

Samples = NDArray[np.float32]


def english() -> Any:
    """The English weights of profile ``offline``, those that ours uses itself.

    Raises:
        TypeError: The profile's speech model is another one.
    """
    found = host(SPEECH)
    if not isinstance(found, WhisperHost):
        raise TypeError(f"the speech model is {type(found).__name__}, not WhisperHost: compare with another one")
    return found.english


def plain(*, vad_filter: bool) -> Callable[[Samples], list[str]]:
    """What faster-whisper hears, letters only, in lower case.

    Args:
        vad_filter: Whether its voice activity detector leaves out what is no speech.
    """

    def heard(samples: Samples) -> list[str]:
        segments, _ = english().transcribe(samples, language="en", word_timestamps=True, vad_filter=vad_filter)
        texts = [word.word for segment in segments for word in segment.words or ()]
        return [word for text in texts for part in text.split() if (word := bare(part))]

    return heard
