"""The content of a report: the video, the records of its analyzers, and their tables."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import polars as pl

from resources.warehouse.records import ANALYZER_RUNS, CUES, SOURCES, VIDEOS
from resources.warehouse.stage import Tables
from vid_assets.contract import GROUPS, Analyzer
from vid_assets.media.paths import name_of, shown
from vid_assets.pipeline.records import read_answer

ANSWERED = ("value", "not_applicable")


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything about one video that a page may show.

    Attributes:
        video_id: Key of the video.
        video: Its row of ``videos``; empty if it could not be decoded.
        analyzers: All analyzers, by group.
        records: Their rows of ``analyzer_runs`` by name, and that of ``videos``.
        tables: Their tables by name, without ``video_id``; analyzers without a table are left out.
        file_name: Name of the file, even if it could not be decoded; empty if unknown.
        shared_wall_s: Its share of the wall time of its runs, in seconds; None if unknown.
        cues: Subtitles, captions, chapters and timecodes of the file itself; None if unknown.
        path: Stored path or URL of the file; empty if unknown.
    """

    video_id: str
    video: Mapping[str, Any]
    analyzers: Sequence[Analyzer]
    records: Mapping[str, Mapping[str, Any]]
    tables: Mapping[str, pl.DataFrame]
    file_name: str = ""
    shared_wall_s: float | None = None
    cues: pl.DataFrame | None = None
    path: str = ""

    @property
    def duration_s(self) -> float:
        """Length of the video in seconds; 0 if unknown."""
        return self.video.get("duration_s") or 0.0

    @property
    def warnings(self) -> Sequence[str]:
        """Problems of the file that the decoder worked around."""
        return self.video.get("warnings") or ()

    @property
    def title(self) -> str:
        """The file's name as a page shows it, on one line; the key if the name is unknown."""
        return shown(self.file_name) or self.video_id

    @property
    def missing(self) -> list[str]:
        """The analyzers without a record."""
        return [analyzer.name for analyzer in self.analyzers if analyzer.name not in self.records]

    @property
    def reconstruction_score(self) -> float | None:
        """Share of the analyzers with a value or a justified not_applicable; None without analyzers."""
        return 1 - len(self.unanswered) / len(self.analyzers) if self.analyzers else None

    @property
    def unanswered(self) -> list[str]:
        """The analyzers with neither."""
        names = (analyzer.name for analyzer in self.analyzers)
        return [name for name in names if self.records.get(name, {}).get("status") not in ANSWERED]

    @property
    def wall_s(self) -> float | None:
        """Wall seconds of the analysis: its share of its runs, or else the time that analyzers worked on it."""
        if self.shared_wall_s is not None:
            return self.shared_wall_s
        spans = sorted((record["started_at"], record["ended_at"]) for record in self.records.values())
        if not spans:
            return None
        total, until = 0.0, spans[0][0]
        for start, end in spans:
            total += max((end - max(start, until)).total_seconds(), 0.0)
            until = max(until, end)
        return total

    @property
    def realtime_factor(self) -> float | None:
        """Wall seconds per second of video; None if either is unknown."""
        wall_s = self.wall_s
        return wall_s / self.duration_s if wall_s is not None and self.duration_s > 0 else None


def shared_wall_s(warehouse: Tables, video_id: str) -> float | None:
    """Return the video's share of the wall time of its runs, in seconds, as in the view ``realtime_factor``."""
    with closing(warehouse.connect()) as connection:
        found = connection.execute("SELECT wall_s FROM realtime_factor WHERE video_id = ?", [video_id]).fetchone()
    return found[0] if found else None


def collect(warehouse: Tables, video_id: str, analyzers: Sequence[Analyzer]) -> Facts:
    """Read what the warehouse holds about one video.

    Args:
        warehouse: The warehouse with the tables.
        video_id: Key of the video.
        analyzers: The analyzers to show.
    """
    video = warehouse.read_partition(VIDEOS.name, video_id)
    runs = warehouse.read_partition(ANALYZER_RUNS.name, video_id)
    source = warehouse.read_partition(SOURCES.name, video_id)
    records = {} if runs is None else {row["analyzer"]: row for row in runs.iter_rows(named=True)}
    tables = {analyzer.name: read_answer(analyzer.name, video_id, records, warehouse) for analyzer in analyzers}
    return Facts(
        video_id=video_id,
        video={} if video is None else video.row(0, named=True),
        analyzers=sorted(analyzers, key=lambda analyzer: (_place(analyzer.group), analyzer.name)),
        records=records,
        tables={name: table.drop("video_id") for name, table in tables.items() if table is not None},
        file_name="" if source is None else name_of(source["path"].item()),
        shared_wall_s=shared_wall_s(warehouse, video_id),
        cues=warehouse.read_partition(CUES.name, video_id),
        path="" if source is None else source["path"].item(),
    )


def tables_of_pages(analyzers: Sequence[Analyzer]) -> list[str]:
    """Return the tables that `collect` reads."""
    return [*(table.name for table in (VIDEOS, ANALYZER_RUNS, SOURCES, CUES)), *(item.name for item in analyzers)]


def _place(group: str) -> int:
    """Return the position of a group; groups of other packages come last."""
    return GROUPS.index(group) if group in GROUPS else len(GROUPS)
