"""Results as Parquet files, with DuckDB views over them.

Writers take no lock and do not depend on each other. Each write of a partition makes a new file that replaces the
older one and never changes. ``results.duckdb`` contains no rows, only views, macros and comments. No writer opens it,
so an open session blocks nobody::

    <path>/
      results.duckdb                       for people: any DuckDB client from 1.3 on, any working directory
      results.sql                          the statements that it was built with
      <table>/@schema.parquet              no rows, the declared types
      <table>/<nn>/<key>@<stamp>.parquet   one version of one partition; a symbolic link marks a removed partition
      .catalog/<digest>.duckdb             the same views, for this code
      .swept/<table>                       when a writer last removed its superseded versions
      .tmp/                                files being written

A query through the views sees every partition of every table at one moment, `views.SETTLE_S` before its transaction
began. The other reads of this class see the newest version.
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
    """The warehouse in one folder, for any number of simultaneous readers and writers.

    Attributes:
        path: The folder. The first write creates it.
    """

    path: str

    @property
    def root(self) -> Path:
        """Return the absolute folder. Links in it are not resolved, so that an operator can move their targets."""
        return Path(self.path).expanduser().absolute()

    def replace_partition(self, table: str, key: str, frame: pl.DataFrame) -> Path:
        """Replace the rows of one partition with `frame`.

        The write is atomic and idempotent: the file is written elsewhere, flushed to disk, and then renamed. If several
        writers write the same partition, the last one wins. Writing identical rows changes nothing.

        Returns:
            The partition's file.

        Raises:
            WarehouseError: `table` or `key` cannot be in a file name, or the type of a column cannot be stored or
                differs from the published type.
        """
        folder = self._folder(table, key)
        self._check(table, frame.schema)
        with temporary(self.root) as path:
            write_parquet(path, frame)
            file = add_version(folder, key, path)
        _written_at[self.root] = time.monotonic()
        return file

    def merge_partition(self, table: str, key: str, frame: pl.DataFrame, on: str) -> Path:
        """Add the rows of `frame` to a partition, replacing rows with the same value in column `on`.

        Use it for rows that come one by one but belong in one file, because a table of many small files is slow to
        query. Writers of the same partition take turns. The lock belongs to the operating system and ends with its
        process.

        Returns:
            The partition's file.

        Raises:
            WarehouseError: See `replace_partition`.
        """
        with locked(self.root, f"{table}/{key}"):
            there = self.read_partition(table, key)
            if there is not None:
                kept = there.filter(~pl.col(on).is_in(frame[on].implode(), nulls_equal=True))
                frame = pl.concat([kept, frame], how="diagonal")
            return self.replace_partition(table, key, frame)

    def read_partition(self, table: str, key: str) -> pl.DataFrame | None:
        """Return the latest rows of one partition; None if it does not exist.

        Raises:
            WarehouseError: `table` or `key` cannot be in a file name.
        """
        folder = self._folder(table, key)
        found = versions(folder, key)
        if not found or found[-1].removes:
            return None
        return pl.read_parquet(file_of(folder, found[-1]), glob=False, hive_partitioning=False)

    def remove_partition(self, table: str, key: str) -> None:
        """Remove one partition from the table. A missing partition is not an error.

        Raises:
            WarehouseError: `table` or `key` cannot be in a file name, or the partition exists in an unpublished table.
        """
        folder = self._folder(table, key)
        found = versions(folder, key)
        if found and not found[-1].removes:
            self._schema_file(table)
            add_version(folder, key, None)
            _written_at[self.root] = time.monotonic()

    def partitions(self, table: str) -> list[str]:
        """Return the keys of the table's partitions, sorted."""
        return list(latest(self._folder(table)))

    def newest(self, table: str, count: int) -> list[str]:
        """Return the keys of the latest written partitions, newest first, up to a limit."""
        return newest(self._folder(table), count)

    def read_table(self, table: str) -> pl.LazyFrame:
        """Return all rows of a published table in the declared types. Missing columns are null; others are left out.

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
        """Return a read-only connection to the published views, with times in UTC. Close it after use.

        It shows everything that this process has written so far. If a write is too recent for the views, it waits, for
        `views.SETTLE_S` at most. It also works while a person has ``results.duckdb`` open for writing.

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
        """Publish the tables, including the pipeline's own, and the views over them.

        ``results.duckdb`` is rebuilt only if the definitions or the location have changed. The new file is built beside
        the old one and renamed; sessions with the old file open continue with it. Do not keep your own tables in it.
        Attach it to your own database instead.

        Args:
            tables: The analyzers' tables.
            analyzers: What `video_quality` expects of every video, and what the view `analyzers` lists.
            views: Further views over these, in an order in which they can be created.
            macros: Statements that create macros over all of them.

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
        """Remove superseded versions, and leftovers of killed writers and earlier definitions.

        Queries also open superseded versions. So call this occasionally, when few queries run: a query that has listed
        the files but not yet opened them all fails with an IO error.

        Args:
            older_than_s: Minimum time superseded or unfinished; longer than the longest transaction and write.

        Returns:
            The number of removed files.
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
        # A file of the wrong type breaks every query over its table, so the write fails here.
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
    """Return the schema of a Parquet file; empty if there is no file."""
    try:
        stat = file.stat()
    except FileNotFoundError:
        return pl.Schema()
    return _read_schema(file, stat.st_mtime_ns, stat.st_ino)


@lru_cache(maxsize=256)
def _read_schema(file: Path, _mtime_ns: int, _inode: int) -> pl.Schema:
    return pl.scan_parquet(file, glob=False).collect_schema()
