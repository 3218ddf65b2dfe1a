"""The SQL of ``results.duckdb``: views over the Parquet files, views over those, and the meaning of their columns."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from resources.warehouse import search
from resources.warehouse.commits import MARKER, TAIL
from resources.warehouse.generations import Generation
from resources.warehouse.schema import AnalyzerSpec, TableSpec, quoted, schema_file, sql_type
from resources.warehouse.search import TextSpec


@dataclass(frozen=True, slots=True)
class ViewSpec:
    """One view.

    Attributes:
        name: An identifier.
        description: What one row is, in one sentence.
        query: The SELECT behind it. It may use the tables' views and the views before it.
        columns: Unit and description of every column, by name.
    """

    name: str
    description: str
    query: str
    columns: Mapping[str, tuple[str, str]]


SETTLE_S = 0.25
_PLACE = re.compile(r"\{\{(?P<what>\w+)(?: (?P<digest>[0-9a-f]{12}))?(?: (?P<table>\w+))?\}\}")

# The segments are those of one generation, and their list is part of the view: see `generations`. The commits after it
# are found by a pattern. Only settled commits count, those from before the transaction began, with a margin for one
# that has its stamp but not yet its name; so all views of a transaction show the same moment. DuckDB compares the name
# of a file with a constant before it opens it, so a commit that is merged, and may be removed meanwhile, is not opened.
_TABLE = """
SELECT merged.* FROM {merged} AS merged
ANTI JOIN (SELECT {key} FROM {later}) AS newer USING ({key})
UNION ALL
SELECT * EXCLUDE (filename, "@newest", "{marker}") FROM {newest} WHERE "{marker}" IS NOT TRUE"""
_NEWEST = """(
    FROM (SELECT *, max(filename) OVER (PARTITION BY {key}) AS "@newest" FROM {later}) WHERE filename = "@newest")"""
_LATER = """(
    SELECT *, filename FROM read_parquet({files}, hive_partitioning = false, schema = MAP {{{fields}}})
    WHERE filename > {{{{horizon}}}} AND filename <= {tail} || (epoch_us(now()) - {settle})::VARCHAR)"""
_MERGED = "read_parquet([{{{{segments {table}}}}}], hive_partitioning = false, schema = MAP {{{fields}}})"

# A run's wall time is divided among its videos in proportion to the seconds of their steps. Steps of one run overlap,
# so the shares add up to the run's wall time, but the steps' seconds do not. Steps of no measurable length get equal
# shares. The record of a refused file names no run and shares with no other. Differences are in whole microseconds,
# which is exact and does not need DuckDB's time zone extension.
_REALTIME_FACTOR = """
WITH steps AS (
    SELECT *, epoch_us(ended_at) - epoch_us(started_at) AS busy_us,
        max(epoch_us(ended_at)) OVER run - min(epoch_us(started_at)) OVER run AS wall_us
    FROM analyzer_runs WINDOW run AS (PARTITION BY coalesce(run_id, video_id))
), shares AS (
    SELECT video_id, wall_us / 1e6 * CASE WHEN sum(busy_us) OVER run > 0 THEN busy_us / sum(busy_us) OVER run
        ELSE 1 / count(*) OVER run END AS wall_s, busy_us / 1e6 AS busy_s, compute_s, load_s, decode_s, run_id
    FROM steps WINDOW run AS (PARTITION BY coalesce(run_id, video_id))
), spent AS (
    SELECT video_id, sum(wall_s) AS wall_s, sum(busy_s) AS busy_s, sum(compute_s) AS compute_s, sum(load_s) AS load_s,
        sum(decode_s) AS decode_s, count(DISTINCT run_id) AS runs
    FROM shares GROUP BY video_id
)
SELECT video_id, wall_s, duration_s AS video_s, wall_s / nullif(duration_s, 0) AS realtime_factor, busy_s, compute_s,
    load_s, spent.decode_s AS decode_s, runs
FROM spent LEFT JOIN videos USING (video_id) ORDER BY video_id"""

_REALTIME_FACTOR_BY_ANALYZER = """
WITH spent AS (
    SELECT analyzer, video_id, duration_s, (epoch_us(ended_at) - epoch_us(started_at)) / 1e6 AS busy_s, queue_s,
        load_s, analyzer_runs.decode_s AS decode_s, compute_s, write_s
    FROM analyzer_runs LEFT JOIN videos USING (video_id)
)
SELECT analyzer, count(*) AS videos, sum(duration_s) AS video_s, sum(busy_s) AS busy_s,
    sum(busy_s) FILTER (duration_s > 0) / sum(duration_s) FILTER (duration_s > 0) AS realtime_factor,
    max(busy_s / nullif(duration_s, 0)) AS worst_realtime_factor, sum(queue_s) AS queue_s, sum(load_s) AS load_s,
    sum(decode_s) AS decode_s, sum(compute_s) AS compute_s, sum(write_s) AS write_s
FROM spent GROUP BY analyzer ORDER BY analyzer"""

_VIDEO_QUALITY = """
WITH runs AS MATERIALIZED (SELECT video_id, analyzer, status, reason, covered FROM analyzer_runs), known AS (
    SELECT video_id FROM sources UNION SELECT video_id FROM videos UNION SELECT video_id FROM runs
), asked AS (
    SELECT known.video_id AS video_id, analyzers.name AS analyzer, status, reason, covered
    FROM known CROSS JOIN analyzers
    LEFT JOIN runs ON runs.video_id = known.video_id AND runs.analyzer = analyzers.name
)
SELECT video_id, count(*) AS analyzers, count(*) FILTER (status = 'value') AS "value",
    count(*) FILTER (status = 'not_applicable') AS not_applicable, count(*) FILTER (status = 'undefined') AS undefined,
    count(*) FILTER (status = 'failed') AS failed, count(*) FILTER (status = 'disabled') AS disabled,
    count(*) FILTER (status IS NULL) AS missing,
    count(*) FILTER (status IN ('value', 'not_applicable')) / count(*) AS reconstruction_score,
    avg(covered) FILTER (status = 'value') AS coverage,
    first(analyzer ORDER BY list_position(['failed', 'missing', 'undefined'], coalesce(status, 'missing')), analyzer)
        FILTER (coalesce(status, 'missing') IN ('failed', 'missing', 'undefined')) AS worst_analyzer,
    coalesce(list(struct_pack(analyzer := analyzer, status := status, reason := reason) ORDER BY analyzer)
        FILTER (status IN ('undefined', 'failed')), []) AS reasons
FROM asked GROUP BY video_id ORDER BY video_id"""

_SPENT = {
    "busy_s": ("s", "Steps' wall seconds added up; more than the run's where steps overlap"),
    "compute_s": ("s", "Computing, added up over the steps"),
    "load_s": ("s", "Waiting for models to load, added up over the steps"),
    "decode_s": ("s", "Waiting for the decode pass, added up over the steps"),
}

DERIVED = (
    ViewSpec(
        "realtime_factor",
        "One row per video: how long its latest analysis took, relative to its length",
        _REALTIME_FACTOR,
        {
            "video_id": ("text", "Partition key"),
            "wall_s": (
                "s",
                "The video's share of its runs' wall time, by busy seconds; the shares add up to it",
            ),
            "video_s": ("s", "Length of the video"),
            "realtime_factor": ("1", "Wall seconds over video seconds; null for a video of unknown or no length"),
            **_SPENT,
            "runs": ("1", "Runs that the current rows come from"),
        },
    ),
    ViewSpec(
        "realtime_factor_by_analyzer",
        "One row per analyzer: its cost over all videos",
        _REALTIME_FACTOR_BY_ANALYZER,
        {
            "analyzer": ("text", "Name of the analyzer"),
            "videos": ("1", "Videos that it ran on, whatever the outcome"),
            "video_s": ("s", "Length of these videos"),
            "realtime_factor": ("1", "Busy seconds over video seconds, of the videos of known length"),
            "worst_realtime_factor": ("1", "The same of the video where it is largest"),
            **_SPENT,
            "queue_s": ("s", "Waiting for a slot, added up"),
            "write_s": ("s", "Checking and writing, added up"),
        },
    ),
    ViewSpec(
        "video_quality",
        "One row per registered video: how much of it the analyzers answered",
        _VIDEO_QUALITY,
        {
            "video_id": ("text", "Partition key"),
            "analyzers": ("1", "Number of analyzers"),
            "value": ("1", "Analyzers that gave a value"),
            "not_applicable": ("1", "Analyzers whose question does not arise for this video"),
            "undefined": ("1", "Analyzers that could measure nothing"),
            "failed": ("1", "Analyzers that ended in an error"),
            "disabled": ("1", "Analyzers that were switched off"),
            "missing": ("1", "Analyzers that have not run yet"),
            "reconstruction_score": ("1", "(value + not_applicable) / analyzers"),
            "coverage": ("1", "Mean share of the video that the rows of an analyzer span, over those with times"),
            "worst_analyzer": ("text", "The first that failed, else has not run, else is undefined; null if none"),
            "reasons": ("text", "Analyzer, status and reason of each that is undefined or failed"),
        },
    ),
    ViewSpec(
        "data_dictionary",
        "One row per column of every view: type, and meaning with unit",
        "SELECT table_name, column_name, data_type, comment AS meaning FROM duckdb_columns() "
        "WHERE NOT internal AND comment IS NOT NULL ORDER BY table_name, column_index",
        {
            "table_name": ("text", "View"),
            "column_name": ("text", "Column"),
            "data_type": ("text", "DuckDB type"),
            "meaning": ("text", "Description, with the unit in brackets"),
        },
    ),
)
DERIVED_NAMES = ("analyzers", *(view.name for view in DERIVED))

TIMECODE = """CREATE MACRO timecode(seconds) AS
    printf('%02d:%02d:%06.3f', (round(seconds * 1000)::BIGINT // 3600000),
        (round(seconds * 1000)::BIGINT // 60000) % 60, (round(seconds * 1000)::BIGINT % 60000) / 1000.0)"""


def statements(
    root: Path,
    tables: Sequence[TableSpec],
    analyzers: Sequence[AnalyzerSpec],
    more: Sequence[ViewSpec] = (),
    macros: Sequence[str] = (),
    texts: Sequence[TextSpec] = (),
) -> list[str]:
    """Return the SQL for an empty database: views over the tables below the absolute folder `root`, and macros.

    The files are places in it, which `rendered` fills in.
    """
    views = [analyzers_view(analyzers), *DERIVED, *more]
    # DuckDB checks each view and macro when it is created, down to the file patterns of all tables below it. So they
    # are created over views of no file with the same columns, which the tables' own then replace.
    script = [TIMECODE, *map(_stand_in, tables)]
    script += [statement for view in views for statement in _creation(view)]
    script += macros
    later = (spec.select(_newest(root, spec.table, spec.columns)) for spec in texts)
    script += search.macros(search_index(texts), later) if texts else []
    return script + [statement for table in tables for statement in _creation(_table_view(root, table))]


def rendered(script: str, root: Path, generation: Generation) -> str:
    """Return a script of `statements` with the files of a generation, whose number its first line names."""

    def files(found: re.Match[str]) -> str:
        if found["what"] == "horizon":
            return literal(f"{root / TAIL}/{generation.horizon:016}~")
        return ", ".join(literal(str(file)) for file in _files(root, generation, **found.groupdict()))

    return f"-- generation {generation.number}\n{_PLACE.sub(files, script)}"


def search_index(texts: Sequence[TextSpec]) -> search.Index:
    """Return the search index over these texts."""
    return search.index_of(texts, {spec.table.name: _fields(spec.columns) for spec in texts})


def _files(root: Path, generation: Generation, what: str, digest: str, table: str) -> list[Path]:
    """Return what a place in a script of `statements` stands for, at least one file."""
    if what == "segments":
        return generation.files(root, table) or [schema_file(root, table)]
    index = search.Index(digest, {})
    with_index = [segment for segment in generation.segments if index.has(root, segment)]
    if what == "unindexed":
        without = [segment for segment in generation.segments if segment not in with_index]
        return [file for segment in without if (file := segment.file(root, table))] or [schema_file(root, table)]
    file_of, empty = (index.words, search.EMPTY_WORDS) if what == "words" else (index.postings, search.EMPTY_POSTINGS)
    return [file_of(segment.folder(root)) for segment in with_index] or [root / "tables" / empty]


def _creation(view: ViewSpec) -> list[str]:
    comments = (
        f"COMMENT ON COLUMN {quoted(view.name)}.{quoted(column)} IS {literal(f'{description} [{unit}]')}"
        for column, (unit, description) in view.columns.items()
    )
    return [
        f"CREATE OR REPLACE VIEW {quoted(view.name)} AS {view.query.strip()}",
        f"COMMENT ON VIEW {quoted(view.name)} IS {literal(view.description)}",
        *comments,
    ]


def _stand_in(table: TableSpec) -> str:
    columns = (f"NULL::{kind} AS {quoted(name)}" for name, kind in _types(table).items())
    return f"CREATE VIEW {quoted(table.name)} AS SELECT {', '.join(columns)}"


def _table_view(root: Path, table: TableSpec) -> ViewSpec:
    # `schema` fixes names, order and types whatever the files contain: a column missing in a file is null, and a column
    # no longer in the table is left out. Unlike `union_by_name` it opens no file before the scan.
    types = _types(table)
    query = _TABLE.format(
        key=quoted(table.key),
        merged=_MERGED.format(table=table.name, fields=_fields(types)),
        later=_later(root, table, types),
        newest=_newest(root, table, types),
        marker=MARKER,
    )
    return ViewSpec(table.name, table.description, query, {c.name: (c.unit, c.description) for c in table.columns})


def _newest(root: Path, table: TableSpec, types: Mapping[str, str]) -> str:
    """Return the query of the rows that count of the commits after the segments, with their markers."""
    return _NEWEST.format(key=quoted(table.key), later=_later(root, table, types))


def _later(root: Path, table: TableSpec, types: Mapping[str, str]) -> str:
    # A folder's own name may contain glob characters: each goes into brackets.
    folder = re.sub(r"[*?\[\]]", lambda found: f"[{found[0]}]", str(root / TAIL))
    return _LATER.format(
        files=literal(f"{folder}/*/{table.name}.parquet"),
        fields=_fields({**types, MARKER: "BOOLEAN"}),
        tail=literal(f"{root / TAIL}/"),
        settle=round(SETTLE_S * 1e6),
    )


def _types(table: TableSpec) -> dict[str, str]:
    return {column.name: sql_type(column.dtype, f"{table.name}.{column.name}") for column in table.columns}


def _fields(types: Mapping[str, str]) -> str:
    return ", ".join(
        f"{literal(name)}: {{name: {literal(name)}, type: {literal(kind)}, default_value: NULL}}"
        for name, kind in types.items()
    )


def analyzers_view(analyzers: Sequence[AnalyzerSpec]) -> ViewSpec:
    """Return the view that lists the analyzers."""
    rows = [
        f"({literal(a.name)}, {literal(a.group)}, {literal(a.version)}, "
        f"{'NULL' if a.model is None else literal(a.model)}, [{', '.join(map(literal, a.inputs))}])"
        for a in analyzers
    ]
    values = ", ".join(rows) or "(NULL, NULL, NULL, NULL, NULL)"
    query = (
        'SELECT name::VARCHAR AS name, "group"::VARCHAR AS "group", version::VARCHAR AS version, '  # noqa: S608
        "model::VARCHAR AS model, inputs::VARCHAR[] AS inputs "
        f'FROM (VALUES {values}) AS listed(name, "group", version, model, inputs) WHERE name IS NOT NULL'
    )
    columns = {
        "name": ("text", "Name of the analyzer and of its table"),
        "group": ("text", "Asset group"),
        "version": ("text", "Version of its code"),
        "model": ("text", "Model that it needs; null without one"),
        "inputs": ("text", "Streams and analyzers that it reads"),
    }
    return ViewSpec("analyzers", "One row per analyzer of the pipeline", query, columns)


def literal(text: str) -> str:
    """Return `text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"
