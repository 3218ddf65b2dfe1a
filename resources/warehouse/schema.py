"""Declaration of a warehouse table: names, types, units, descriptions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
from polars.datatypes import DataTypeClass

from resources.errors import WarehouseError

_SQL_TYPES: dict[Any, str] = {
    pl.Float64: "DOUBLE", pl.Float32: "FLOAT", pl.Int64: "BIGINT", pl.Int32: "INTEGER", pl.Int16: "SMALLINT",
    pl.Int8: "TINYINT", pl.UInt64: "UBIGINT", pl.UInt32: "UINTEGER", pl.UInt16: "USMALLINT", pl.UInt8: "UTINYINT",
    pl.String: "VARCHAR", pl.Enum: "VARCHAR", pl.Categorical: "VARCHAR", pl.Boolean: "BOOLEAN", pl.Binary: "BLOB",
    pl.Date: "DATE",
}  # fmt: skip
DType = pl.DataType | type[pl.DataType] | DataTypeClass
# Rows by table and partition key; None for no rows.
Changes = Mapping[str, Mapping[str, pl.DataFrame | None]]


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """One column of a table.

    Attributes:
        name: An identifier.
        dtype: Polars data type, exact; `sql_type` lists the types that can be stored.
        unit: ``s``, ``px``, ``1`` (a share or ratio), ``text``, ...
        description: What the value means, in one sentence.
    """

    name: str
    dtype: DType
    unit: str
    description: str


@dataclass(frozen=True)
class TableSpec:
    """One table, and a view of the same name.

    Attributes:
        name: An identifier.
        description: What one row is, in one sentence.
        columns: In the order of the view. The first one names the partition of the row.

    Raises:
        WarehouseError: A name is not an identifier or occurs twice, or a type cannot be stored.
    """

    name: str
    description: str
    columns: tuple[ColumnSpec, ...]

    def __post_init__(self) -> None:
        """Refuse declarations that would otherwise fail in the middle of a run."""
        _check_names("table", [self.name])
        _check_names(f"table {self.name}, column", [column.name for column in self.columns])
        if not self.columns:
            raise WarehouseError(self.name, "the table has no columns", "declare at least one")
        for column in self.columns:
            sql_type(column.dtype, f"{self.name}.{column.name}")

    @property
    def key(self) -> str:
        """Return the column that names the partition of a row."""
        return self.columns[0].name

    @cached_property
    def schema(self) -> pl.Schema:
        """Return the data type of each column, in order."""
        return pl.Schema({column.name: column.dtype for column in self.columns})

    def frame(self, rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
        """Return a typed frame of these rows. A key that a row lacks is null.

        Raises:
            WarehouseError: A row has a key that is not a column.
        """
        rows = list(rows)
        if unknown := {key for row in rows for key in row} - set(self.schema):
            raise WarehouseError(
                self.name, f"rows name the unknown columns {sorted(unknown)}", f"use {list(self.schema)}"
            )
        return pl.DataFrame([[row.get(name) for name in self.schema] for row in rows], self.schema, orient="row")


@dataclass(frozen=True, slots=True)
class AnalyzerSpec:
    """One analyzer in the view `analyzers`; `video_quality` counts over these.

    Attributes:
        name: Name of the analyzer and of its table.
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


def schema_file(root: Path, table: str) -> Path:
    """Return the Parquet file without rows that keeps the declared types of a published table."""
    return root / "tables" / f"{table}.parquet"


def sql_type(dtype: DType, where: str) -> str:
    """Return the DuckDB type for polars type `dtype`. `where` names the column in errors.

    Raises:
        WarehouseError: Parquet and DuckDB do not return the same type.
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
    """Return `name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _check_names(what: str, names: list[str]) -> None:
    # DuckDB ignores case in names, and quotes are inconvenient to type in queries.
    for name in names:
        if not (name.isidentifier() and name.isascii() and name.islower()) or name.startswith("_"):
            raise WarehouseError(f"{what} {name!r}", "not a plain name", "use a-z, 0-9 and _, a letter first")
    if twice := {name for name in names if names.count(name) > 1}:
        raise WarehouseError(what, f"{sorted(twice)} is used more than once", "give each its own name")
