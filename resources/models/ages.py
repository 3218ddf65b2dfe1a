"""Ages of faces, as distributions over the years 0 to 99.

Profile ``offline`` uses HSE_FaceRec's age network (Savchenko, "Efficient facial representations for age, gender and
identity recognition in organizing photo albums using multi-output ConvNet", 2019). The other profiles use a vision
transformer that returns age brackets. The years within a bracket share its probability equally.
"""

import re
from collections.abc import Sequence

import numpy as np
import polars as pl

from resources.hosting.host import Request, served
from resources.models.runtimes import OnnxHost, TransformersHost
from resources.tasks.ages import AGES, YEARS

SCHEMA = AGES.schema
INPUT = 224  # px


class FaceResHost(OnnxHost):
    """HSE_FaceRec's network."""

    def load(self) -> None:
        """Load the network and run it once."""
        self._session = self.session("faceres.onnx")
        self._ages(np.zeros((INPUT, INPUT, 3), np.uint8))

    @served
    def ages(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Return the ages of each request's faces."""
        return [_table(request, self._ages) for request in requests]

    def _ages(self, face: np.ndarray) -> np.ndarray:
        import cv2

        small = cv2.resize(face, (INPUT, INPUT), interpolation=cv2.INTER_LINEAR).astype(np.float32)
        (ages,) = self._session.run(["age_pred/Softmax:0"], {"input_1:0": small[None]})
        return ages[0].astype(np.float64)


class AgeBracketsHost(TransformersHost):
    """Any image classifier of the transformers library with age brackets as labels: ``20-29``, ``more than 70``."""

    def load(self) -> None:
        """Load the model and the image processor."""
        from transformers import AutoImageProcessor, AutoModelForImageClassification

        self._model, self._processor = self.open(AutoModelForImageClassification, AutoImageProcessor)
        names = self._model.config.id2label
        self._brackets = [bracket(names[at]) for at in range(len(names))]

    @served
    def ages(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Return the ages of each request's faces."""
        return [_table(request, self._ages) for request in requests]

    def _ages(self, face: np.ndarray) -> np.ndarray:
        import torch

        inputs = self._processor(images=[face], return_tensors="pt").to(self.device)
        with torch.inference_mode():
            shares = self._model(**inputs).logits.softmax(dim=-1)[0].double().cpu().numpy()
        ages = np.zeros(YEARS)
        for (first, last), share in zip(self._brackets, shares, strict=True):
            ages[first : last + 1] += share / (last + 1 - first)
        return ages


def bracket(label: str) -> tuple[int, int]:
    """Return the first and last year of an age bracket from its label."""
    first, *more = (min(int(number), YEARS - 1) for number in re.findall(r"\d+", label))
    return first, more[0] if more else YEARS - 1


def _table(request: Request, ages) -> pl.DataFrame:  # noqa: ANN001
    pictures = request.arrays["frames"]
    lines = []
    for number, (row, box) in enumerate(zip(request.rows("frames"), request.args["boxes"], strict=True)):
        picture = pictures[row]
        height, width = picture.shape[:2]
        x0, x1 = (min(max(round(box[at] * width), 0), width) for at in (0, 2))
        y0, y1 = (min(max(round(box[at] * height), 0), height) for at in (1, 3))
        if x1 - x0 >= 2 and y1 - y0 >= 2:
            lines.append((number, ages(np.ascontiguousarray(picture[y0:y1, x0:x1])).tolist()))
    return pl.DataFrame(lines, SCHEMA, orient="row")
