"""Tables with one row per second: start and end of each second, and the second of a given time."""

import math

import numpy as np
from numpy.typing import NDArray

WINDOW_S = 1.0
# A remainder shorter than this after the whole seconds is a rounding error, and has no row.
ROUNDING_S = 1e-6


def seconds_of(duration_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Start and end of each second of a video, [n] each; at least one second, the last may be shorter."""
    count = max(1, math.ceil(duration_s / WINDOW_S - ROUNDING_S))
    start = np.asarray(np.arange(count) * WINDOW_S, np.float64)
    return start, np.minimum(start + WINDOW_S, duration_s)


def second_at(times_s: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Number of the second that contains each time; later times belong to the last of `count` seconds."""
    return np.minimum((times_s / WINDOW_S).astype(np.int64), count - 1)
