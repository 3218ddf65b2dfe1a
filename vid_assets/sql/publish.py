"""Publishes the tables to the warehouse, so that every analyzer has a view with types, units and descriptions."""

from functools import cache

import polars as pl

from resources.warehouse.resource import Warehouse
from resources.warehouse.schema import AnalyzerSpec, ColumnSpec, TableSpec
from vid_assets.contract import Analyzer
from vid_assets.registry import computed, discover
from vid_assets.sql.questions import MACROS, views

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
    )


def table_spec(analyzer: Analyzer) -> TableSpec:
    """Return the analyzer's table as a warehouse declaration."""
    columns = (ColumnSpec(name, item.dtype, item.unit, item.description) for name, item in analyzer.table.items())
    return TableSpec(analyzer.name, analyzer.summary, (_VIDEO_ID, *columns))


def _analyzer_spec(analyzer: Analyzer) -> AnalyzerSpec:
    task = analyzer.task.name if analyzer.task is not None else None
    return AnalyzerSpec(analyzer.name, analyzer.group, analyzer.version, task, analyzer.inputs)
