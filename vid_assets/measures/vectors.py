"""Vectors as bytes, and hashes of pictures."""

import numpy as np
from numpy.typing import NDArray

LARGEST = 127
_SIDE, _LOW = 32, 8
# Below this spread of luma, in levels of 255, the hash would be one of noise.
_LEAST_SPREAD = 3.0


def as_bytes(vectors: NDArray[np.floating]) -> NDArray[np.int8]:
    """Return the vectors with their largest number at 127 or -127: the direction stays, the length does not.

    Args:
        vectors: [n, numbers].
    """
    largest = np.maximum(np.abs(vectors).max(axis=1, keepdims=True, initial=0), 1e-12)
    return np.rint(vectors * (LARGEST / largest)).astype(np.int8)


def perceptual_hash(picture: NDArray[np.uint8]) -> int | None:
    """Return 64 bits, as a signed number, that tell pictures apart.

    They stay mostly the same when the picture is scaled, encoded again, or made a little brighter.

    Each bit says whether one of the 64 lowest frequencies of the picture, but the mean, is above their median
    (Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010).

    Args:
        picture: uint8 RGB [height, width, 3].

    Returns:
        The bits, the lowest frequency in the highest bit; None for a picture without structure, such as a black one.
    """
    import cv2
    from scipy.fft import dctn

    grey = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float64)
    if small.std() < _LEAST_SPREAD:
        return None
    low = np.asarray(dctn(small, norm="ortho"))[:_LOW, :_LOW].ravel()
    bits = low > np.median(low[1:])
    bits[0] = False  # the mean is brightness alone
    return int.from_bytes(np.packbits(bits).tobytes(), "big", signed=True)
