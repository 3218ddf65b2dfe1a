"""Foreground in pictures: how likely each place belongs to a person, or to another thing that moves by itself.

Profile ``offline`` uses MediaPipe's selfie segmentation, which knows people near the camera. The other profiles use
SegFormer (Xie et al., "SegFormer", 2021) on ADE20K's classes: people, animals and vehicles are foreground.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from resources.hosting.host import Request, served
from resources.models.runtimes import OnnxHost, TransformersHost
from resources.tasks.segmentation import SEGMENTATION, SIDE

SCHEMA = SEGMENTATION.schema
INPUT = 256  # px, of the selfie model
# ADE20K's names of things that move by themselves.
MOVING = ("person", "animal", "car", "bus", "truck", "van", "bicycle", "minibike", "boat", "ship", "airplane")


class SelfieHost(OnnxHost):
    """MediaPipe's selfie segmentation."""

    def load(self) -> None:
        """Load the network and run it once."""
        self._session = self.session("selfie.onnx")
        self._foreground(np.zeros((INPUT, INPUT, 3), np.uint8))

    @served
    def segment(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Return the masks of each request's rows of ``frames``."""
        return [_table(request, self._foreground) for request in requests]

    def _foreground(self, picture: np.ndarray) -> np.ndarray:
        import cv2

        small = cv2.resize(picture, (INPUT, INPUT), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        return self._session.run(None, {"input_1:0": small[None]})[0][0, :, :, 0]


class SegformerHost(TransformersHost):
    """Any transformers model for semantic segmentation with ADE20K's classes."""

    def load(self) -> None:
        """Load the model and the image processor."""
        from transformers import AutoImageProcessor, AutoModelForSemanticSegmentation

        self._model, self._processor = self.open(AutoModelForSemanticSegmentation, AutoImageProcessor)
        names = self._model.config.id2label
        self._moving = [at for at in range(len(names)) if names[at].split(",")[0].split(";")[0] in MOVING]

    @served
    def segment(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Return the masks of each request's rows of ``frames``."""
        return [_table(request, self._foreground) for request in requests]

    def _foreground(self, picture: np.ndarray) -> np.ndarray:
        import torch

        inputs = self._processor(images=[picture], return_tensors="pt").to(self.device)
        with torch.inference_mode():
            shares = self._model(**inputs).logits.softmax(dim=1)[0]
        return shares[self._moving].sum(dim=0).cpu().numpy()


def _table(request: Request, foreground) -> pl.DataFrame:  # noqa: ANN001
    import cv2

    pictures = request.arrays["frames"]
    lines = []
    for row in request.rows("frames"):
        found = foreground(np.ascontiguousarray(pictures[row]))
        small = cv2.resize(found.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        lines.append((row, np.rint(small.clip(0, 1) * 255).astype(np.uint8).tobytes()))
    return pl.DataFrame(lines, SCHEMA, orient="row")
