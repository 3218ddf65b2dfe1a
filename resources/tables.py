"""What stands in the warehouse: how a table is declared, and the tables that are the pipeline's own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl
from polars.datatypes import DataTypeClass

from resources.errors import WarehouseError

UTC = pl.Datetime("us", "UTC")
STATUSES = ("value", "not_applicable", "undefined", "failed", "disabled")
LOAD_KINDS = ("cold", "warm_disk", "hit")

_SQL_TYPES: dict[Any, str] = {
    pl.Float64: "DOUBLE", pl.Float32: "FLOAT", pl.Int64: "BIGINT", pl.Int32: "INTEGER", pl.Int16: "SMALLINT",
    pl.Int8: "TINYINT", pl.UInt64: "UBIGINT", pl.UInt32: "UINTEGER", pl.UInt16: "USMALLINT", pl.UInt8: "UTINYINT",
    pl.String: "VARCHAR", pl.Enum: "VARCHAR", pl.Categorical: "VARCHAR", pl.Boolean: "BOOLEAN", pl.Binary: "BLOB",
    pl.Date: "DATE",
}  # fmt: skip
DType = pl.DataType | type[pl.DataType] | DataTypeClass


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """One column of a table.

    Attributes:
        name: An identifier.
        dtype: Polars data type, exact; `sql_type` says which can be stored.
        unit: ``s``, ``px``, ``1`` (a share or ratio), ``text``, ...
        description: What the value means, in one sentence.
    """

    name: str
    dtype: DType
    unit: str
    description: str


@dataclass(frozen=True)
class TableSpec:
    """One table: a folder with a Parquet file a partition, and a view of the same name.

    Attributes:
        name: An identifier.
        description: What one row is, in one sentence.
        columns: In the order in which the view shows them.

    Raises:
        WarehouseError: A name is no identifier or stands twice, or a type cannot be stored.
    """

    name: str
    description: str
    columns: tuple[ColumnSpec, ...]

    def __post_init__(self) -> None:
        """Refuse what would only fail later, in the middle of a run."""
        _check_names("table", [self.name])
        _check_names(f"table {self.name}, column", [column.name for column in self.columns])
        if not self.columns:
            raise WarehouseError(self.name, "the table has no columns", "declare at least one")
        for column in self.columns:
            sql_type(column.dtype, f"{self.name}.{column.name}")

    @cached_property
    def schema(self) -> pl.Schema:
        """Column name to data type, in order."""
        return pl.Schema({column.name: column.dtype for column in self.columns})

    def frame(self, rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
        """A typed frame of these rows; a key that a row lacks is null.

        Raises:
            WarehouseError: A row has a key that is no column.
        """
        rows = list(rows)
        if unknown := {key for row in rows for key in row} - set(self.schema):
            raise WarehouseError(
                self.name, f"rows name the unknown columns {sorted(unknown)}", f"use {list(self.schema)}"
            )
        return pl.DataFrame([[row.get(name) for name in self.schema] for row in rows], self.schema, orient="row")


@dataclass(frozen=True, slots=True)
class AnalyzerSpec:
    """What the view `analyzers` shows of one analyzer; `video_quality` counts over these.

    Attributes:
        name: The analyzer's name, which is its table's.
        group: Asset group.
        version: Version of its code.
        model: Name in the model catalogue, or None.
        inputs: Streams and analyzers that it reads.
    """

    name: str
    group: str
    version: str
    model: str | None
    inputs: tuple[str, ...]


def sql_type(dtype: DType, where: str) -> str:
    """The DuckDB type of a column of polars type `dtype`; `where` names the column in errors.

    Raises:
        WarehouseError: Parquet and DuckDB would not give the same type back.
    """
    if isinstance(dtype, pl.List):
        return f"{sql_type(dtype.inner, where)}[]"
    if isinstance(dtype, pl.Array):
        return f"{sql_type(dtype.inner, where)}[{dtype.size}]"
    if isinstance(dtype, pl.Struct) and dtype.fields:
        fields = (f"{quoted(field.name)} {sql_type(field.dtype, where)}" for field in dtype.fields)
        return f"STRUCT({', '.join(fields)})"
    if isinstance(dtype, pl.Datetime) and dtype.time_unit == "us" and dtype.time_zone in (None, "UTC"):
        return "TIMESTAMP WITH TIME ZONE" if dtype.time_zone else "TIMESTAMP"
    name = _SQL_TYPES.get(dtype if isinstance(dtype, type) else type(dtype))
    if name is None:
        raise WarehouseError(
            where,
            f"type {dtype} cannot be stored",
            "use numbers, String, Boolean, Binary, Date, Datetime('us', 'UTC'), or a List, Array or Struct of these",
        )
    return name


def quoted(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _check_names(what: str, names: list[str]) -> None:
    # DuckDB does not tell upper from lower case in names, and quotes are a burden to those who type queries.
    for name in names:
        if not (name.isidentifier() and name.isascii() and name.islower()) or name.startswith("_"):
            raise WarehouseError(f"{what} {name!r}", "not a plain name", "use a-z, 0-9 and _, a letter first")
    if twice := {name for name in names if names.count(name) > 1}:
        raise WarehouseError(what, f"{sorted(twice)} stands more than once", "give each its own name")


def _columns(*rows: tuple[str, DType, str, str]) -> tuple[ColumnSpec, ...]:
    return tuple(ColumnSpec(*row) for row in rows)


_VIDEO_ID = ("video_id", pl.String, "text", "Partition key: readable stem, a dash, 12 hex digits of the content hash")

SOURCES = TableSpec(
    "sources",
    "One row a file that the pipeline knows of: where its bytes are",
    _columns(
        _VIDEO_ID,
        ("path", pl.String, "text", "Path or URL of the file when it was registered"),
        ("content_hash", pl.String, "text", "SHA-256 of the bytes, in hex"),
        ("size_bytes", pl.Int64, "B", "Size of the file"),
        ("modified_at", UTC, "UTC", "Modification time of the file"),
        ("registered_at", UTC, "UTC", "When the pipeline first saw it"),
        ("vanished_at", UTC, "UTC", "When it was found to be gone; null while it is there"),
    ),
)

VIDEOS = TableSpec(
    "videos",
    "One row a video: facts read in its decode pass",
    _columns(
        _VIDEO_ID,
        ("file_name", pl.String, "text", "Name of the file, without its folder"),
        ("content_hash", pl.String, "text", "SHA-256 of the bytes, in hex"),
        ("size_bytes", pl.Int64, "B", "Size of the file"),
        ("duration_s", pl.Float64, "s", "From the first picture or sample to the end of the last"),
        ("width", pl.Int64, "px", "Displayed width; 0 without a picture"),
        ("height", pl.Int64, "px", "Displayed height; 0 without a picture"),
        ("fps", pl.Float64, "1/s", "Average frame rate; 0 without a picture"),
        ("frame_count", pl.Int64, "1", "Pictures that were decoded"),
        ("has_picture", pl.Boolean, "1", "Whether at least one picture could be decoded"),
        ("has_audio", pl.Boolean, "1", "Whether at least one sound sample could be decoded"),
        ("container", pl.String, "text", "Container format, as FFmpeg names it"),
        ("video_codec", pl.String, "text", "Codec of the picture, as FFmpeg names it; null without one"),
        ("audio_codec", pl.String, "text", "Codec of the sound, as FFmpeg names it; null without one"),
        ("rotation_deg", pl.Int64, "deg", "Clockwise turn that the file asks for; already applied to width and height"),
        ("variable_frame_rate", pl.Boolean, "1", "Whether the time between pictures varies"),
        ("warnings", pl.List(pl.String), "text", "What the decoder had to put up with"),
        ("decode_passes", pl.Int64, "1", "Times that the file was decoded for the whole run; 1 by design"),
        ("decode_s", pl.Float64, "s", "Wall time of the decode pass"),
    ),
)

ANALYZER_RUNS = TableSpec(
    "analyzer_runs",
    "One row a video and analyzer: how its latest run went",
    _columns(
        _VIDEO_ID,
        ("analyzer", pl.String, "text", "Name of the analyzer"),
        ("status", pl.String, "text", f"What it answered: {', '.join(STATUSES)}"),
        ("reason", pl.String, "text", "Why there is no value, or the error; null with status value"),
        ("rows", pl.Int64, "1", "Rows written to the analyzer's table"),
        ("covered", pl.Float64, "1", "Share of the video that the rows span; null for a table without times or rows"),
        ("queue_s", pl.Float64, "s", "Waiting for a slot, and for a model that loads meanwhile, which takes none"),
        ("load_s", pl.Float64, "s", "Waiting for the model in a slot: one that was gone, or took too long"),
        ("decode_s", pl.Float64, "s", "Waiting for the decode pass"),
        ("compute_s", pl.Float64, "s", "Computing, calls to model hosts included"),
        ("write_s", pl.Float64, "s", "Checking and writing the answer"),
        ("started_at", UTC, "UTC", "Start of the step"),
        ("ended_at", UTC, "UTC", "End of the step"),
        ("model", pl.String, "text", "Model used, as the catalogue names it; null without one"),
        ("revision", pl.String, "text", "Revision of the model's weights"),
        ("precision", pl.String, "text", "Number format of the weights, such as fp32 or int8"),
        ("device", pl.String, "text", "Where the model ran, such as cpu or cuda:0"),
        ("host", pl.String, "text", "Model host or machine that did the work"),
        ("run_id", pl.String, "text", "Dagster run"),
        ("code_version", pl.String, "text", "Version of analyzer, model and schema together"),
        ("content_hash", pl.String, "text", "SHA-256 of the video's bytes, in hex"),
        ("profile", pl.String, "text", "Model profile: gpu, cpu or offline"),
        ("failures", pl.Int64, "1", "How many times in a row this code failed for this video; 0 if it did not"),
    ),
)

MODEL_LOADS = TableSpec(
    "model_loads",
    "One row a time that a run needed a model: what its load took",
    _columns(
        ("model", pl.String, "text", "Name in the model catalogue"),
        ("revision", pl.String, "text", "Revision of the weights"),
        ("precision", pl.String, "text", "Number format of the weights"),
        ("source", pl.String, "text", "Where the weights come from: hub, wheel or vendored"),
        ("load_s", pl.Float64, "s", "Wall time of the load; 0 for a hit"),
        ("bytes", pl.Int64, "B", "Size of the weights' files"),
        ("kind", pl.String, "text", f"How it came into memory: {', '.join(LOAD_KINDS)}"),
        ("host", pl.String, "text", "Model host that loaded it"),
        ("run_id", pl.String, "text", "Dagster run"),
        ("at", UTC, "UTC", "When the run asked for it"),
    ),
)

FIXED_TABLES = (SOURCES, VIDEOS, ANALYZER_RUNS, MODEL_LOADS)
