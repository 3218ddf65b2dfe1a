"""The store in a lake."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from resources.errors import OtherCode, WarehouseError
from resources.settings import settings
from resources.warehouse.declared import declare, schema_in
from resources.warehouse.lake.address import Address, data_place
from resources.warehouse.lake.catalogue import Catalogue, catalogue
from resources.warehouse.lake.definition import Columns, views
from resources.warehouse.lake.maintenance import Maintained, maintain
from resources.warehouse.lake.session import LAKE, connect, session, transaction
from resources.warehouse.lake.writable import check_writable
from resources.warehouse.records import key_of
from resources.warehouse.schema import Changes, quoted, schema_file
from resources.warehouse.store import Definition
from resources.warehouse.views import literal

if TYPE_CHECKING:
    import duckdb


class LakeStore:
    """Tables of a DuckLake, under its address.

    Writers of all machines take turns for the time of a commit. So none is refused, whoever replaces what.
    """

    def __init__(self, path: str) -> None:
        self._address = Address(path)

    @property
    def local(self) -> Path:
        """Return the folder of this machine: what runs stage, and the declared types."""
        return self._address.local

    @property
    def _catalogue(self) -> Catalogue:
        return catalogue(self._address)

    @cached_property
    def _data(self) -> str:
        if (data := self._catalogue.data()) is None:
            raise WarehouseError(self._address.shown, "nothing is published here", "call Warehouse.publish first")
        return data

    def commit(self, changes: Changes) -> None:
        """Replace partitions in one transaction."""
        keys = {key for partitions in changes.values() for key in partitions}
        with self.alone():
            known = self._catalogue.note(keys)
            with session(self._address, self._data) as connection, transaction(connection):
                for table, partitions in changes.items():
                    self._remove(connection, table, known & partitions.keys())
                    self._add(connection, table, partitions.values())

    def _remove(self, connection: "duckdb.DuckDBPyConnection", table: str, keys: Iterable[str]) -> None:
        if listed := ", ".join(map(literal, keys)):
            key = quoted(key_of(self.local, table))
            connection.execute(f"DELETE FROM {quoted(table)} WHERE {key} IN ({listed})")  # noqa: S608

    def _add(
        self, connection: "duckdb.DuckDBPyConnection", table: str, partitions: Iterable[pl.DataFrame | None]
    ) -> None:
        frames = [frame for frame in partitions if frame is not None and frame.height]
        if frames:
            declared = self._schema(table)
            rows = pl.concat(frames, how="diagonal")
            columns = ", ".join(quoted(name) for name in rows.columns if name in declared)
            connection.register("@rows", _Stream(rows))
            connection.execute(f'INSERT INTO {quoted(table)} BY NAME SELECT {columns} FROM "@rows"')  # noqa: S608
            connection.unregister("@rows")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold a lock of the catalogue's database, which ends with the connection of its holder."""
        with self._catalogue.locked():
            yield

    def partitions(self, table: str, keys: Collection[str]) -> dict[str, pl.DataFrame]:
        """Return the rows of these partitions, in the order in which they were written."""
        key = key_of(self.local, table)
        if not (listed := ", ".join(map(literal, keys))):
            return {}
        found = self._read(table, self._schema(table), f"WHERE {quoted(key)} IN ({listed}) ORDER BY rowid")
        return {name: rows for (name,), rows in found.partition_by(key, as_dict=True, maintain_order=True).items()}

    def keys(self, table: str) -> list[str]:
        """Return the keys of the partitions that have rows."""
        key = quoted(key_of(self.local, table))
        with session(self._address, self._data) as connection:
            found = connection.execute(f"SELECT DISTINCT {key} FROM {quoted(table)} ORDER BY 1").fetchall()  # noqa: S608
        return [name for (name,) in found]

    def table(self, table: str) -> pl.LazyFrame:
        """Return all rows. Only the columns that a query needs are read."""
        from polars.io.plugins import register_io_source

        declared = self._schema(table)

        def rows(
            columns: list[str] | None, predicate: pl.Expr | None, count: int | None, _batch: int | None
        ) -> Iterator[pl.DataFrame]:
            wanted = pl.Schema({name: declared[name] for name in columns}) if columns is not None else declared
            limit = "" if count is None or predicate is not None else f"LIMIT {count}"
            found = self._read(table, wanted, limit)
            found = found if predicate is None else found.filter(predicate)
            yield found if count is None else found.head(count)

        return register_io_source(rows, schema=declared)

    def summary(
        self, table: str, name: str, digest: str, compute: Callable[[pl.LazyFrame], pl.DataFrame]
    ) -> pl.DataFrame:
        """Compute it of all rows."""
        del name, digest
        return compute(self.table(table))

    def connect(self) -> "duckdb.DuckDBPyConnection":
        """Return a connection to the lake itself; a transaction sees it at one moment."""
        return connect(self._address, self._data, read_only=True)

    def define(self, definition: Definition, *, replace: bool) -> bool:
        """Make the lake, and what it lacks of tables and columns; make the views and macros anew.

        All machines must have what `Definition.code` names in common. The last one that may replace it decides.

        Raises:
            WarehouseUnreachable: The catalogue does not answer, or the files cannot be written.
            OtherCode: This code is older, or may not replace the definition of the other.
            WarehouseError: A column of the lake has another type.
        """
        declare(self.local, definition.tables)
        mine = {"release": version("vid_assets"), **(definition.code or {}), "tables and views": _digest(definition)}
        there = self._catalogue.definition()
        if there:
            self._check_code(there, mine, replace=replace)
            check_writable(self._check_data())
        if there == mine:
            return False
        with self.alone():
            data = self._check_data()
            if "://" not in data and not self._catalogue.data():
                Path(data).mkdir(exist_ok=True)
            check_writable(data)
            with session(self._address, data, make=True) as connection, transaction(connection):
                for statement in (*Columns(_columns(connection)).statements(definition.tables), *views(definition)):
                    connection.execute(statement)
            self._catalogue.put(mine)
        return True

    def compact(self, *, everything: bool, keep_s: float | None) -> Maintained:
        """Merge files, and remove what no snapshot of the last time needs: see `maintenance`."""
        return maintain(self._address, self._data, self._catalogue, everything=everything, keep_s=keep_s)

    def _check_code(self, there: Mapping[str, str], mine: Mapping[str, str], *, replace: bool) -> None:
        if _number(there["release"]) > _number(mine["release"]):
            raise OtherCode(
                self._address.shown,
                f"it was defined by release {there['release']}, this machine has {mine['release']}",
                "install the same release on all machines",
            )
        other = [name for name in mine if there.get(name) != mine[name]]
        if other and not replace:
            found = ", ".join(f"{name} {there.get(name, 'none')} there, {mine[name]} here" for name in other)
            raise OtherCode(
                self._address.shown,
                f"this machine has other code or settings than the one that asks for runs: {found}",
                "install the same on all machines, with the same settings, and restart Dagster's code location",
            )

    def _check_data(self) -> str:
        """Return where the files are, or are to be."""
        there, wanted = self._catalogue.data(), settings().warehouse_data
        if there is None and not wanted:
            raise WarehouseError(
                "VID_WAREHOUSE_DATA",
                "it is not set, and the lake is new",
                "set it to a shared folder or s3://BUCKET/PATH",
            )
        if there is not None and wanted and data_place(wanted) != there:
            raise WarehouseError(
                f"VID_WAREHOUSE_DATA={wanted}", f"the lake has its files in {there}", "set it to that, or unset it"
            )
        return there or data_place(wanted)

    def _schema(self, table: str) -> pl.Schema:
        declared = schema_in(schema_file(self.local, table))
        if not declared:
            raise WarehouseError(f"table {table!r}", f"it is not published in {self._address.shown}", "call publish")
        return declared

    def _read(self, table: str, wanted: pl.Schema, clauses: str) -> pl.DataFrame:
        columns = ", ".join(map(quoted, wanted)) or "NULL"
        with session(self._address, self._data) as connection:
            found = pl.DataFrame(connection.sql(f"SELECT {columns} FROM {quoted(table)} {clauses}"))  # noqa: S608
        return found.cast(wanted) if wanted else found.select([])


class _Stream:
    """A frame as DuckDB reads it without pyarrow."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


def _columns(connection: "duckdb.DuckDBPyConnection") -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    query = (
        f"SELECT table_name, column_name, data_type FROM duckdb_columns() JOIN duckdb_tables() "  # noqa: S608
        f"USING (database_name, schema_name, table_name) WHERE database_name = '{LAKE}'"
    )
    for table, column, kind in connection.execute(query).fetchall():
        found.setdefault(table, {})[column] = kind
    return found


def _digest(definition: Definition) -> str:
    statements: Iterable[Any] = (*Columns({}).statements(definition.tables), *views(definition))
    return hashlib.sha256(";".join(statements).encode()).hexdigest()[:16]


def _number(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split(".") if part.isdecimal())
