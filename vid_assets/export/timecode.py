"""SMPTE timecode: frame rates as fractions, frames as hours, minutes, seconds and frames, with and without drop."""

import re
from fractions import Fraction

_NTSC = tuple(Fraction(nominal * 1000, 1001) for nominal in (24, 30, 48, 60, 120))
# A rate this close to a broadcast rate is that rate: rates of files are averages.
_CLOSE = 1e-4
_TIMECODE = re.compile(r"(\d{1,2}):(\d\d):(\d\d)([:;.,])(\d{1,3})")
_DAY_H = 24


def rate_of(fps: float) -> Fraction:
    """Return the exact frame rate behind a measured one, in frames per second."""
    whole = [Fraction(round(fps))] if round(fps) else []
    near = [rate for rate in (*whole, *_NTSC) if abs(fps / float(rate) - 1) < _CLOSE]
    return min(near, key=lambda rate: abs(fps - rate)) if near else Fraction(fps).limit_denominator(1001)


def drops(rate: Fraction) -> bool:
    """Whether timecode of this rate can drop frame numbers, to keep pace with the clock."""
    return rate in (Fraction(30000, 1001), Fraction(60000, 1001))


def timecode(frame: int, rate: Fraction, *, drop: bool = False) -> str:
    """Return the timecode of a frame; it starts anew after 24 hours.

    Args:
        frame: Number of the frame, from 0.
        rate: Frames per second.
        drop: Whether to leave out the first two numbers (four at 59.94) of each minute, except every tenth, as
            SMPTE ST 12-1 says; only for rates that `drops` accepts.
    """
    nominal = round(rate)
    if drop:
        left_out = 2 * nominal // 30
        per_minute = 60 * nominal - left_out
        tens, rest = divmod(frame, 10 * per_minute + left_out)
        # The first minute of ten is whole.
        minutes = 0 if rest < 60 * nominal else 1 + (rest - 60 * nominal) // per_minute
        frame += left_out * (9 * tens + minutes)
    seconds, frames = divmod(frame, nominal)
    digits = len(str(nominal - 1))
    clock = f"{seconds // 3600 % _DAY_H:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{clock}{';' if drop else ':'}{frames:0{max(2, digits)}d}"


def first_frame(text: str | None, rate: Fraction) -> tuple[int, bool] | None:
    """Read the timecode at the start of a file.

    Returns:
        Number of the frame, and whether the timecode drops frame numbers; None if it cannot be read at this rate.
    """
    found = _TIMECODE.fullmatch(text or "")
    if found is None:
        return None
    hours, minutes, seconds, frames = (int(found[place]) for place in (1, 2, 3, 5))
    nominal = round(rate)
    if minutes > 59 or seconds > 59 or frames >= nominal:
        return None
    drop = found[4] in ";.," and drops(rate)
    whole = 60 * hours + minutes
    left_out = 2 * nominal // 30 * (whole - whole // 10) if drop else 0
    return (60 * whole + seconds) * nominal + frames - left_out, drop
