"""Results as Parquet files, with DuckDB views over them.

Each write is a commit: partitions of any number of tables, all at once or not at all. Commits do not wait for each
other, and their files never change. A compaction in the background merges them into few large files.
``results.duckdb`` contains no rows, only views, macros and comments. No writer opens it, so an open session blocks
nobody::

    <path>/
      results.duckdb                 for people: any DuckDB client from 1.3 on, any working directory
      results.sql                    the statements that it was built with
      tables/<table>.parquet         no rows, the declared types
      tail/<stamp>/<table>.parquet   a commit: see `commits`
      segments/<id>/<table>.parquet  merged commits: see `generations`
      .generations/                  which segments count; the same views, for this code: see `database`
      .staged/                       what runs have not published yet: see `stage`
      .locks/ .tmp/                  files being written

A query through the views sees every table at one moment, `views.SETTLE_S` before its transaction began. The other reads
of this class see the latest commit.
"""

import math
import re
import time
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from resources.errors import WarehouseError
from resources.warehouse import compaction, reading, search
from resources.warehouse.commits import EMPTY, TAIL, Changes, Commit, commit
from resources.warehouse.database import Database
from resources.warehouse.files import locked, temporary, write_parquet
from resources.warehouse.migration import migrate
from resources.warehouse.records import FIXED_TABLES, key_of
from resources.warehouse.schema import AnalyzerSpec, ColumnSpec, TableSpec, schema_file, sql_type
from resources.warehouse.search import TextSpec
from resources.warehouse.stage import STAGED, Stage, Staged, adopt, close_stage, merged, open_stage
from resources.warehouse.views import DERIVED_NAMES, SETTLE_S, ViewSpec, search_index, statements

if TYPE_CHECKING:
    import duckdb

__all__ = ["FIXED_TABLES", "AnalyzerSpec", "ColumnSpec", "TableSpec", "TextSpec", "ViewSpec", "Warehouse"]

_KEY = re.compile(r"\w[\w.+-]*")
_KEY_BYTES = 180  # with table and suffix, within the 255 of file systems
_written_at: dict[Path, float] = {}


class Warehouse(dg.ConfigurableResource):
    """The warehouse in one folder, for any number of simultaneous readers and writers.

    As a resource of a run it publishes the stage of the run at its end.

    Attributes:
        path: The folder. The first write creates it.
    """

    path: str

    @property
    def root(self) -> Path:
        """Return the absolute folder. Links in it are not resolved, so that an operator can move their targets."""
        return Path(self.path).expanduser().absolute()

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Publish the results of the run: see `stage`."""
        if context.run is not None:
            close_stage(self, context.run.run_id)

    def stage(self, run_id: str) -> Stage:
        """Return the stage of a run: it keeps results until all of them are published at once, at the run's end."""
        return open_stage(self, run_id)

    @contextmanager
    def batch(self) -> Iterator[Stage]:
        """Yield a stage for writes that belong together; it publishes them at the end of the block."""
        made = Stage(self, self.root / STAGED / uuid.uuid4().hex)
        with closing(made):
            yield made

    def adopt(self) -> int:
        """Publish the results of runs that were killed before they could. Return the number of runs."""
        return adopt(self)

    def commit(self, changes: Changes) -> Commit | None:
        """Replace partitions of any number of tables, all at once or not at all.

        If several writers write the same partition, the last one wins. In the background, a compaction may start.

        Args:
            changes: Rows by table and partition key; None for no rows.

        Returns:
            The commit, or None if there was nothing to write.

        Raises:
            WarehouseError: See `check`.
        """
        written = {table: partitions for table, partitions in changes.items() if partitions}
        if not written:
            return None
        for table, partitions in written.items():
            for key, frame in partitions.items():
                self.check(table, key, frame)
        made = commit(self.root, written, {table: key_of(self.root, table) for table in written})
        _written_at[self.root] = time.monotonic()
        compaction.start(self.root)
        return made

    def commit_staged(self, staged: Staged) -> None:
        """Commit what a stage has: replaced partitions, and rows that are merged into what is there now.

        Writers that merge take turns. The lock belongs to the operating system and ends with its process.

        Raises:
            WarehouseError: See `check`.
        """
        with locked(self.root, "merge"):
            merging: dict[str, list[str]] = {}
            for (table, key), (on, _) in staged.items():
                merging.setdefault(table, []).extend([key] if on else [])
            there = {table: self.read_partitions(table, keys) for table, keys in merging.items() if keys}
            changes: dict[str, dict[str, pl.DataFrame | None]] = {}
            for (table, key), (on, rows) in staged.items():
                frame = merged(there[table].get(key), rows, on) if on else rows
                changes.setdefault(table, {})[key] = frame
            self.commit(changes)

    def replace_partition(self, table: str, key: str, frame: pl.DataFrame) -> None:
        """Replace the rows of one partition with `frame`: see `commit`.

        Raises:
            WarehouseError: See `check`.
        """
        self.commit({table: {key: frame}})

    def merge_partition(self, table: str, key: str, frame: pl.DataFrame, on: str) -> None:
        """Add the rows of `frame` to a partition, replacing rows with the same value in column `on`.

        Raises:
            WarehouseError: See `check`.
        """
        self.commit_staged({(table, key): (on, frame)})

    def read_partition(self, table: str, key: str) -> pl.DataFrame | None:
        """Return the latest rows of one partition; None if it has none.

        Raises:
            WarehouseError: `table` or `key` is not allowed.
        """
        return self.read_partitions(table, [key]).get(key)

    def read_partitions(self, table: str, keys: Collection[str]) -> dict[str, pl.DataFrame]:
        """Return the latest rows of those of these partitions that have any.

        Raises:
            WarehouseError: `table` or a key is not allowed.
        """
        for key in keys:
            _check_names(table, key)
        return reading.partitions(self.root, table, key_of(self.root, table), keys)

    def remove_partition(self, table: str, key: str) -> None:
        """Remove one partition from the table. A missing partition is not an error.

        Raises:
            WarehouseError: `table` or `key` is not allowed.
        """
        if self.read_partition(table, key) is not None:
            self.commit({table: {key: None}})

    def partitions(self, table: str) -> list[str]:
        """Return the keys of the table's partitions that have rows, sorted."""
        _check_names(table, "_")
        return reading.keys(self.root, table, key_of(self.root, table))

    def schema_of(self, table: str) -> pl.Schema:
        """Return the declared types of a published table.

        Raises:
            WarehouseError: No table of this name was published.
        """
        return _schema_of(self._schema_file(table))

    def read_table(self, table: str) -> pl.LazyFrame:
        """Return all rows of a published table in the declared types. Missing columns are null; others are left out.

        Raises:
            WarehouseError: No table of this name was published.
        """
        file = self._schema_file(table)
        return reading.table(self.root, table, key_of(self.root, table), file)

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
        texts: Sequence[TextSpec] = (),
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
            texts: What the macro ``search_text`` searches; without any there is no such macro.

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
        definition = ";\n".join(statements(self.root, specs, analyzers, views, macros, texts)) + ";\n"
        database = Database(self.root)
        self._declare(specs)
        search.declare(self.root, search_index(texts))
        migrate(self.root)
        if database.is_current(definition):
            return False
        database.define(definition)
        return True

    def compact(self, *, everything: bool = False, keep_s: float = compaction.STALE_S) -> compaction.Compacted:
        """Merge the commits into few large files, and remove files that nobody needs: see `compaction.compact`."""
        self.adopt()
        return compaction.compact(self.root, everything=everything, keep_s=keep_s)

    def check(self, table: str, key: str, frame: pl.DataFrame | None) -> None:
        """Check what a commit is about to write.

        Raises:
            WarehouseError: `table` or `key` is not allowed, a row belongs to another partition, or the type of a column
                cannot be stored or differs from the published type.
        """
        _check_names(table, key)
        if frame is None or frame.is_empty():
            return
        column = key_of(self.root, table)
        found = frame.get_column(column, default=None)
        if found is None or found.null_count() or not found.min() == key == found.max():
            fix = f"the column {column} of each row must say so"
            raise WarehouseError(f"table {table}, key {key!r}", "it has rows of another partition", fix)
        declared = _schema_of(schema_file(self.root, table))
        if frame.schema == declared:
            return
        for name, dtype in frame.schema.items():
            kind = sql_type(dtype, f"{table}.{name}")
            if name in declared and kind != sql_type(declared[name], f"{table}.{name}"):
                # a file of the wrong type would break every query over its table
                raise WarehouseError(
                    f"{table}.{name}",
                    f"the rows have {dtype}, the published table has {declared[name]}",
                    "cast the column, or publish the new definition first",
                )

    def _schema_file(self, table: str) -> Path:
        _check_names(table, "_")
        file = schema_file(self.root, table)
        if not file.exists():
            raise WarehouseError(f"table {table!r}", f"it is not published in {self.root}", "call Warehouse.publish")
        return file

    def _declare(self, specs: Sequence[TableSpec]) -> None:
        empty = self.root / TAIL / EMPTY
        empty.mkdir(parents=True, exist_ok=True)
        for spec in specs:
            file = schema_file(self.root, spec.name)
            file.parent.mkdir(exist_ok=True)
            for target in (file, empty / file.name):
                if not target.exists() or _schema_of(target) != spec.schema:
                    with temporary(self.root) as path:
                        write_parquet(path, spec.frame([]))
                        path.replace(target)


def _check_names(table: str, key: str) -> None:
    if not (table.isidentifier() and table.isascii()):
        raise WarehouseError(f"table {table!r}", "not an identifier", "use a-z, 0-9 and _, a letter first")
    if not _KEY.fullmatch(key) or len(key.encode()) > _KEY_BYTES:
        raise WarehouseError(
            f"table {table}, key {key!r}",
            "cannot be in a file name",
            f"use at most {_KEY_BYTES} bytes of letters, digits and _ . + -, a letter, digit or _ first",
        )


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
