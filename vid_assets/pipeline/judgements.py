"""Checks after an answer is written: a status has a reason, coverage, cost, provenance.

They never prevent a write; `vid_assets.pipeline.checks` does that.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from statistics import median
from typing import Any

import polars as pl

from resources.warehouse.records import ANALYZER_RUNS, VIDEOS
from resources.warehouse.resource import Warehouse
from vid_assets.contract import Analyzer, Video
from vid_assets.pipeline.checks import CheckOutcome

JUDGEMENTS: dict[str, str] = {
    "justified": "Where there is no value, there is a reason.",
    "coverage": "The rows span as much of the video as the analyzer declares.",
    "realtime_factor": "Computing took no longer than the analyzer's budget.",
    "regression": "Computing took no more than three times the analyzer's median over the last fifty videos.",
    "attribution": "The record names the file's content, the code's version and, with a model, its revision.",
}
GOAL, TARGET = 1.0, 3.0  # wall seconds per second of video: target and acceptable limit
LEAST_SCORE = 0.95  # share of the analyzers that should give a value, or a reason why the question does not apply
FIXED_S = 2.0  # added to every budget, for any length: first calls, small files
VIDEOS_BEFORE, FEWEST_BEFORE = 50, 5
SLOWER, SLOWER_BY_S = 3.0, 0.5


def judge(
    analyzer: Analyzer, record: Mapping[str, Any], duration_s: float, covered: float | None, before: Sequence[float]
) -> list[CheckOutcome]:
    """Return one outcome for each of `JUDGEMENTS`, in order.

    Args:
        analyzer: The analyzer that answered.
        record: Its row of ``analyzer_runs``.
        duration_s: Length of the video; 0 if it could not be opened.
        covered: See `covered_share`.
        before: Computing seconds per second of video for the same analyzer on the latest videos.
    """
    compute_s = record["compute_s"]
    allowed_s = budget_s(analyzer, duration_s)
    factor = compute_s / duration_s if duration_s > 0 else None
    usual = median(before) if len(before) >= FEWEST_BEFORE else None
    over_budget = (f"took {compute_s:.2f} s, the budget is {allowed_s:.2f} s",) if compute_s > allowed_s else ()
    return [
        CheckOutcome("justified", _justified(record)),
        CheckOutcome("coverage", _coverage(analyzer, record, covered), _known(covered=covered)),
        CheckOutcome(
            "realtime_factor", over_budget, _known(realtime_factor=factor, compute_s=compute_s, budget_s=allowed_s)
        ),
        CheckOutcome(
            "regression", _regression(factor, usual, duration_s), _known(realtime_factor=factor, median=usual)
        ),
        CheckOutcome("attribution", _attribution(analyzer, record)),
    ]


def budget_s(analyzer: Analyzer, duration_s: float) -> float:
    """Return the maximum computing seconds for a video of this length."""
    return FIXED_S + analyzer.budget * duration_s


def covered_share(table: pl.DataFrame, video: Video) -> float | None:
    """Return the share of the video that the rows cover, 0..1; None for a table without times or without rows.

    A moment (``time_s``) covers the time until the next one.
    """
    if table.is_empty() or video.duration_s <= 0:
        return None
    if {"start_s", "end_s"} <= set(table.columns):
        spans = table.select("start_s", "end_s").drop_nulls().sort("start_s")
        seen = pl.col("end_s").cum_max().shift(1, fill_value=0.0)
        new = (pl.col("end_s") - pl.max_horizontal("start_s", seen)).clip(lower_bound=0.0)
        return min(float(spans.select(new.sum()).item()) / video.duration_s, 1.0)
    if "time_s" in table.columns:
        times = table["time_s"].drop_nulls().unique().sort().to_list()
        steps = [after - time for time, after in pairwise(times)]
        last = median(steps) if steps else video.duration_s
        return min((sum(steps) + last) / video.duration_s, 1.0)
    return None


@lru_cache(maxsize=4)
def paces_before(warehouse_path: str, run_id: str) -> dict[str, list[float]]:
    """Return each analyzer's computing seconds per second of video on the latest videos. They are read once per run."""
    warehouse = Warehouse(path=warehouse_path)
    runs = warehouse.read_table(ANALYZER_RUNS.name)
    latest = runs.group_by("video_id").agg(pl.col("ended_at").max()).top_k(VIDEOS_BEFORE, by="ended_at")
    lengths = warehouse.read_table(VIDEOS.name).filter(pl.col("duration_s") > 0).select("video_id", "duration_s")
    values = (
        runs.filter(pl.col("status") == "value", pl.col("run_id") != run_id)
        .join(latest, on="video_id", how="semi")
        .join(lengths, on="video_id")
        .group_by("analyzer")
        .agg(pl.col("compute_s") / pl.col("duration_s"))
    )
    return dict(values.collect().iter_rows())


def _justified(record: Mapping[str, Any]) -> tuple[str, ...]:
    return () if record["status"] == "value" or record["reason"] else (f"{record['status']} without a reason",)


def _coverage(analyzer: Analyzer, record: Mapping[str, Any], covered: float | None) -> tuple[str, ...]:
    if analyzer.coverage is None or record["status"] != "value" or (covered or 0.0) >= analyzer.coverage:
        return ()
    return (f"the rows span {covered or 0.0:.2f} of the video, not {analyzer.coverage}",)


def _regression(factor: float | None, usual: float | None, duration_s: float) -> tuple[str, ...]:
    if factor is None or usual is None or factor <= SLOWER * usual or (factor - usual) * duration_s <= SLOWER_BY_S:
        return ()
    return (f"{factor:.3f}x realtime, the median of the last videos is {usual:.3f}x",)


def _attribution(analyzer: Analyzer, record: Mapping[str, Any]) -> tuple[str, ...]:
    needed = ["content_hash", "code_version"]
    if analyzer.task and record["status"] == "value" and "model" not in analyzer.optional:
        needed.append("revision")
    return tuple(f"{name} is missing" for name in needed if not record[name])


def _known(**values: float | None) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}
