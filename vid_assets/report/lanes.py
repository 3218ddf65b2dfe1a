"""Turn any analyzer's table into something to draw on the time axis: bars, colours, curves, or plain facts.

The columns of a table decide its form. A table that names what it finds becomes bars, one row of bars per name;
pictures at moments are joined into spans. A table with colours becomes a band of them. A table with numbers becomes
curves. A table that only distinguishes things, at moments, becomes both: bars for all of them, curves for the most
frequent one. A table without times becomes facts.

The code does not know which numbers matter: of a table with many, it draws the first three that change.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import Any

import polars as pl

from vid_assets.contract import TIME_COLUMNS, Analyzer, Column

# The first of these columns in a table names what a row is about, and separates rows that last at the same time.
NAMES = ("kind", "label", "prompt", "emotion", "word", "text")
IDENTITIES = ("scene", "track", "shot", "product")
ROWS, BARS, CURVES, POINTS, FACTS = 6, 300, 3, 400, 12
_PLACES = {"x0", "y0", "x1", "y1", "confidence", "score", "support"}
_HEX = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True)
class Bar:
    """A span of time.

    Attributes:
        start_s: Start in seconds.
        end_s: End in seconds; the same as the start for a moment.
        text: Description.
        colour: ``#rrggbb`` if the bar represents a colour.
        count: How many were drawn as one.
    """

    start_s: float
    end_s: float
    text: str
    colour: str | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Bars:
    """One row of bars with its name; `hue` is its position in the page's palette."""

    name: str
    bars: tuple[Bar, ...]
    hue: int = 0


@dataclass(frozen=True, slots=True)
class Curve:
    """One series of numbers.

    Attributes:
        name: Name of the column.
        unit: Unit of the column.
        description: Meaning of the column.
        pieces: Runs of points without a gap: time in seconds and value.
        low: Smallest value.
        high: Largest value, above `low`.
    """

    name: str
    unit: str
    description: str
    pieces: tuple[tuple[tuple[float, float], ...], ...]
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Lane:
    """What the page shows for one analyzer."""

    bars: tuple[Bars, ...] = ()
    curves: tuple[Curve, ...] = ()
    facts: tuple[str, ...] = ()


def lane(analyzer: Analyzer, table: pl.DataFrame, duration_s: float) -> Lane:
    """Return what to draw of a table.

    Args:
        analyzer: The analyzer of the table.
        table: Its rows, without ``video_id``.
        duration_s: Length of the time axis, above 0.
    """
    start = next((name for name in ("start_s", "time_s") if name in table.columns), None)
    if start is None:
        return Lane(facts=tuple(_facts(analyzer, table)))
    timed = table.filter(pl.col(start).is_not_null()).sort(start, maintain_order=True)
    if naming := next((name for name in (*NAMES, *IDENTITIES) if name in analyzer.table and _names(timed, name)), None):
        if naming == "prompt" and "text" in timed.columns:
            timed = timed.filter(pl.col("text").is_not_null())  # a prompt without an answer found nothing
        curves = _curves_of_one(analyzer, timed, naming) if naming in IDENTITIES and start == "time_s" else ()
        return Lane(bars=_named_bars(analyzer, timed, start, naming, duration_s), curves=curves)
    return Lane(bars=_colour_band(analyzer, timed, start, duration_s), curves=_curves(analyzer, timed, start))


def _names(table: pl.DataFrame, column: str) -> bool:
    """Whether the column has any name: without a model it is empty."""
    return table.is_empty() or table[column].null_count() < table.height


def _named_bars(
    analyzer: Analyzer, table: pl.DataFrame, start: str, naming: str, duration_s: float
) -> tuple[Bars, ...]:
    identity = next((name for name in IDENTITIES if name in table.columns and name != naming), None)
    one_row = naming in ("word", "text") or naming in IDENTITIES
    named: dict[str, list[tuple[Any, Bar]]] = {}
    for row in table.iter_rows(named=True):
        end_s = row.get("end_s")
        name = (
            analyzer.name.replace("_", " ")
            if one_row
            else "not named"
            if row[naming] is None
            else spoken(str(row[naming]))
        )
        told = row if one_row else {column: value for column, value in row.items() if column != naming}
        bar = Bar(row[start], row[start] if end_s is None else end_s, describe(analyzer.table, told) or name)
        named.setdefault(name, []).append((row[identity] if identity else row[naming] if one_row else None, bar))
    if "end_s" not in table.columns:
        step_s = usual_step(table[start])
        named = {name: list(_joined(rows, step_s)) for name, rows in named.items()}
    largest = [name for name, _ in Counter({name: len(rows) for name, rows in named.items()}).most_common(ROWS)]
    if len(named) > ROWS:
        largest.pop()
        rest = [(name, bar) for name, rows in named.items() if name not in largest for _, bar in rows]
        named = {name: named[name] for name in largest} | {
            "other": [(name, replace(bar, text=f"{name}: {bar.text}")) for name, bar in rest]
        }
    return tuple(
        Bars(name, _thinned(sorted((bar for _, bar in rows), key=lambda bar: bar.start_s), duration_s), hue)
        for hue, (name, rows) in enumerate(named.items())
    )


def _joined(rows: Sequence[tuple[Any, Bar]], step_s: float) -> Iterator[tuple[Any, Bar]]:
    """Join sightings of the same thing in consecutive pictures into spans."""
    spans: dict[Any, Bar] = {}
    for identity, bar in rows:
        before = spans.get(identity)
        if before is not None and bar.start_s - before.end_s <= 2.5 * step_s:
            spans[identity] = replace(before, end_s=bar.end_s, count=before.count + 1)
            continue
        if before is not None:
            yield identity, before
        spans[identity] = bar
    yield from spans.items()


def _thinned(bars: Sequence[Bar], duration_s: float) -> tuple[Bar, ...]:
    """Return the bars; if there are too many to see, neighbours are drawn as one."""
    gap_s = duration_s / 2000
    while len(bars) > BARS:
        merged: list[Bar] = []
        for bar in bars:
            if merged and bar.start_s - merged[-1].end_s <= gap_s:
                last = merged[-1]
                merged[-1] = replace(last, end_s=max(last.end_s, bar.end_s), count=last.count + bar.count)
            else:
                merged.append(bar)
        bars, gap_s = merged, gap_s * 2
    return tuple(bars)


def _colour_band(analyzer: Analyzer, table: pl.DataFrame, start: str, duration_s: float) -> tuple[Bars, ...]:
    name = next((name for name, column in analyzer.table.items() if column.dtype == pl.List(pl.String)), None)
    if name is None or table.is_empty():
        return ()
    step = max(1, -(-table.height // BARS))
    bars: list[Bar] = []
    rows = table.gather_every(step)
    ends = [*rows[start].to_list()[1:], duration_s]
    for row, end_s in zip(rows.iter_rows(named=True), ends, strict=True):
        if row[name] and _HEX.fullmatch(row[name][0]):
            bars.append(Bar(row[start], max(end_s, row[start]), describe(analyzer.table, row), row[name][0]))
    return (Bars(name, tuple(bars)),) if bars else ()


def _curves_of_one(analyzer: Analyzer, table: pl.DataFrame, identity: str) -> tuple[Curve, ...]:
    """Return curves of the columns with a unit other than 1, for the item seen most often."""
    if table.is_empty():
        return ()
    most = table[identity].mode().sort()[0]
    columns = {name: column for name, column in analyzer.table.items() if column.unit != "1"}
    found = _curves(replace(analyzer, table=columns), table.filter(pl.col(identity) == most), "time_s")
    one = "" if table[identity].n_unique() == 1 else f"{identity} {most} "
    return tuple(replace(curve, name=f"{one}{curve.name}") for curve in found)


def _curves(analyzer: Analyzer, table: pl.DataFrame, start: str) -> tuple[Curve, ...]:
    curves: list[Curve] = []
    for name, column in analyzer.table.items():
        if column.dtype != pl.Float64 or name in TIME_COLUMNS or name in _PLACES or len(curves) == CURVES:
            continue
        values = table[name].fill_nan(None)
        low, high = values.min(), values.max()
        if isinstance(low, float) and isinstance(high, float) and high - low > 1e-9:
            pieces = _pieces(table[start], values)
            curves.append(Curve(name, column.unit, column.description, pieces, low, high))
    return tuple(curves)


def _pieces(times: pl.Series, values: pl.Series) -> tuple[tuple[tuple[float, float], ...], ...]:
    """Return the runs of points between the nulls, at most `POINTS` in total."""
    every = max(1, -(-len(times) // POINTS))
    means = (
        pl.DataFrame({"time": times, "value": values})
        .with_columns((pl.int_range(pl.len()) // every).alias("bucket"))
        .group_by("bucket", maintain_order=True)
        .agg(pl.col("time").first(), pl.col("value").mean())
    )
    pieces: list[list[tuple[float, float]]] = [[]]
    for time, value in means.select("time", "value").iter_rows():
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append((time, value))
    return tuple(tuple(piece) for piece in pieces if piece)


def _facts(analyzer: Analyzer, table: pl.DataFrame) -> Iterator[str]:
    for row in table.head(FACTS).iter_rows(named=True):
        yield describe(analyzer.table, row)
    if table.height > FACTS:
        yield f"and {table.height - FACTS} more"


def describe(columns: Mapping[str, Column], row: Mapping[str, Any]) -> str:
    """Return a row in words: its names first, then its numbers with their units."""
    words = [str(row[name]) for name in NAMES if row.get(name) is not None]
    numbers = [
        f"{spoken(name, _suffix(columns[name]).strip())} {number(value)}{_suffix(columns[name])}"
        for name, value in row.items()
        if name not in (*NAMES, *TIME_COLUMNS, *(_PLACES - {"confidence", "score"}), "frame")
        and value is not None
        and not isinstance(value, list | bytes)
    ]
    return " · ".join([*words, *numbers[:6]])


def spoken(name: str, unit: str = "") -> str:
    """Return a name in words; a unit at its end is left out if the unit is given as well."""
    words = name.split("_")
    if len(words) > 1 and unit.lower().startswith(words[-1]):
        words.pop()
    return " ".join(words)


def number(value: object) -> str:
    """Format a number to three significant digits, without an exponent where people do not use one."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _suffix(column: Column) -> str:
    return "" if column.unit in ("1", "text", "levels", "by kind", "frame", "width", "height") else f" {column.unit}"


def usual_step(times: pl.Series) -> float:
    """Return the usual distance between the pictures, in seconds."""
    moments = times.unique().sort().to_list()
    return median(after - before for before, after in pairwise(moments)) if len(moments) > 1 else 0.0
