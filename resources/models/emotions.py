"""Emotions in the voice, by a wav2vec 2.0 classifier (Baevski et al., 2020; Yang et al., "SUPERB", 2021).

Profile ``offline`` has no such model, because no ordinary package contains weights for it.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from resources.hosting.host import Request, served
from resources.models.runtimes import TransformersHost
from resources.tasks.emotions import EMOTIONS

SCHEMA = EMOTIONS.schema
SAMPLE_RATE = 16000
SHORTEST_S = 0.1  # fewer give no frame
# Meaning of the checkpoint's short labels.
NAMES = {"neu": "neutral", "hap": "happy", "ang": "angry", "sad": "sad"}


class EmotionHost(TransformersHost):
    """Any transformers audio classifier with emotions as labels."""

    def load(self) -> None:
        """Load the model and the feature extractor."""
        from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

        self._model, self._extractor = self.open(AutoModelForAudioClassification, AutoFeatureExtractor)
        names = self._model.config.id2label
        self._labels = [NAMES.get(names[at], names[at]) for at in range(len(names))]

    @served
    def emotions(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Return the emotions of each request's spans."""
        answers = []
        for request in requests:
            samples, lines = request.arrays["audio"], []
            for number, (start, end) in enumerate(request.args["spans"]):
                part = np.asarray(samples[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)], np.float32)
                if len(part) >= SHORTEST_S * SAMPLE_RATE:
                    lines += [(number, label, score) for label, score in zip(self._labels, self._of(part), strict=True)]
            answers.append(pl.DataFrame(lines, SCHEMA, orient="row"))
        return answers

    def _of(self, part: np.ndarray) -> list[float]:
        import torch

        inputs = self._extractor(part, sampling_rate=SAMPLE_RATE, return_tensors="pt").to(self.device)
        with torch.inference_mode():
            return self._model(**inputs).logits.softmax(dim=-1)[0].double().tolist()
