"""What each figure should reach, and which may be compared between two runs."""

from collections.abc import Mapping
from typing import Any

TARGETS = {
    "overhead_ratio": ("at least", 20.0),
    "blip2_cold_ratio": ("at least", 6.0),
    "blip2_warm_ratio": ("at least", 10.0),
    "reuse_wait_s": ("at most", 0.1),
    "loads": ("at most", 1),
    "blocking_ratio": ("at most", 1.05),
    "baseline_architecture_ratio": ("at least", 5.0),
    "idle_memory_mb": ("at most", 3000.0),
    "event_rows": ("at most", 60.0),
    "record_mb": ("at most", 0.3),
    "rtf_warm_10s": ("at most", 0.45),
    "rtf_warm_60s_720p": ("at most", 0.3),
    "rtf_warm_600s": ("at most", 0.25),
    "speed_of_light": ("at least", 0.85),
    "archive_beyond_compute_s": ("at most", 0.3),
    "peers": ("at least", 2.0),
    "peers_first": ("at least", 1.0),
}
# Figures that do not depend on how fast the machine is today.
RATIOS = (
    "overhead_ratio",
    "blip2_cold_ratio",
    "blip2_warm_ratio",
    "blocking_ratio",
    "baseline_architecture_ratio",
    "speed_of_light",
    "peers",
    "peers_first",
)
TOLERANCE = 0.2


def met(name: str, value: Any) -> bool:
    """Return whether a figure, or every one of several, reaches its target."""
    direction, target = TARGETS[name]
    values = _each(value).values()
    return all(item >= target if direction == "at least" else item <= target for item in values)


def slower(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a line for each ratio that is worse than before by more than `TOLERANCE`."""
    lines = []
    for name in RATIOS:
        if name not in before or name not in now:
            continue
        earlier, found = _each(before[name]), _each(now[name])
        for part in sorted(earlier.keys() & found.keys()):
            gain = found[part] / earlier[part] if TARGETS[name][0] == "at least" else earlier[part] / found[part]
            if gain < 1 - TOLERANCE:
                lines.append(f"{name}{part and f' {part}'}: {earlier[part]:.4g} before, {found[part]:.4g} now")
    return lines


def as_text(value: Any) -> str:
    """Return a figure, or several, as people read them."""
    named = isinstance(value, Mapping)
    return ", ".join(f"{part} {item:.4g}" if named else f"{item:.4g}" for part, item in _each(value).items())


def _each(value: Any) -> dict[str, float]:
    """Return the figures of one name by what tells them apart; one alone has the empty name."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list):
        return {str(place): item for place, item in enumerate(value)}
    return {"": value}
