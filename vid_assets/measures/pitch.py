"""Pitch of a voice or tone by YIN (de Cheveigne & Kawahara, "YIN, a fundamental frequency estimator", 2002)."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RATE = 16000
LOWEST_HZ, HIGHEST_HZ = 60, 1000.0
YIN_WINDOW = 1024  # samples compared with a shifted copy of themselves
YIN_LONGEST = RATE // LOWEST_HZ  # the longest shift
YIN_THRESHOLD = 0.2  # dips below this are periods
FRAME = YIN_WINDOW + YIN_LONGEST + 1  # samples needed for one result


def pitch(frames: NDArray[np.float32]) -> Array:
    """YIN on each frame of samples [n, `FRAME` or more]; Hz, NaN if not voiced."""
    x = frames[:, :FRAME].astype(np.float64)
    length = 1 << (FRAME + YIN_WINDOW - 1).bit_length()
    head = np.fft.rfft(x[:, :YIN_WINDOW], length, axis=1)
    crossed = np.fft.irfft(np.fft.rfft(x, length, axis=1) * head.conj(), length, axis=1)[:, : YIN_LONGEST + 2]
    energy = np.cumsum(np.pad(x**2, ((0, 0), (1, 0))), axis=1)
    energies = energy[:, YIN_WINDOW : YIN_WINDOW + YIN_LONGEST + 2] - energy[:, : YIN_LONGEST + 2]
    difference = np.maximum(energies[:, :1] + energies - 2 * crossed, 0)
    lags = np.arange(1, YIN_LONGEST + 2)
    normal = np.ones_like(difference)
    # smaller differences are rounding errors; faint rumble would have dips from them everywhere
    floor = np.maximum(1e-9 * energies[:, :1], 1e-30)
    normal[:, 1:] = difference[:, 1:] * lags / np.maximum(np.cumsum(difference[:, 1:], axis=1), floor)
    dip = (normal[:, 1:-1] <= normal[:, 2:]) & (normal[:, 1:-1] < normal[:, :-2]) & (normal[:, 1:-1] < YIN_THRESHOLD)
    lag = dip.argmax(axis=1) + 1
    at = np.arange(len(x))
    left, middle, right = (difference[at, lag + shift] for shift in (-1, 0, 1))
    curve = left - 2 * middle + right
    hertz = RATE / (lag + np.where(curve > 0, 0.5 * (left - right) / np.where(curve > 0, curve, 1), 0).clip(-0.5, 0.5))
    return np.where(dip.any(axis=1) & (energies[:, 0] > 0) & (hertz <= HIGHEST_HZ), hertz, np.nan)
