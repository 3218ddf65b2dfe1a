"""Results as Parquet files, with DuckDB views over them.

Writers take no lock and know nothing of each other: each write of a partition makes a new file that takes the place of
the older one and never changes. ``results.duckdb`` holds no rows, only views, macros and comments; no writer opens it,
so whoever has it open holds up nobody::

    <path>/
      results.duckdb                       for people: any DuckDB client from 1.3 on, any working directory
      results.sql                          the statements that it was built with
      <table>/@schema.parquet              no rows, the declared types
      <table>/<nn>/<key>@<stamp>.parquet   one version of one partition; a symbolic link says that the partition is gone
      .catalog/<digest>.duckdb             the same views, for this code
      .swept/<table>                       when a writer last removed its superseded versions
      .tmp/                                files being written

A query through the views sees every partition of every table as it was at one moment, `views.SETTLE_S` before its
transaction began. The other reads of this class see the newest version.
"""

import math
import re
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from resources.errors import WarehouseError
from resources.warehouse.database import Database
from resources.warehouse.records import FIXED_TABLES
from resources.warehouse.schema import AnalyzerSpec, ColumnSpec, TableSpec, sql_type
from resources.warehouse.versions import (
    SCHEMA_FILE,
    STALE_S,
    add_version,
    file_of,
    latest,
    locked,
    newest,
    remove_stale,
    remove_superseded,
    temporary,
    versions,
    write_parquet,
)
from resources.warehouse.views import DERIVED_NAMES, SETTLE_S, ViewSpec, statements

if TYPE_CHECKING:
    import duckdb

__all__ = ["FIXED_TABLES", "AnalyzerSpec", "ColumnSpec", "TableSpec", "ViewSpec", "Warehouse"]

_KEY = re.compile(r"\w[\w.+-]*")
_KEY_BYTES = 220  # with stamp and suffix, within the 255 of file systems
_written_at: dict[Path, float] = {}


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

        Atomic and idempotent: the file is written elsewhere, forced to disk, and then given its name. Of several
        writers of the same partition the last one wins. Writing the rows that are there already changes nothing.

        Returns:
            The partition's file.

        Raises:
            WarehouseError: `table` or `key` cannot be in a file name, or a column has a type that cannot be stored or
                is not the one that the table was published with.
        """
        folder = self._folder(table, key)
        self._check(table, frame.schema)
        with temporary(self.root) as path:
            write_parquet(path, frame)
            file = add_version(folder, key, path)
        _written_at[self.root] = time.monotonic()
        return file

    def merge_partition(self, table: str, key: str, frame: pl.DataFrame, on: str) -> Path:
        """Adds the rows of `frame` to a partition, in place of those there with the same value in column `on`.

        For rows that come one by one but belong into one file, as a table of many small files is slow to query. Writers
        of the same partition take turns; the lock is the operating system's and ends with the process that holds it.

        Returns:
            The partition's file.

        Raises:
            WarehouseError: As in `replace_partition`.
        """
        with locked(self.root, f"{table}/{key}"):
            there = self.read_partition(table, key)
            if there is not None:
                kept = there.filter(~pl.col(on).is_in(frame[on].implode(), nulls_equal=True))
                frame = pl.concat([kept, frame], how="diagonal")
            return self.replace_partition(table, key, frame)

    def read_partition(self, table: str, key: str) -> pl.DataFrame | None:
        """The rows of one partition as they were written last; None where there is none.

        Raises:
            WarehouseError: `table` or `key` cannot be in a file name.
        """
        folder = self._folder(table, key)
        found = versions(folder, key)
        if not found or found[-1].removes:
            return None
        return pl.read_parquet(file_of(folder, found[-1]), glob=False, hive_partitioning=False)

    def remove_partition(self, table: str, key: str) -> None:
        """Takes one partition out of the table; one that is not there is fine.

        Raises:
            WarehouseError: `table` or `key` cannot be in a file name, or there is such a partition in a table that is
                not published.
        """
        folder = self._folder(table, key)
        found = versions(folder, key)
        if found and not found[-1].removes:
            self._schema_file(table)
            add_version(folder, key, None)
            _written_at[self.root] = time.monotonic()

    def partitions(self, table: str) -> list[str]:
        """The keys of the table's partitions, sorted."""
        return list(latest(self._folder(table)))

    def newest(self, table: str, count: int) -> list[str]:
        """The keys of the partitions that were written last, newest first, at most so many."""
        return newest(self._folder(table), count)

    def read_table(self, table: str) -> pl.LazyFrame:
        """All rows of a published table, in the declared types: columns that a file lacks are null, others left out.

        Raises:
            WarehouseError: No table of this name was published.
        """
        schema_file = self._schema_file(table)
        return pl.scan_parquet(
            [schema_file, *latest(schema_file.parent).values()],
            schema=_schema_of(schema_file),
            glob=False,
            hive_partitioning=False,
            missing_columns="insert",
            extra_columns="ignore",
            cast_options=pl.ScanCastOptions(missing_struct_fields="insert", extra_struct_fields="ignore"),
        )

    def connect(self) -> "duckdb.DuckDBPyConnection":
        """A read-only connection to the published views, with times in UTC; close it after use.

        It shows all that this process has written so far: where that is too fresh for the views, it waits until it is
        not, `views.SETTLE_S` at most. It works also while a person has ``results.duckdb`` open for writing.

        Raises:
            WarehouseError: Nothing has been published here.
        """
        time.sleep(max(0.0, _written_at.get(self.root, -math.inf) + SETTLE_S - time.monotonic()))
        return Database(self.root).connect()

    def publish(
        self,
        tables: Sequence[TableSpec],
        analyzers: Sequence[AnalyzerSpec] = (),
        views: Sequence[ViewSpec] = (),
        macros: Sequence[str] = (),
    ) -> bool:
        """Makes the tables, the pipeline's own among them, and the views over them known to readers.

        ``results.duckdb`` is built anew only when the definitions or the location have changed, beside the old one and
        by a rename: sessions that have the old one open go on with it. Do not keep tables of your own in it; attach it
        to a database of yours instead.

        Args:
            tables: The analyzers' tables.
            analyzers: What `video_quality` expects of every video, and the view `analyzers` lists.
            views: Further views over these, in an order in which they can be made.
            macros: Statements that make macros over all of them.

        Returns:
            Whether anything had to be built.

        Raises:
            WarehouseError: Two tables or views have the same name, or DuckDB cannot open a file in this folder.
        """
        if "?" in str(self.root):
            raise WarehouseError(str(self.root), "DuckDB takes what follows a ? for options", "choose another folder")
        specs = (*FIXED_TABLES, *tables)
        names = [*DERIVED_NAMES, *(spec.name for spec in (*specs, *views))]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise WarehouseError(f"tables {twice}", "the name is used by more than one table or view", "rename one")
        script = ";\n".join(statements(self.root, specs, analyzers, views, macros)) + ";\n"
        database = Database(self.root)
        if database.is_current(script) and all((self.root / spec.name / SCHEMA_FILE).exists() for spec in specs):
            return False
        database.build(script, lambda: self._declare(specs))
        return True

    def sweep(self, older_than_s: float = STALE_S) -> int:
        """Clears away superseded versions, and what killed writers and earlier definitions have left behind.

        Queries open the versions that are out of force too, so call it now and then, when few are under way: one that
        has listed the files and not yet opened them all fails with an IO error.

        Args:
            older_than_s: Time out of force, or unfinished: more than the longest transaction and write take.

        Returns:
            How many files went.
        """
        removed = Database(self.root).sweep(older_than_s) + remove_stale(self.root.glob(".tmp/*"), older_than_s)
        folders = [folder for folder in self.root.glob("[!.]*") if folder.is_dir()]
        return removed + sum(remove_superseded(folder, older_than_s) for folder in folders)

    def _folder(self, table: str, key: str = "_") -> Path:
        if not (table.isidentifier() and table.isascii()):
            raise WarehouseError(f"table {table!r}", "not an identifier", "use a-z, 0-9 and _, a letter first")
        if not _KEY.fullmatch(key) or len(key.encode()) > _KEY_BYTES:
            raise WarehouseError(
                f"table {table}, key {key!r}",
                "cannot be in a file name",
                f"use at most {_KEY_BYTES} bytes of letters, digits and _ . + -, a letter, digit or _ first",
            )
        return self.root / table

    def _schema_file(self, table: str) -> Path:
        file = self._folder(table) / SCHEMA_FILE
        if not file.exists():
            raise WarehouseError(f"table {table!r}", f"it is not published in {self.root}", "call Warehouse.publish")
        return file

    def _check(self, table: str, schema: pl.Schema) -> None:
        # One file of the wrong type would break every query over its table, so it is stopped here.
        declared = _schema_of(self._folder(table) / SCHEMA_FILE)
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
            file = self._folder(spec.name) / SCHEMA_FILE
            if not file.exists() or _schema_of(file) != spec.schema:
                file.parent.mkdir(exist_ok=True)
                with temporary(self.root) as path:
                    write_parquet(path, spec.frame([]))
                    path.replace(file)


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
