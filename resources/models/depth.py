"""Relative nearness of the places in a picture: Depth Anything V2 (Yang et al., 2024).

Profile ``offline`` has no such model, because no ordinary package contains weights for it.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from resources.hosting.host import Request, served
from resources.models.runtimes import TransformersHost
from resources.tasks.depth import DEPTH, SIDE

SCHEMA = DEPTH.schema


class DepthHost(TransformersHost):
    """Any transformers model that estimates relative inverse depth."""

    def load(self) -> None:
        """Load the model and the image processor."""
        from transformers import AutoImageProcessor, AutoModelForDepthEstimation

        self._model, self._processor = self.open(AutoModelForDepthEstimation, AutoImageProcessor)

    @served
    def nearness(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Return the maps of each request's rows of ``frames``."""
        import cv2

        answers = []
        for request in requests:
            pictures, lines = request.arrays["frames"], []
            for row in request.rows("frames"):
                found = self._inverse_depth(np.ascontiguousarray(pictures[row]))
                small = cv2.resize(found, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
                low, high = float(small.min()), float(small.max())
                scaled = (small - low) / (high - low) if high > low else np.zeros_like(small)
                lines.append((row, np.rint(scaled * 255).astype(np.uint8).tobytes()))
            answers.append(pl.DataFrame(lines, SCHEMA, orient="row"))
        return answers

    def _inverse_depth(self, picture: np.ndarray) -> np.ndarray:
        import torch

        inputs = self._processor(images=[picture], return_tensors="pt").to(self.device)
        with torch.inference_mode():
            return self._model(**inputs).predicted_depth[0].float().cpu().numpy()
