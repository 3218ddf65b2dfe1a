"""How near the places of a picture are, relative to each other: Depth Anything V2 (Yang et al., 2024).

Profile ``offline`` has no such model: no ordinary package carries weights for it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
import polars as pl

from resources.hosting.handle import ModelResource
from resources.hosting.host import Request, served
from resources.hosting.messages import Stream
from resources.models.runtimes import TransformersHost

SIDE = 64  # of the answered maps
SCHEMA = {"row": pl.Int64, "nearness": pl.Binary}


class FramesLike(Protocol):
    """What `DepthResource` reads of the contract's ``Frames``."""

    @property
    def array(self) -> np.ndarray:
        """uint8 RGB, [n, height, width, 3]."""
        ...

    @property
    def path(self) -> Path | None:
        """The file behind it."""
        ...

    @property
    def video_id(self) -> str:
        """Whose pictures they are."""
        ...


class DepthResource(ModelResource):
    """Tells relative depth; the contract's ``DepthModel``."""

    model: ClassVar[str] = "depth"

    def nearness(self, frames: FramesLike, rows: Sequence[int]) -> pl.DataFrame:
        """One row a picture of ``frames.array[rows]``, with the columns of `SCHEMA`.

        ``nearness`` holds `SIDE` x `SIDE` bytes, row by row, whatever the picture's aspect ratio: 0 for the farthest
        place of that picture, 255 for the nearest, linear in inverse depth.

        Raises:
            ModelUnavailable: The profile has no such model, or its weights are missing or altered.
            ModelError: The model or its host failed.
        """
        if not len(rows):
            return pl.DataFrame(schema=SCHEMA)
        return self._call("nearness", {"frames": Stream(frames.array, frames.path, rows)}, video_id=frames.video_id)


class DepthHost(TransformersHost):
    """Any model of the transformers library that estimates relative inverse depth."""

    def load(self) -> None:
        """Loads model and image processor."""
        from transformers import AutoImageProcessor, AutoModelForDepthEstimation

        self._model, self._processor = self.open(AutoModelForDepthEstimation, AutoImageProcessor)

    @served
    def nearness(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """The maps of each request's rows of ``frames``."""
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
