"""The page that shows two code versions of an analyzer side by side, video by video."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from resources.fs import write_atomically
from vid_assets.contract import Analyzer
from vid_assets.pipeline.kept import table_of
from vid_assets.report.lanes import Lane, lane
from vid_assets.report.page import environment

# A page with more is slow to read and to open; the ones that differ most come first.
SHOWN = 100


def write_comparison(
    reports: Path,
    analyzer: Analyzer,
    versions: Sequence[Mapping[str, Any]],
    rows: Sequence[Mapping[str, Any]],
    kept: pl.DataFrame,
    lengths: Mapping[str, float],
) -> Path:
    """Write the page.

    Args:
        reports: The reports folder; created if missing.
        analyzer: The analyzer.
        versions: The two code versions, as `versions` of `vid_assets.pipeline.kept` returns them.
        rows: What the macro ``compare`` returns.
        kept: The kept answers of the analyzer.
        lengths: Length of each video in seconds.

    Returns:
        Path of the page.
    """
    order = sorted(rows, key=lambda row: (-differing(row), row["video_id"]))[:SHOWN]
    answers = {(row["video_id"], row["code_version"]): row["answer"] for row in kept.iter_rows(named=True)}
    videos = []
    for row in order:
        video_id, duration_s = row["video_id"], lengths.get(row["video_id"]) or 0.0
        found = [answers.get((video_id, version["code_version"])) for version in versions]
        videos.append((row, duration_s, _alike([_lane(analyzer, answer, duration_s) for answer in found])))
    html = environment().get_template("compare.html").render(
        analyzer=analyzer,
        versions=versions,
        total=len(rows),
        differ=sum(differing(row) > 0 for row in rows),
        videos=videos,
    )  # fmt: skip
    reports.mkdir(parents=True, exist_ok=True)
    path = reports / f"compare_{analyzer.name}.html"
    write_atomically(path, html)
    return path


def differing(row: Mapping[str, Any]) -> int:
    """Return how many rows only one of two answers has; one at least if their statuses differ."""
    only = (row["rows_a"] or 0) + (row["rows_b"] or 0) - 2 * row["same_rows"]
    return max(only, int(row["status_a"] != row["status_b"]))


def _alike(lanes: Sequence[Lane]) -> list[Lane]:
    """Give bars of the same name the same colour in all lanes."""
    names = dict.fromkeys(bars.name for found in lanes for bars in found.bars)
    places = {name: place for place, name in enumerate(names)}
    return [replace(found, bars=tuple(replace(bars, hue=places[bars.name]) for bars in found.bars)) for found in lanes]


def _lane(analyzer: Analyzer, answer: Sequence[str] | None, duration_s: float) -> Lane:
    if not answer or not duration_s:
        return Lane()
    return lane(analyzer, table_of(answer, {name: column.dtype for name, column in analyzer.table.items()}), duration_s)
