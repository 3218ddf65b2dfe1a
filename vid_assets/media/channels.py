"""Choose the channel of a sound track: the mix, unless the channels cancel each other or carry different programmes.

Windows of 50 ms are compared. A window has sound if it is above -60 dBFS.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

WINDOW_S = 0.05
SILENT = 1e-6  # mean square of full scale: -60 dBFS
# The mix has at most this share of the power that unrelated channels would give: 12 dB less.
FAR_WEAKER = 10**-1.2
# Give up the mix if it is far weaker in this share of the windows with sound, and in at least this many of them.
CANCELLED, LEAST_WINDOWS = 0.1, 10
# Two programmes: both sound at the same time, but waveform and loudness are unrelated.
UNRELATED, UNRELATED_LOUDNESS, TOGETHER, STEADY = 0.2, 0.3, 0.4, 0.1
# Fewer windows with sound than this are a click.
HEARD_WINDOWS = 2


@dataclass(slots=True)
class Verdict:
    """Which channel to take (``mix``, ``first`` or ``second``), and why if that deserves a warning."""

    channel: str
    reason: str = ""


@dataclass(slots=True)
class ChannelStatistics:
    """Powers of the mix and of its channels, per window.

    Attributes:
        window: Samples per window.
        heard: Number of windows in which any channel has sound.
    """

    window: int
    heard: int = 0
    _surround: bool = False
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
            channels: The channels of the mix, float32 [channels, n].
            weights: Weight of each channel in the mix, float32 [channels].
            pair: The two channels that may replace the mix; of mono, the same one twice.
        """
        self._surround |= len(channels) > 2
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
        """Return the channel to take."""
        if not self._powers:
            return Verdict("mix")
        mix, first, second, loudest, unrelated = np.concatenate(self._powers, axis=1)
        sounding = loudest > SILENT
        strongest = "first" if first.sum() >= 0.8 * second.sum() else "second"
        cancelled = np.count_nonzero(sounding & (mix < FAR_WEAKER * unrelated))
        enough = cancelled >= max(LEAST_WINDOWS, CANCELLED * np.count_nonzero(sounding))
        if enough and max(first.sum(), second.sum()) > mix.sum():
            alone = None if self._surround else self._alone(first, second)
            return alone or Verdict(strongest, "the channels cancel each other when they are mixed (opposite phase)")
        if self._surround:  # its channels differ on purpose
            return Verdict("mix")
        if alone := self._alone(first, second):
            return alone
        if self._unrelated(first, second):
            return Verdict(strongest, "the channels hold different programmes")
        return Verdict("mix")

    def _alone(self, first: NDArray[np.float32], second: NDArray[np.float32]) -> Verdict | None:
        """Return a verdict if only one of the two channels has any sound."""
        loud = [int(np.count_nonzero(power > SILENT)) for power in (first, second)]
        if 0 in loud and max(loud) >= HEARD_WINDOWS:
            return Verdict("first" if loud[0] else "second")
        return None

    def _unrelated(self, first: NDArray[np.float32], second: NDArray[np.float32]) -> bool:
        """Whether both channels have sound at the same time, with unrelated waveforms and unrelated loudness."""
        active = first > SILENT, second > SILENT
        together = np.count_nonzero(active[0] & active[1])
        if together < max(LEAST_WINDOWS, TOGETHER * min(active[0].sum(), active[1].sum())):
            return False
        ff, ss, fs = self._products
        if abs(fs) > UNRELATED * np.sqrt(ff * ss):
            return False
        either = active[0] | active[1]
        a, b = (np.log(np.maximum(power[either], SILENT)) for power in (first, second))
        # The loudness of steady tones does not vary, so there is nothing to compare.
        return min(a.std(), b.std()) < STEADY or float(np.corrcoef(a, b)[0, 1]) < UNRELATED_LOUDNESS
