"""Separates pictures that a model knows nothing about from pictures that it can caption. Runs only inside hosts.

Any one of three signs is enough. The model gives its trained answer for "I do not know". Its words are unsure. The
picture's features are far from those of its training pictures, in Mahalanobis distance (Lee et al., 2018, "A simple
unified framework for detecting out-of-distribution samples").
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FILE = "refusal.json"
FEATURES = "refusal.safetensors"


@dataclass(frozen=True, slots=True)
class Refusal:
    """When to refuse.

    Attributes:
        phrase: The trained answer; None if the model has none.
        min_confidence: Answers with a mean token probability below this are too unsure, 0..1.
        max_distance: Maximum distance of the features; None if there are no features to compare with.
        mean: float32 [d], mean features of pictures that the model knows.
        whitening: float32 [d, k]; the distance is the norm of ``(features - mean) @ whitening``.
    """

    phrase: str | None = None
    min_confidence: float = 0.0
    max_distance: float | None = None
    mean: NDArray[np.float32] | None = None
    whitening: NDArray[np.float32] | None = None

    @classmethod
    def beside(cls, folder: Path, min_confidence: float) -> "Refusal":
        """Return the rule stored beside the weights. Without one, `min_confidence` alone decides."""
        if not (folder / FILE).is_file():
            return cls(min_confidence=min_confidence)
        from safetensors.numpy import load_file

        rule = json.loads((folder / FILE).read_text())
        features = load_file(folder / FEATURES)
        return cls(
            rule["phrase"], rule["min_confidence"], rule["max_distance"], features["mean"], features["whitening"]
        )

    def distance(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the distance of each row, [n], from features [n, d]; zeros if there is nothing to compare with."""
        if self.mean is None or self.whitening is None:
            return np.zeros(len(features), np.float32)
        return np.linalg.norm((features - self.mean) @ self.whitening, axis=1)

    def refuses(self, texts: list[str], confidences: list[float], distance: float) -> bool:
        """Whether to refuse one picture, given all its answers.

        Args:
            texts: One per prompt.
            confidences: Geometric mean token probability of each.
            distance: Distance of its features.
        """
        sure = float(np.exp(np.mean(np.log(np.maximum(confidences, 1e-12)))))
        far = self.max_distance is not None and distance > self.max_distance
        return self.phrase in texts or sure < self.min_confidence or far
