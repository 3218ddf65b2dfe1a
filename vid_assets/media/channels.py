"""Which channel of a sound track to listen to: the mix, unless the channels cancel each other or say different things.

Windows of 50 ms are compared. A window counts as sounding above -60 dBFS.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

WINDOW_S = 0.05
SILENT = 1e-6  # mean square of full scale: -60 dBFS
# The mix has at most this share of the power that it would have if its channels were unrelated: 12 dB less.
FAR_WEAKER = 10**-1.2
# Share of the sounding windows in which the mix is far weaker, and their least number, for it to be given up.
CANCELLED, LEAST_WINDOWS = 0.1, 10
# Two programmes: waveforms and loudness are unrelated although both sound at the same time.
UNRELATED, UNRELATED_LOUDNESS, TOGETHER, STEADY = 0.2, 0.3, 0.4, 0.1
# Fewer sounding windows than these are a click, not a sound.
HEARD_WINDOWS = 2


@dataclass(slots=True)
class Verdict:
    """Which channel to take: ``mix``, ``first`` or ``second``; and why, where it is worth a warning."""

    channel: str
    reason: str = ""


@dataclass(slots=True)
class ChannelStatistics:
    """Powers of the mix and of its channels, window by window.

    Attributes:
        window: Samples of a window.
        heard: Windows in which any channel sounds.
    """

    window: int
    heard: int = 0
    _powers: list[NDArray[np.float32]] = field(default_factory=list)
    _products: NDArray[np.float64] = field(default_factory=lambda: np.zeros(3))
    _rest: NDArray[np.float32] | None = None

    def add(
        self,
        mix: NDArray[np.float32],
        channels: NDArray[np.float32],
        weights: NDArray[np.float32],
        pair: tuple[int, int],
    ) -> None:
        """Take the next samples.

        Args:
            mix: float32 [n].
            channels: What it is mixed of, float32 [channels, n].
            weights: How, float32 [channels].
            pair: Which two of the channels may be taken in its place; the same twice if only one may.
        """
        rows = np.concatenate([mix[None], channels])
        if self._rest is not None and len(self._rest) == len(rows):
            rows = np.concatenate([self._rest, rows], axis=1)
        whole = rows.shape[1] // self.window
        windows = rows[:, : whole * self.window].reshape(len(rows), whole, self.window)
        self._rest = rows[:, whole * self.window :].copy()
        powers = np.einsum("cwn,cwn->cw", windows, windows) / self.window
        first, second = channels[pair[0]], channels[pair[1]]
        loudest = powers[1:].max(axis=0)
        unrelated = weights**2 @ powers[1:]
        self._powers.append(np.stack([powers[0], powers[1 + pair[0]], powers[1 + pair[1]], loudest, unrelated]))
        self.heard += int(np.count_nonzero(loudest > SILENT))
        self._products += [float(a @ b) for a, b in ((first, first), (second, second), (first, second))]

    def verdict(self) -> Verdict:
        """The channel to take."""
        if not self._powers:
            return Verdict("mix")
        mix, first, second, loudest, unrelated = np.concatenate(self._powers, axis=1)
        sounding = loudest > SILENT
        strongest = "first" if first.sum() >= 0.8 * second.sum() else "second"
        cancelled = np.count_nonzero(sounding & (mix < FAR_WEAKER * unrelated))
        enough = cancelled >= max(LEAST_WINDOWS, CANCELLED * np.count_nonzero(sounding))
        if enough and max(first.sum(), second.sum()) > mix.sum():
            alone = self._alone(first, second)
            return alone or Verdict(strongest, "the channels cancel each other when they are mixed (opposite phase)")
        if alone := self._alone(first, second):
            return alone
        if self._unrelated(first, second):
            return Verdict(strongest, "the channels hold different programmes")
        return Verdict("mix")

    def _alone(self, first: NDArray[np.float32], second: NDArray[np.float32]) -> Verdict | None:
        """The only one of the two channels that sounds at all, if it is so."""
        loud = [int(np.count_nonzero(power > SILENT)) for power in (first, second)]
        if 0 in loud and max(loud) >= HEARD_WINDOWS:
            return Verdict("first" if loud[0] else "second")
        return None

    def _unrelated(self, first: NDArray[np.float32], second: NDArray[np.float32]) -> bool:
        """Whether both channels sound at the same time, and neither waveform nor loudness of one tells of the other."""
        active = first > SILENT, second > SILENT
        together = np.count_nonzero(active[0] & active[1])
        if together < max(LEAST_WINDOWS, TOGETHER * min(active[0].sum(), active[1].sum())):
            return False
        ff, ss, fs = self._products
        if abs(fs) > UNRELATED * np.sqrt(ff * ss):
            return False
        either = active[0] | active[1]
        a, b = (np.log(np.maximum(power[either], SILENT)) for power in (first, second))
        # Steady tones have no loudness to compare.
        return min(a.std(), b.std()) < STEADY or float(np.corrcoef(a, b)[0, 1]) < UNRELATED_LOUDNESS
