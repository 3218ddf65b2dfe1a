"""What models get from a video: pictures or sound, and the files behind them."""

from pathlib import Path
from typing import Protocol

import numpy as np


class FramesLike(Protocol):
    """Pictures of one video; the contract's ``Frames`` is one."""

    @property
    def array(self) -> np.ndarray:
        """uint8 RGB, [n, height, width, 3]."""
        ...

    @property
    def path(self) -> Path | None:
        """The ``.npy`` file behind the array; None for arrays made in memory."""
        ...

    @property
    def video_id(self) -> str:
        """The video that the pictures belong to."""
        ...


class AudioLike(Protocol):
    """The sound of one video; the contract's ``Audio`` is one."""

    @property
    def samples(self) -> np.ndarray:
        """float32 [n], -1..1, mono at 16 kHz."""
        ...

    @property
    def path(self) -> Path | None:
        """The ``.npy`` file behind the samples; None for arrays made in memory."""
        ...

    @property
    def video_id(self) -> str:
        """The video that the sound belongs to."""
        ...
