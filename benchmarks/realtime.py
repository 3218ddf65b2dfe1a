"""The realtime factor of all analyzers with warm models: wall seconds of a run over seconds of video, by length."""

from typing import Any

from benchmarks.clips import make_clips, repeated
from benchmarks.kit import Home, child, median
from benchmarks.plan import Plan

HD = (1280, 720)
LONG = 10  # times the clip of a minute


def measure(home: Home, plan: Plan) -> tuple[dict[str, Any], dict[str, Any]]:
    """Analyses a clip to warm everything up, then clips of 10, 60 and 600 seconds that it has not seen, in turns.

    Returns:
        ``rtf_warm_10s``, ``rtf_warm_60s_720p`` and ``rtf_warm_600s``: medians; and the raw seconds.
    """
    minute = 4.0 if plan.rehearse else 60.0
    lengths = {"10s": minute / 6, "60s_720p": minute, "600s": minute * LONG}
    factors: dict[str, list[float]] = {name: [] for name in lengths}
    for number in range(plan.repeats):
        plan.note(f"clips of three lengths, {number + 1} of {plan.repeats}")
        folder, seed = home.root / "clips", 800 + 4 * number
        (first,) = make_clips(folder, 1, minute / 6, seed, HD)
        (short,) = make_clips(folder, 1, minute / 6, seed + 1, HD)
        (middle,) = make_clips(folder, 1, minute, seed + 2, HD)
        (part,) = make_clips(folder, 1, minute, seed + 3, HD)
        files = [first, short, middle, repeated(part, LONG)]
        done = child("pipeline", {"files": files}, home.variables("warehouse-realtime"))
        for (name, seconds), video in zip(lengths.items(), done["videos"][1:], strict=True):
            assert video["success"], video["failures"]
            factors[name].append(video["wall_s"] / seconds)
        home.forget()
    return {f"rtf_warm_{name}": median(found) for name, found in factors.items()}, {"factors": factors}
