"""The archive overview: how fast, how complete and how healthy the archive is, over the days, as one picture.

Its numbers are metadata, so that the UI plots them over the materializations as well.
"""

import base64
from collections.abc import Iterator
from datetime import date, timedelta

import dagster as dg
import numpy as np

from resources.warehouse.resource import Warehouse
from vid_assets.defs.factory import OWNERS
from vid_assets.drawing import Picture, bar_chart, line_plot
from vid_assets.sql.progress import lasting, remaining, unanswered
from vid_assets.sql.publish import publish

OVERVIEW = "archive_overview"
DAYS, REASONS = 90, 8
# A run's day is that of its end. Differences are in whole days, which does not need DuckDB's time zone extension.
_DAYS = """
WITH days AS (
    SELECT video_id, epoch_us(max(ended_at)) // 86400000000 AS day, count(*) FILTER (status = 'failed') AS failed
    FROM analyzer_runs GROUP BY video_id
)
SELECT day, count(*) AS videos, median(realtime_factor.realtime_factor) AS realtime_factor,
    avg(reconstruction_score) AS score, sum(days.failed) AS failed
FROM days LEFT JOIN realtime_factor USING (video_id) LEFT JOIN video_quality USING (video_id)
GROUP BY day ORDER BY day DESC LIMIT $1"""
_TOTALS = """
SELECT count(*) AS videos, count(*) FILTER (missing = 0 AND failed = 0) AS complete, sum(failed) AS failed,
    avg(reconstruction_score) AS reconstruction_score,
    (SELECT median(realtime_factor) FROM realtime_factor) AS realtime_factor
FROM video_quality"""


@dg.asset(
    name=OVERVIEW,
    group_name="archive",
    kinds={"python", "duckdb"},
    owners=OWNERS,
    description="How fast, how complete and how healthy the archive is: totals, a picture over the days, failures by"
    " reason. It reads the results of all videos; materialize it whenever you want to look.",
)
def archive_overview(warehouse: dg.ResourceParam[Warehouse]) -> dg.MaterializeResult:
    """Draws the state of the whole archive."""
    publish(warehouse)
    with warehouse.connect() as connection:
        days = connection.execute(_DAYS, [DAYS]).fetchall()[::-1]
        answer = connection.execute(_TOTALS)
        names, row = [column[0] for column in answer.description or ()], answer.fetchone()
        failures = [item for item in unanswered(connection, 1000) if item.status == "failed"]
        left = remaining(connection)
    totals = {name: value for name, value in zip(names, row or (), strict=True) if value is not None}
    metadata: dict[str, float | str | dg.MetadataValue] = {name: round(float(v), 4) for name, v in totals.items()}
    metadata["left"] = f"{left.videos} videos" + ("" if left.wall_s is None else f", about {lasting(left.wall_s)}")
    if days:
        first, last = (date(1970, 1, 1) + timedelta(days=day[0]) for day in (days[0], days[-1]))
        picture = _shown("The last days", plot(days))
        metadata["over_the_days"] = dg.MetadataValue.md(f"From {first} to {last}:\n\n{picture}")
    if failures:
        bars = {f"{item.analyzer}: {item.reason}": float(item.videos) for item in failures[:REASONS]}
        table = "\n".join(_lines(bars))
        metadata["failures"] = dg.MetadataValue.md(f"| failure | videos |\n| --- | --- |\n{table}")
        metadata["failures_by_analyzer"] = dg.MetadataValue.md(_shown("Failures", bar_chart(_by_analyzer(failures))))
    return dg.MaterializeResult(metadata=metadata)


def plot(days: list[tuple[int, int, float | None, float | None, int]]) -> Picture:
    """Draw videos, realtime factor, score and failures over the days, each in a curve of its own.

    Args:
        days: Day since 1970, videos, median realtime factor, mean score, failures; ascending.
    """
    times = np.array([day[0] - days[0][0] for day in days], np.float64)
    names = ("videos a day", "realtime factor", "score", "failures")
    columns = np.array([[np.nan if value is None else value for value in day[1:]] for day in days], np.float64)
    return line_plot(times, dict(zip(names, columns.T, strict=True)), max(times[-1], 1.0), unit="d")


def _by_analyzer(failures: list) -> dict[str, float]:
    counts: dict[str, float] = {}
    for item in failures:
        counts[item.analyzer] = counts.get(item.analyzer, 0.0) + item.videos
    return dict(sorted(counts.items(), key=lambda item: -item[1])[:REASONS])


def _lines(bars: dict[str, float]) -> Iterator[str]:
    """Yield the rows of a table; what is Markdown or markup in a reason is shown as it is."""
    for text, videos in bars.items():
        plain = "".join(f"&#{ord(c)};" if c in "|<>&`*_[]()!\\#~" else " " if c.isspace() else c for c in text)
        yield f"| {plain} | {videos:.0f} |"


def _shown(title: str, picture: Picture) -> str:
    # imported here: pictures are encoded by OpenCV
    from vid_assets.report.pictures import webp

    return f"![{title}](data:image/webp;base64,{base64.b64encode(webp(picture)).decode()})"


defs = dg.Definitions(assets=[archive_overview])
