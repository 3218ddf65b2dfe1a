"""Boxes around things in pictures, and removal of duplicates. Runs only inside hosts."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import polars as pl

from resources.hosting.host import Request
from resources.tasks.objects import OBJECTS

Found = tuple[str, float, float, float, float, float]  # label, score, x0 y0 x1 y1 as shares of the picture
T = TypeVar("T")


def strongest(items: Sequence[T], score: Callable[[T], Any], same: Callable[[T, T], bool]) -> list[T]:
    """Greedy non-maximum suppression: keep each item that duplicates none with a higher score, best first."""
    kept: list[T] = []
    for item in sorted(items, key=score, reverse=True):
        if not any(same(item, other) for other in kept):
            kept.append(item)
    return kept


def intersection_over_union(one: Sequence[float], two: Sequence[float]) -> float:
    """Return the intersection of two boxes, x0 y0 x1 y1, as a share of their union."""
    wide, tall = min(one[2], two[2]) - max(one[0], two[0]), min(one[3], two[3]) - max(one[1], two[1])
    if wide <= 0 or tall <= 0:
        return 0.0
    first, second = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, two))
    return float(wide * tall / max(first + second - wide * tall, 1e-9))


def table_of(request: Request, find: Callable[[np.ndarray], list[Found]]) -> pl.DataFrame:
    """Return what `find` finds in each requested row of ``frames``, with the columns of the box tasks."""
    pictures = request.arrays["frames"]
    lines = [(row, *item) for row in request.rows("frames") for item in find(np.ascontiguousarray(pictures[row]))]
    return pl.DataFrame(lines, OBJECTS.schema, orient="row")
