"""Checks before an answer is written: schema, nulls, ranges and times. Each check returns a list of problems."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from vid_assets.contract import TIME_COLUMNS, Analyzer, Column, Video


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """Result of one check of one table.

    Attributes:
        name: Name of the asset check.
        problems: One line per problem; empty if the check passed.
        values: Measured values.
    """

    name: str
    problems: tuple[str, ...]
    values: Mapping[str, float] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether there are no problems."""
        return not self.problems


CHECKS: dict[str, str] = {
    "schema": "The table has exactly the declared columns and types, and nulls only where they are allowed.",
    "ranges": "Every number is finite and within the bounds its column declares.",
    "times": "Every time is within the video, and no row ends before it starts.",
}


def check_table(analyzer: Analyzer, table: pl.DataFrame, video: Video) -> list[CheckOutcome]:
    """Run all checks on one answer, in the order of `CHECKS`.

    If the schema is wrong, ranges and times are not checked, because their results would be unreliable.
    """
    schema = CheckOutcome("schema", tuple(_schema_problems(analyzer, table)))
    if not schema.passed:
        return [schema]
    return [
        schema,
        CheckOutcome("ranges", tuple(_range_problems(analyzer.table, table))),
        CheckOutcome("times", tuple(_time_problems(table, video))),
    ]


def _schema_problems(analyzer: Analyzer, table: pl.DataFrame) -> list[str]:
    expected, actual = analyzer.schema, table.schema
    problems = [f"column {name} is missing" for name in expected if name not in actual]
    problems += [f"column {name} is not declared" for name in actual if name not in expected]
    problems += [
        f"column {name} is {actual[name]}, declared {dtype}"
        for name, dtype in expected.items()
        if name in actual and actual[name] != dtype
    ]
    if problems:
        return problems
    if list(actual) != list(expected):
        return [f"columns are ordered {list(actual)}, declared {list(expected)}"]
    nulls = table.null_count().row(0, named=True) if table.height else {}
    return [
        f"column {name} has {count} null values"
        for name, count in nulls.items()
        if count and not analyzer.table[name].nullable
    ]


def _range_problems(columns: Mapping[str, Column], table: pl.DataFrame) -> list[str]:
    problems: list[str] = []
    for name, column in columns.items():
        values = table[name].explode() if table[name].dtype.is_nested() else table[name]
        if not values.dtype.is_numeric():
            continue
        values = values.drop_nulls()
        if values.dtype.is_float() and not values.is_finite().all():
            problems.append(f"{name} has values that are not finite")
            continue
        low: Any = values.min()
        high: Any = values.max()
        if low is not None and column.ge is not None and low < column.ge:
            problems.append(f"{name} goes down to {low}, allowed from {_with_unit(column.ge, column)}")
        if high is not None and column.le is not None and high > column.le:
            problems.append(f"{name} goes up to {high}, allowed to {_with_unit(column.le, column)}")
    return problems


def _with_unit(bound: float, column: Column) -> str:
    return f"{bound}" if column.unit == "1" else f"{bound} {column.unit}"


def _time_problems(table: pl.DataFrame, video: Video) -> list[str]:
    slack = 1e-6
    problems: list[str] = []
    for name in TIME_COLUMNS:
        if name not in table.columns:
            continue
        low: Any = table[name].min()
        high: Any = table[name].max()
        if low is not None and low < -slack:
            problems.append(f"{name} goes down to {low} s")
        if high is not None and high > video.duration_s + slack:
            problems.append(f"{name} goes up to {high} s, the video ends at {video.duration_s} s")
    if {"start_s", "end_s"} <= set(table.columns):
        backward = table.filter(pl.col("end_s") < pl.col("start_s")).height
        if backward:
            problems.append(f"{backward} rows end before they start")
    return problems
