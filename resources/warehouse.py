"""Results as Parquet files, one a table and partition, with DuckDB views over them.

Writers take no lock and know nothing of each other: each partition is a file of its own that a rename puts in place, so
that a reader sees the old rows or the new ones, never a part. ``results.duckdb`` holds no rows, only views, macros and
comments; no writer opens it, so whoever has it open holds up nobody::

    <path>/
      results.duckdb            for people: any DuckDB client from 1.2 on, any working directory
      results.sql               the statements that it was built with
      <table>/<key>.parquet     one partition; a symbolic link to the schema file stands for a removed one
      <table>/@schema.parquet   no rows, the declared types
      .catalog/<digest>.duckdb  the same views, for this code
      .tmp/                     files being written

A query sees each file whole, but not all files at one moment: rows written while it runs may or may not be in it.
"""

import os
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from resources.database import Database
from resources.errors import WarehouseError
from resources.files import STALE_S, remove_stale, remove_stale_link, temporary, write_parquet
from resources.tables import FIXED_TABLES, AnalyzerSpec, ColumnSpec, TableSpec, sql_type
from resources.views import DERIVED_NAMES, statements

if TYPE_CHECKING:
    import duckdb

__all__ = ["FIXED_TABLES", "AnalyzerSpec", "ColumnSpec", "TableSpec", "Warehouse"]

_SCHEMA_FILE = "@schema.parquet"  # "@" cannot stand in a key
_KEY = re.compile(r"\w[\w.+-]*")
_KEY_BYTES = 240  # with the suffix, within the 255 of file systems


class Warehouse(dg.ConfigurableResource):
    """The warehouse at one folder, for any number of readers and writers at once.

    Attributes:
        path: The folder; it is made when first written to.
    """

    path: str

    @property
    def root(self) -> Path:
        """The folder, absolute; links in it stay, so that an operator may move what they point at."""
        return Path(self.path).expanduser().absolute()

    def replace_partition(self, table: str, key: str, frame: pl.DataFrame) -> Path:
        """Makes `frame` the rows of one partition, whatever was there.

        Atomic and idempotent: the file is written elsewhere, forced to disk, and renamed into place. Of several writers
        of the same partition the last one wins.

        Returns:
            The partition's file.

        Raises:
            WarehouseError: `table` or `key` cannot be a file name, or a column has a type that cannot be stored or is
                not the one that the table was published with.
        """
        target = self._file(table, key)
        self._check(table, frame.schema)
        write_parquet(self.root, target, frame)
        return target

    def read_partition(self, table: str, key: str) -> pl.DataFrame | None:
        """The rows of one partition as they were written; None where there is none."""
        file = self._file(table, key)
        if file.is_symlink():
            return None
        try:
            return pl.read_parquet(file, glob=False, hive_partitioning=False)
        except FileNotFoundError:
            return None

    def remove_partition(self, table: str, key: str) -> None:
        """Takes one partition out of the table; one that is not there is fine.

        Where the table is published, the file gives way to a link to the schema file, which has no rows: a query that
        has listed the folder already would fail on a missing file. `sweep` clears such links away later.
        """
        file = self._file(table, key)
        if not (file.parent / _SCHEMA_FILE).exists():
            file.unlink(missing_ok=True)
        elif os.path.lexists(file):
            with temporary(self.root) as link:
                link.symlink_to(_SCHEMA_FILE)
                link.replace(file)

    def partitions(self, table: str) -> list[str]:
        """The keys of the table's partitions, sorted."""
        return [file.name.removesuffix(".parquet") for file in self._listed(table)]

    def read_table(self, table: str) -> pl.LazyFrame:
        """All rows of a published table, in the declared types: columns that a file lacks are null, others left out.

        Raises:
            WarehouseError: No table of this name was published.
        """
        schema_file = self._folder(table) / _SCHEMA_FILE
        if not schema_file.exists():
            raise WarehouseError(f"table {table!r}", f"it is not published in {self.root}", "call Warehouse.publish")
        return pl.scan_parquet(
            [schema_file, *self._listed(table)],
            schema=_schema_of(schema_file),
            glob=False,
            hive_partitioning=False,
            missing_columns="insert",
            extra_columns="ignore",
            cast_options=pl.ScanCastOptions(missing_struct_fields="insert", extra_struct_fields="ignore"),
        )

    def connect(self) -> "duckdb.DuckDBPyConnection":
        """A read-only connection to the published views, with times in UTC; close it after use.

        It works also while a person has ``results.duckdb`` open for writing.

        Raises:
            WarehouseError: Nothing has been published here.
        """
        return Database(self.root).connect()

    def publish(self, tables: Sequence[TableSpec], analyzers: Sequence[AnalyzerSpec] = ()) -> bool:
        """Makes the tables, the pipeline's own among them, and the views over them known to readers.

        ``results.duckdb`` is built anew only when the definitions or the location have changed, beside the old one and
        by a rename: sessions that have the old one open go on with it. Do not keep tables of your own in it; attach it
        to a database of yours instead.

        Args:
            tables: The analyzers' tables.
            analyzers: What `video_quality` expects of every video, and the view `analyzers` lists.

        Returns:
            Whether anything had to be built.

        Raises:
            WarehouseError: Two tables or views have the same name, or DuckDB cannot open a file in this folder.
        """
        if "?" in str(self.root):
            raise WarehouseError(str(self.root), "DuckDB takes what follows a ? for options", "choose another folder")
        specs = (*FIXED_TABLES, *tables)
        names = [*DERIVED_NAMES, *(spec.name for spec in specs)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise WarehouseError(f"tables {twice}", "the name stands for more than one table or view", "rename one")
        script = ";\n".join(statements(self.root, specs, analyzers)) + ";\n"
        database = Database(self.root)
        if database.is_current(script) and all((self.root / spec.name / _SCHEMA_FILE).exists() for spec in specs):
            return False
        database.build(script, lambda: self._declare(specs))
        return True

    def sweep(self, older_than_s: float = STALE_S) -> int:
        """Clears away what killed writers, removed partitions and earlier definitions have left behind.

        Args:
            older_than_s: Age from which a file counts as left behind. It must exceed the longest query and write.

        Returns:
            How many files went.
        """
        removed = Database(self.root).sweep(older_than_s) + remove_stale(self.root.glob(".tmp/*"), older_than_s)
        return removed + sum(remove_stale_link(self.root, f, older_than_s) for f in self.root.glob("*/*.parquet"))

    def _folder(self, table: str) -> Path:
        if not (table.isidentifier() and table.isascii()):
            raise WarehouseError(f"table {table!r}", "not an identifier", "use a-z, 0-9 and _, a letter first")
        return self.root / table

    def _file(self, table: str, key: str) -> Path:
        if not _KEY.fullmatch(key) or len(key.encode()) > _KEY_BYTES:
            raise WarehouseError(
                f"table {table}, key {key!r}",
                "not a safe file name",
                f"use at most {_KEY_BYTES} bytes of letters, digits and _ . + -, a letter, digit or _ first",
            )
        return self._folder(table) / f"{key}.parquet"

    def _listed(self, table: str) -> list[Path]:
        folder = self._folder(table)
        try:
            with os.scandir(folder) as entries:
                names = [e.name for e in entries if e.name.endswith(".parquet") and not e.is_symlink()]
        except FileNotFoundError:
            return []
        return [folder / name for name in sorted(names) if name != _SCHEMA_FILE]

    def _check(self, table: str, schema: pl.Schema) -> None:
        # One file of the wrong type would break every query over its table, so it is stopped here.
        declared = _schema_of(self._folder(table) / _SCHEMA_FILE)
        for name, dtype in schema.items():
            kind = sql_type(dtype, f"{table}.{name}")
            if name in declared and kind != sql_type(declared[name], f"{table}.{name}"):
                raise WarehouseError(
                    f"{table}.{name}",
                    f"the rows have {dtype}, the published table has {declared[name]}",
                    "cast the column, or publish the new definition first",
                )

    def _declare(self, specs: Sequence[TableSpec]) -> None:
        for spec in specs:
            file = self._folder(spec.name) / _SCHEMA_FILE
            if not file.exists() or _schema_of(file) != spec.schema:
                write_parquet(self.root, file, spec.frame([]))


def _schema_of(file: Path) -> pl.Schema:
    """The schema of a Parquet file; empty where there is none."""
    try:
        stat = file.stat()
    except FileNotFoundError:
        return pl.Schema()
    return _read_schema(file, stat.st_mtime_ns, stat.st_ino)


@lru_cache(maxsize=256)
def _read_schema(file: Path, _mtime_ns: int, _inode: int) -> pl.Schema:
    return pl.scan_parquet(file, glob=False).collect_schema()
