"""Tables with a row per second: when each begins and ends, and which one an instant belongs to."""

import math

import numpy as np
from numpy.typing import NDArray

WINDOW_S = 1.0
# A duration that is longer than whole seconds by less than this is rounding, and has no row of its own.
ROUNDING_S = 1e-6


def seconds_of(duration_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Start and end of each second of a video, [n] each: at least one, the last one shorter."""
    count = max(1, math.ceil(duration_s / WINDOW_S - ROUNDING_S))
    start = np.asarray(np.arange(count) * WINDOW_S, np.float64)
    return start, np.minimum(start + WINDOW_S, duration_s)


def second_at(times_s: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Number of the second that each instant falls in; those after the last of `count` belong to it."""
    return np.minimum((times_s / WINDOW_S).astype(np.int64), count - 1)
