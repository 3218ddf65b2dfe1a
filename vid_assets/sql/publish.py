"""Publishes the tables to the warehouse, so that every analyzer has a view with types, units and descriptions."""

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import polars as pl

import resources
from resources.catalog.profiles import resolve_profile
from resources.settings import settings
from resources.warehouse.lake import is_lake
from resources.warehouse.records import CUES
from resources.warehouse.resource import Warehouse
from resources.warehouse.schema import AnalyzerSpec, ColumnSpec, TableSpec
from resources.warehouse.search import TextSpec
from vid_assets.contract import Analyzer
from vid_assets.registry import computed, discover
from vid_assets.sql.questions import MACROS, is_searched, start_column, views

_VIDEO_ID = ColumnSpec("video_id", pl.String, "text", "Partition key of the video")


def publish(warehouse: Warehouse, *, in_run: bool = False) -> None:
    """Bring the warehouse's tables and views up to date with the analyzers: of a folder, at most once per process.

    Of a lake, whoever asks for runs decides what is current, and each time: another machine may have changed it.

    Args:
        warehouse: The warehouse.
        in_run: Whether a run asks. A run on a machine with other code than that raises, before it does any work.

    Raises:
        WarehouseError: See `Warehouse.publish`.
    """
    if is_lake(warehouse.path):
        _publish(warehouse.path, replace=not in_run)
    else:
        _publish_once(warehouse.path)


@cache
def _publish_once(path: str) -> None:
    _publish(path, replace=True)


def _publish(path: str, *, replace: bool) -> None:
    analyzers = discover()
    Warehouse(path=path).publish(
        [table_spec(analyzer) for analyzer in computed()],
        [_analyzer_spec(analyzer) for analyzer in analyzers],
        views(analyzers),
        MACROS,
        texts(analyzers),
        _code() if is_lake(path) else None,
        replace=replace,
    )


def _code() -> dict[str, str]:
    """Return what all machines of a cluster must have in common."""
    return {"sources": _sources(), "profile": resolve_profile(""), "settings": _own_settings()}


@cache
def _sources() -> str:
    """Return a digest of the code."""
    digest = hashlib.sha256()
    for folder in (Path(resources.__path__[0]), Path(__file__).parents[1]):
        for file in sorted(folder.rglob("*.py")):
            digest.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _own_settings() -> str:
    """Return a digest of the archive's settings of analyzers and models; "none" without any."""
    names = [name for name in (settings().config, *settings().catalog.split(":")) if name]
    contents = b"\0".join(Path(name).expanduser().read_bytes() for name in names)
    return hashlib.sha256(contents).hexdigest()[:12] if names else "none"


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
