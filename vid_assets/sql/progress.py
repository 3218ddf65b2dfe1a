"""How far an archive is: what was not answered and why, and what the rest will take."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.warehouse.records import VIDEOS
from vid_assets.registry import computed

if TYPE_CHECKING:
    import duckdb

# Decoding has no budget; this is what it takes on two cores.
_DECODE_COST = 0.05
_COSTS = "SELECT analyzer, realtime_factor FROM realtime_factor_by_analyzer WHERE realtime_factor > 0"
_UNANSWERED = "SELECT analyzer, status, videos, reason FROM unanswered LIMIT $1"
_REMAINING = """
SELECT coalesce(max(videos), 0), coalesce(max(video_s), 0), sum(busy_s) * (
    SELECT sum(wall_s) / nullif(sum(busy_s), 0) FROM realtime_factor), count(*) FILTER (busy_s IS NULL AND videos > 0)
FROM remaining"""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """What an analyzer could not answer: how often, and one of the reasons, which names the mend."""

    analyzer: str
    status: str
    videos: int
    reason: str


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left to do.

    Attributes:
        videos: Videos for which an analyzer has not answered, or has failed.
        video_s: Their length in seconds; that of files that are not decoded yet is estimated from their size.
        wall_s: Wall seconds that it will take, at the pace so far; None as long as nothing is known.
        unknown: Analyzers that have never run and are not part of the estimate.
    """

    videos: int
    video_s: float
    wall_s: float | None
    unknown: int


def unanswered(connection: "duckdb.DuckDBPyConnection", most: int) -> list[Unanswered]:
    """Return what was not answered, the most frequent first."""
    return [Unanswered(*row) for row in connection.execute(_UNANSWERED, [most]).fetchall()]


def remaining(connection: "duckdb.DuckDBPyConnection") -> Remaining:
    """Return what is left to do."""
    found = connection.execute(_REMAINING).fetchone()
    assert found is not None
    return Remaining(*found)


def costs(connection: "duckdb.DuckDBPyConnection") -> dict[str, float]:
    """Return the seconds that each asset takes for a second of video: at its pace so far, or else its budget."""
    budgets = {VIDEOS.name: _DECODE_COST} | {analyzer.name: analyzer.budget for analyzer in computed()}
    return budgets | dict(connection.execute(_COSTS).fetchall())


def lasting(seconds: float) -> str:
    """Return a length of time as people say it: 40 s, 12 min, 3.5 h, 2 days."""
    for most, unit, name in ((90, 1, "s"), (90 * 60, 60, "min"), (48 * 3600, 3600, "h")):
        if seconds < most:
            value = seconds / unit
            return f"{value:.1f} {name}" if name == "h" and value < 10 else f"{value:.0f} {name}"
    return f"{seconds / 86400:.1f} days"
