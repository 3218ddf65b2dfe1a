"""The facts of a long video in which every analyzer found as much as in a busy film, and its pictures."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from vid_assets.contract import Analyzer, Frames
from vid_assets.registry import discover
from vid_assets.report.facts import Facts

PICTURES_A_S, SHOT_S, WORD_S, BOXES = 2, 4.0, 0.4, 4
_AT = datetime(2026, 1, 1, tzinfo=UTC)


def long_facts(duration_s: float) -> Facts:
    """Return facts about a video of that length."""
    analyzers = discover()
    video = {
        "duration_s": duration_s, "width": 1920, "height": 1080, "fps": 25.0, "has_picture": True, "has_audio": True,
        "video_codec": "h264", "audio_codec": "aac", "pixel_format": "yuv420p", "size_bytes": 10**9, "warnings": [],
        "container": "mov,mp4,m4a,3gp,3g2,mj2",
    }  # fmt: skip
    tables = {analyzer.name: _table(analyzer, duration_s) for analyzer in analyzers}
    seconds = dict.fromkeys(("queue_s", "load_s", "decode_s", "compute_s", "write_s"), 1.0)
    names = dict.fromkeys(("reason", "model", "precision", "device"), "")
    records = {
        name: {"status": "value", "rows": table.height, "started_at": _AT, "ended_at": _AT, **seconds, **names}
        for name, table in tables.items()
    }
    return Facts("long-0123456789ab", video, analyzers, records, tables, "long.mp4", path="long.mp4")


def long_frames(duration_s: float) -> Frames:
    """Return pictures of noise, which compress badly; all of them are one."""
    count = int(duration_s * PICTURES_A_S)
    picture = np.random.default_rng(1).integers(0, 255, (90, 160, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    times = np.arange(count) / PICTURES_A_S
    return Frames(np.broadcast_to(picture, (count, *picture.shape)), times, np.arange(count))


def _table(analyzer: Analyzer, duration_s: float) -> pl.DataFrame:
    rows = list(_rows(analyzer, duration_s))
    return pl.DataFrame(rows, {name: column.dtype for name, column in analyzer.table.items()})


def _rows(analyzer: Analyzer, duration_s: float) -> Iterator[dict[str, Any]]:
    columns = analyzer.table
    sampled = "time_s" in columns
    step_s = 1 / PICTURES_A_S if sampled else WORD_S if "word" in columns else SHOT_S
    for place in range(int(duration_s / step_s)):
        for box in range(BOXES if sampled and "x0" in columns else 1):
            known = {"time_s": place * step_s, "start_s": place * step_s, "end_s": (place + 1) * step_s, "track": box}
            known |= {"segment": place // 12, "language": "en", "word": f"word{place}", "label": f"thing {box}"}
            known |= {"kind": f"kind {place % 5}", "text": f"something happens in picture {place}, with <b> & more"}
            known |= {"x0": 0.1 + box / 10, "y0": 0.2, "x1": 0.3 + box / 10, "y1": 0.5 + place % 50 / 100}
            yield {name: known.get(name, _some(column.dtype, place)) for name, column in columns.items()}


def _some(dtype: Any, place: int) -> Any:
    if dtype == pl.String:
        return f"name {place % 4}"
    if dtype == pl.List(pl.String):
        return ["#ff0000", "#00ff00"]
    if dtype == pl.Float64:
        return float(np.sin(place / 40))
    if dtype == pl.Boolean:
        return place % 2 == 0
    return [] if isinstance(dtype, pl.List) else place % 7 if dtype.is_integer() else None
