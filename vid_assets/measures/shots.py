"""Shots as spans of time, from the boundaries of ``cut_analysis``, and pictures chosen from them."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from vid_assets.contract import Frames

Span = tuple[float, float]


def shot_spans(cut_analysis: pl.DataFrame, duration_s: float) -> list[Span]:
    """Start and end of each shot in seconds, ascending; pictures of gradual transitions belong to no shot.

    A hard cut is at the time of the new shot's first picture. Without boundaries, the whole video is one shot.
    """
    spans: list[Span] = []
    start_s = 0.0
    boundaries = cut_analysis.sort("start_s").select("kind", "start_s", "end_s")
    for kind, transition_start_s, transition_end_s in boundaries.iter_rows():
        end_s = transition_end_s if kind == "cut" else transition_start_s
        if end_s > start_s:
            spans.append((start_s, end_s))
        start_s = transition_end_s
    if duration_s > start_s:
        spans.append((start_s, duration_s))
    return spans


def rows_within(frames: Frames, span: Span) -> NDArray[np.int64]:
    """Rows of the pictures shown in ``start <= time < end``, ascending."""
    first, last = np.searchsorted(frames.times_s, span, side="left")
    return np.arange(first, last)


def subsample(rows: NDArray[np.int64], count: int) -> list[int]:
    """At most `count` of the rows, evenly spaced and centred; all of them if there are no more."""
    if len(rows) <= count:
        return rows.tolist()
    places = (np.arange(count) + 0.5) * len(rows) / count
    return rows[places.astype(np.int64)].tolist()
