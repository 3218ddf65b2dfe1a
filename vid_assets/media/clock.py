"""From timestamps to seconds: which pictures to sample during the pass, and where all of them lie on the timeline.

Containers give pictures timestamps that are missing, doubled, in decoding order (AVI), rounded (Matroska), restarted
(joined recordings) or wrong. The decoder returns pictures in presentation order, so their order is certain.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

# A picture without a timestamp.
MISSING = -(1 << 63)
# A picture whose timestamp does not advance is placed this long after the one before it.
NUDGE_S = 0.001
# A longer step back means that the file's clock restarted, not that two parts overlap.
RESTART_S = 0.25
# FFmpeg's own default for elementary streams without a rate.
UNKNOWN_STEP_S = 0.04
# Codecs keep at most 16 reference pictures, so no picture is further than this from its place.
REORDER = 16
# A leap is a step longer than this. One or two pictures beyond a leap, with nothing after them, are ignored.
LEAP_S = 60.0
STRAYS = 2
# A leap must also be this many times the longest other step, out of at least this many pictures.
LEAP_RATIO, LEAP_PICTURES = 100.0, 10
# Timestamps in decoding order are off by the number of pictures that refer to later ones.
LOOSE_STEPS = 3


class Sampler:
    """Chooses the first picture of every ``1 / rate`` seconds while pictures arrive.

    Attributes:
        elapsed_s: Minimum length of the pictures so far, in seconds. Leaps are not counted, as they may be strays.
    """

    def __init__(self, rate: float, base: Fraction, step_s: float) -> None:
        """Start before the first picture.

        Args:
            rate: Pictures per second to choose.
            base: Unit of the timestamps, in seconds.
            step_s: Time between pictures without timestamps.
        """
        self.elapsed_s = 0.0
        self._per_tick = float(base) * rate
        self._base = float(base)
        self._step = max(1, round(step_s / self._base))
        self._position = 0
        self._previous: int | None = None
        self._slot = -1

    def take(self, stamp: int | None) -> bool:
        """Whether to choose the next picture, which has this timestamp."""
        if self._slot >= 0:
            ahead = self._step if stamp is None or self._previous is None else stamp - self._previous
            seconds = ahead * self._base
            self.elapsed_s += seconds if 0 < seconds <= LEAP_S else 0.0
            self._position += ahead if ahead > 0 else self._step
        self._previous = stamp if stamp is not None else self._previous
        # The margin keeps a picture at exactly k / rate seconds in its own slot despite rounding.
        slot = int(self._position * self._per_tick + 1e-6)
        if slot <= self._slot:
            return False
        self._slot = slot
        return True


@dataclass(slots=True)
class Timeline:
    """Positions of the pictures of a track.

    Attributes:
        times: float64 [n], seconds from the first picture, ascending.
        origin: Timestamp of the first picture, in seconds; None if no picture has one.
        step: Constant time between pictures, in seconds; None if it varies.
        missing: int64, rows before which the constant rate has pictures that are not there.
        odd: Number of occurrences of each oddity, by name.
    """

    times: NDArray[np.float64]
    origin: Fraction | None
    step: Fraction | None = None
    missing: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    odd: dict[str, int] = field(default_factory=dict)

    @property
    def usual_step(self) -> float:
        """Usual time between pictures, in seconds."""
        gaps = np.diff(self.times)
        return float(self.step or (np.median(gaps) if len(gaps) else UNKNOWN_STEP_S))


UNTIMED = "pictures without a usable time stamp, timed by estimate"
UNORDERED = "pictures whose time stamps were out of order, sorted"
RESTARTED = "restarts of the picture's clock, joined"
STRAY = "stray time stamps of pictures, not believed"


def settle(
    stamps: "array[int]",
    base: Fraction,
    rates: Sequence[Fraction] = (),
    *,
    limit_s: float = float("inf"),
    heard_until: Fraction | None = None,
) -> Timeline:
    """Place all pictures of a track.

    Args:
        stamps: Timestamps in presentation order, in units of `base`; `MISSING` where there is none.
        base: Their unit, in seconds.
        rates: Frame rates that the file announces; one is used only if the timestamps fit it.
        limit_s: A longer leap counts as a new clock.
        heard_until: End of the sound on the file's own timeline, in seconds; a leap within it is accepted.
    """
    ticks = np.frombuffer(stamps, np.int64)
    given = ticks != MISSING
    steps = [1 / rate for rate in rates if rate > 0]
    if not given.any():
        step = steps[0] if steps else Fraction(UNKNOWN_STEP_S)
        times = np.arange(len(ticks), dtype=np.float64) * float(step)
        return Timeline(times, None, step, odd={UNTIMED: len(ticks)})
    first = int(ticks[given][0])
    # Exact below 2**53; no real file has larger times.
    values = np.where(given, (ticks.astype(np.float64) - first) * base.numerator / base.denominator, np.nan)
    usual = min(limit_s, _usual(values, float(steps[0]) if steps else UNKNOWN_STEP_S))
    heard = -np.inf if heard_until is None else float(heard_until - first * base)
    strays = _remove_strays(values, usual, heard)
    odd = {STRAY: strays}
    if not _nearly_sorted(values, usual, limit_s):
        odd |= _join(values, usual, limit_s)
        odd[UNTIMED] -= strays
    ordered = np.sort(values)
    odd[UNORDERED] = int(np.count_nonzero(ordered != values))
    start = round(ordered[0] / float(base))
    ordered -= ordered[0]
    found = _grid(ordered, base, steps, loose=odd[UNORDERED] > 0)
    if found is None:
        odd[UNTIMED] = odd.get(UNTIMED, 0) + _nudge(ordered)
    times, step, missing = found or (ordered, None, np.empty(0, np.int64))
    return Timeline(times, (first + start) * base, step, missing, {name: count for name, count in odd.items() if count})


def _usual(values: NDArray[np.float64], announced: float) -> float:
    """Return the usual step between timestamps, in seconds."""
    gaps = np.diff(values)
    gaps = gaps[gaps > 0]
    return float(np.median(gaps)) if len(gaps) else announced


def _nearly_sorted(values: NDArray[np.float64], step: float, limit_s: float) -> bool:
    """Whether no timestamp is missing, and codec reordering explains how far each one is from its place."""
    gaps = np.diff(values)
    if np.isnan(values).any() or gaps.max(initial=0) > limit_s:
        return False
    behind = np.maximum.accumulate(values) - values
    return bool((gaps > 0).all() or behind.max() <= _slack(step, limit_s))


def _slack(step: float, limit_s: float) -> float:
    """Return how far, in seconds, a timestamp may lie behind an earlier one and still be on the same clock."""
    return min(max(RESTART_S, REORDER * step), limit_s)


def _remove_strays(values: NDArray[np.float64], usual: float, heard: float) -> int:
    """Set timestamps to NaN, in place, if no neighbour confirms them; return their number."""
    far = max(1.0, 2 * REORDER * usual)
    strays: list[int] = []
    for run in range(1, STRAYS + 1):
        if len(values) < run + 2:
            break
        jump = np.abs(np.diff(values))
        away, back = jump[: len(jump) - run] > far, jump[run:] > far
        home = np.abs(values[run + 1 :] - values[: -run - 1]) <= far
        together = np.ones(len(away), bool)
        for inner in range(1, run):
            together &= jump[inner : inner + len(away)] <= far
        for start in np.flatnonzero(away & back & home & together):
            strays += range(int(start) + 1, int(start) + 1 + run)
    values[strays] = np.nan
    strays += _end_strays(values, heard)
    values[strays] = np.nan
    return len(set(strays))


def _end_strays(values: NDArray[np.float64], heard: float) -> list[int]:
    """Return the one or two pictures at either end that a leap separates from all others."""
    rows = np.flatnonzero(~np.isnan(values))
    gaps = np.diff(values[rows])
    if len(gaps) < LEAP_PICTURES:
        return []
    found: list[int] = []
    for run in range(1, STRAYS + 1):
        for at, cut in ((len(gaps) - run, rows[-run:]), (run - 1, rows[:run])):
            longest = np.delete(gaps, at).max()
            # If there is sound meanwhile, a leap ahead is a pause in the picture.
            quiet = gaps[at] < 0 or heard < values[rows[at + 1]] - LEAP_S or at < len(gaps) // 2
            if abs(gaps[at]) > max(LEAP_S, LEAP_RATIO * max(longest, 0.0)) and quiet and not found:
                found = cut.tolist()
    return found


def _join(values: NDArray[np.float64], step: float, limit_s: float) -> dict[str, int]:
    """Fill in missing values and join clocks that restart, in place; return how often that happened."""
    given = np.flatnonzero(~np.isnan(values))
    lead = int(given[0])
    values[:lead] = values[lead] - (lead - np.arange(lead)) * step
    slack = _slack(step, limit_s)
    shift, top, last, untimed, restarts = 0.0, float(values[0]), float(values[0]), lead, 0
    for index in range(lead, len(values)):
        value = float(values[index])
        if value != value:
            last, untimed = last + step, untimed + 1
        else:
            last = value + shift
            if last < top - slack or last > top + limit_s:
                last, restarts = top + step, restarts + 1
                shift = last - value
        top = max(top, last)
        values[index] = last
    return {UNTIMED: untimed, RESTARTED: restarts}


def _nudge(values: NDArray[np.float64]) -> int:
    """Make sorted seconds strictly ascending, in place; return how many moved."""
    moved, last = 0, -np.inf
    for index in range(len(values)) if (np.diff(values) <= 0).any() else ():
        if values[index] <= last:
            values[index] = last + NUDGE_S
            moved += 1
        last = values[index]
    return moved


def _grid(
    values: NDArray[np.float64], base: Fraction, steps: Sequence[Fraction], *, loose: bool
) -> tuple[NDArray[np.float64], Fraction, NDArray[np.int64]] | None:
    """Return the constant rate that sorted timestamps fit within their own rounding, if there is one.

    Args:
        values: Seconds from the first.
        base: Unit of the timestamps, in seconds.
        steps: Times between pictures to try, besides the usual one.
        loose: Whether the timestamps are known to be in decoding order, so that each may be off by some pictures.
    """
    if len(values) < 2:
        return (values, steps[0], np.empty(0, np.int64)) if steps else None
    tick, even = float(base), np.arange(len(values), dtype=np.int64)
    usual = round(_usual(values, tick) / tick) * base
    for step in dict.fromkeys([*steps, usual]):
        size = float(step)
        off = values - even * size
        slack = LOOSE_STEPS * size if loose and abs(off[-1]) <= size else 0.0
        if size <= 0 or not np.isfinite(off).all():
            continue
        if np.ptp(off) <= max(1.01 * tick, slack):
            rows = even
        elif size > 2 * tick:
            rows = np.rint(values / size).astype(np.int64)
            gaps = np.diff(rows)
            if np.ptp(values - rows * size) > 1.01 * tick or gaps.min() < 1 or np.median(gaps) > 1:
                continue
        else:
            continue
        times = rows * step.numerator / step.denominator
        return times, step, np.flatnonzero(np.diff(rows) > 1) + 1
    return None
