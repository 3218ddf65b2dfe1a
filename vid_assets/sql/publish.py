"""Publishes the tables to the warehouse, so that every analyzer has a view with types, units and descriptions."""

from collections.abc import Sequence
from functools import cache

import polars as pl

from resources.warehouse.records import CUES
from resources.warehouse.resource import Warehouse
from resources.warehouse.schema import AnalyzerSpec, ColumnSpec, TableSpec
from resources.warehouse.search import TextSpec
from vid_assets.contract import Analyzer
from vid_assets.registry import computed, discover
from vid_assets.sql.questions import MACROS, is_searched, start_column, views

_VIDEO_ID = ColumnSpec("video_id", pl.String, "text", "Partition key of the video")


def publish(warehouse: Warehouse) -> None:
    """Bring `results.duckdb` up to date with the analyzers, at most once per process and warehouse."""
    _publish_once(warehouse.path)


@cache
def _publish_once(path: str) -> None:
    analyzers = discover()
    Warehouse(path=path).publish(
        [table_spec(analyzer) for analyzer in computed()],
        [_analyzer_spec(analyzer) for analyzer in analyzers],
        views(analyzers),
        MACROS,
        texts(analyzers),
    )


def texts(analyzers: Sequence[Analyzer]) -> list[TextSpec]:
    """Return what `search_text` searches: the file's own texts, and those of the analyzers."""
    return [
        TextSpec(CUES, "text", "start_s", "end_s"),
        *(
            TextSpec(table_spec(analyzer), "text", start, "end_s" if "end_s" in analyzer.table else None)
            for analyzer in analyzers
            if is_searched(analyzer) and (start := start_column(analyzer))
        ),
    ]


def table_spec(analyzer: Analyzer) -> TableSpec:
    """Return the analyzer's table as a warehouse declaration."""
    columns = (ColumnSpec(name, item.dtype, item.unit, item.description) for name, item in analyzer.table.items())
    return TableSpec(analyzer.name, analyzer.summary, (_VIDEO_ID, *columns))


def _analyzer_spec(analyzer: Analyzer) -> AnalyzerSpec:
    task = analyzer.task.name if analyzer.task is not None else None
    return AnalyzerSpec(analyzer.name, analyzer.group, analyzer.version, task, analyzer.inputs)
