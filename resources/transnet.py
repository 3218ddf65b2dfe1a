"""Shot boundaries: TransNetV2.

Souček and Lokoč, "TransNet V2: An effective deep network architecture for fast shot transition detection", 2020.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
import polars as pl

from resources.host import Host, ModelResource, Request, Stream, served

SCHEMA = {"cut": pl.Float64, "transition": pl.Float64}
SHAPE = (27, 48, 3)
# The reference looks at 100 frames and believes the 50 in the middle.
WINDOW, MARGIN, STEP = 100, 25, 50
LOOKUP = 101


class ThumbsLike(Protocol):
    """What `TransnetResource` reads of the contract's ``Frames``."""

    @property
    def array(self) -> np.ndarray:
        """uint8 RGB, [n, 27, 48, 3]."""
        ...

    @property
    def path(self) -> Path | None:
        """The file behind it."""
        ...

    @property
    def video_id(self) -> str:
        """Whose pictures they are."""
        ...


class TransnetResource(ModelResource):
    """Scores every frame for being the last of a shot; the contract's ``ShotModel``."""

    model: ClassVar[str] = "transnet"

    def transitions(self, thumbs: ThumbsLike) -> pl.DataFrame:
        """One row a frame, in order, with the columns of `SCHEMA`, 0..1.

        Raises:
            ModelUnavailable: The weights are missing or altered.
            ModelError: The model or its host failed, or the pictures are not 48 x 27.
        """
        return self._call("transitions", {"thumbs": Stream(thumbs.array, thumbs.path)}, video_id=thumbs.video_id)


class TransnetHost(Host):
    """The TransNetV2 weights."""

    def load(self) -> None:
        """Loads the weights, without executing anything that the file may contain."""
        import torch

        from resources.transnet_network import TransNetV2

        torch.set_num_threads(self.threads)
        if self.spec.gpu_share and torch.cuda.is_available():
            self.device = "cuda:0"
        (file,) = self.folder.glob("*.pth")
        self._network = TransNetV2().to(self.device)
        self._network.load_state_dict(torch.load(file, map_location=self.device, weights_only=True))
        self._network.eval()
        self._score(np.zeros((1, *SHAPE), np.uint8))

    @served
    def transitions(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """The scores of every frame of each request's ``thumbs``."""
        return [self._score(request.arrays["thumbs"]) for request in requests]

    def _score(self, thumbs: np.ndarray) -> pl.DataFrame:
        import torch

        if thumbs.shape[1:] != SHAPE or thumbs.dtype != np.uint8:
            raise ValueError(f"thumbs are {thumbs.dtype} {list(thumbs.shape)}, expected uint8 [n, 27, 48, 3]")
        scores = [np.zeros((0, 2))]
        with torch.inference_mode():
            for window in windows(thumbs):
                logits = self._network(torch.from_numpy(window[None]).to(self.device))[0]
                scores.append(torch.sigmoid(logits)[MARGIN : MARGIN + STEP].double().cpu().numpy())
        return pl.DataFrame(np.concatenate(scores)[: len(thumbs)], SCHEMA, orient="row")


def windows(thumbs: np.ndarray) -> list[np.ndarray]:
    """Windows of 100 frames, 50 apart, the first and last frame repeated beyond the ends, as the reference does.

    Args:
        thumbs: uint8 [n, 27, 48, 3].

    Returns:
        One array [100, 27, 48, 3] for every 50 frames begun.
    """
    count = -(-len(thumbs) // STEP)
    picks = (np.arange(WINDOW) + number * STEP - MARGIN for number in range(count))
    return [thumbs[np.clip(pick, 0, len(thumbs) - 1)] for pick in picks]
