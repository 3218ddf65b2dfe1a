"""Luma: the brightness of a picture's pixels, with the weights of ITU-R BT.709."""

import numpy as np
from numpy.typing import NDArray

# Weights of red, green and blue.
WEIGHTS = np.array([0.2126, 0.7152, 0.0722], np.float32)
# Highest level of black bars after codecs and scalers.
BLACK = 24


def luma_of(pictures: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
    """Luma of RGB pixels [..., 3], in levels 0..255, [...]."""
    return np.asarray(np.asarray(pictures, np.float32) @ WEIGHTS, np.float32)


def grey(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Luma of RGB pixels [..., 3], rounded to whole levels, [...]."""
    return np.rint(luma_of(pictures)).astype(np.uint8)
