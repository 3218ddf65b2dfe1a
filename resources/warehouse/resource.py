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
      .summaries/                    what was made of segments, and can be made again: see `reading.summary`
      .locks/ .tmp/                  files being written

A query through the views sees every table at one moment, `views.SETTLE_S` before its transaction began. The other reads
of this class see the latest commit.
"""

import re
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from resources.errors import WarehouseError
from resources.warehouse.declared import schema_in
from resources.warehouse.folder import FolderStore
from resources.warehouse.lake import LakeStore, is_lake
from resources.warehouse.records import FIXED_TABLES, key_of
from resources.warehouse.schema import AnalyzerSpec, Changes, ColumnSpec, TableSpec, schema_file, sql_type
from resources.warehouse.search import TextSpec
from resources.warehouse.stage import STAGED, Stage, Staged, adopt, close_stage, merged, open_stage
from resources.warehouse.store import Compacted, Definition, Store
from resources.warehouse.views import DERIVED_NAMES, ViewSpec

if TYPE_CHECKING:
    import duckdb

__all__ = ["FIXED_TABLES", "AnalyzerSpec", "ColumnSpec", "TableSpec", "TextSpec", "ViewSpec", "Warehouse"]

_RETRY_TAG = "dagster/retry_strategy"
_KEY = re.compile(r"\w[\w.+-]*")
_KEY_BYTES = 180  # with table and suffix, within the 255 of file systems


class Warehouse(dg.ConfigurableResource):
    """The warehouse, for any number of simultaneous readers and writers.

    As a resource of a run it publishes the stage of the run at its end.

    Attributes:
        path: A folder, which the first write creates, or the address of a DuckLake: see `lake`.
    """

    path: str

    @property
    def store(self) -> Store:
        """Return where the rows are."""
        return LakeStore(self.path) if is_lake(self.path) else FolderStore(Path(self.path).expanduser().absolute())

    @property
    def root(self) -> Path:
        """Return the absolute folder on this machine: of the warehouse, or of what runs stage for a DuckLake.

        Links in it are not resolved, so that an operator can move their targets.
        """
        return self.store.local

    @property
    def is_shared(self) -> bool:
        """Whether several machines share it, so that a read asks another machine."""
        return is_lake(self.path)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Have a run that dies on one machine of many begin anew on another, where its stage is not."""
        if context.run is not None and context.instance is not None and self.is_shared:
            context.instance.add_run_tags(context.run.run_id, {_RETRY_TAG: "ALL_STEPS"})

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

    def commit(self, changes: Changes) -> None:
        """Replace partitions of any number of tables, all at once or not at all.

        If several writers write the same partition, the last one wins. In the background, a compaction may start.

        Args:
            changes: Rows by table and partition key; None for no rows.

        Raises:
            WarehouseError: See `check`.
        """
        written = {table: partitions for table, partitions in changes.items() if partitions}
        for table, partitions in written.items():
            for key, frame in partitions.items():
                self.check(table, key, frame)
        if written:
            self.store.commit(written)

    def commit_staged(self, staged: Staged) -> None:
        """Commit what a stage has: replaced partitions, and rows that are merged into what is there now.

        Writers that merge take turns.

        Raises:
            WarehouseError: See `check`.
        """
        with self.store.alone():
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
        return self.store.partitions(table, keys)

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
        return self.store.keys(table)

    def schema_of(self, table: str) -> pl.Schema:
        """Return the declared types of a published table.

        Raises:
            WarehouseError: No table of this name was published.
        """
        return schema_in(self._schema_file(table))

    def read_table(self, table: str) -> pl.LazyFrame:
        """Return all rows of a published table in the declared types. Missing columns are null; others are left out.

        Raises:
            WarehouseError: No table of this name was published.
        """
        self._schema_file(table)
        return self.store.table(table)

    def summary(
        self, table: str, name: str, digest: str, compute: Callable[[pl.LazyFrame], pl.DataFrame]
    ) -> pl.DataFrame:
        """Return what `compute` makes of all rows of a published table: one row per partition, named by its key.

        It is computed of parts of the table that have all rows of their partitions. What was made of parts that do not
        change may be kept, so a later call costs as much as what is new.

        Args:
            table: The table.
            name: What the summary is.
            digest: Of everything else that it depends on. A summary with another digest replaces it.
            compute: Receives the rows of some partitions, in the declared types.

        Raises:
            WarehouseError: No table of this name was published.
        """
        self._schema_file(table)
        return self.store.summary(table, name, digest, compute)

    def connect(self) -> "duckdb.DuckDBPyConnection":
        """Return a read-only connection to the published views, with times in UTC. Close it after use.

        It shows everything that this process has written so far. It also works while a person has ``results.duckdb``
        open for writing.

        Raises:
            WarehouseError: Nothing has been published here.
        """
        return self.store.connect()

    def publish(
        self,
        tables: Sequence[TableSpec],
        analyzers: Sequence[AnalyzerSpec] = (),
        views: Sequence[ViewSpec] = (),
        macros: Sequence[str] = (),
        texts: Sequence[TextSpec] = (),
        code: Mapping[str, str] | None = None,
        *,
        replace: bool = True,
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
            code: What all machines must have in common, by name: release, sources, profile, ...
            replace: Whether the definition of other code may be replaced. A run on a node of a cluster may not.

        Returns:
            Whether anything had to be built.

        Raises:
            WarehouseError: Two tables or views have the same name, the store cannot be opened, or this code may not
                define it.
        """
        specs = (*FIXED_TABLES, *tables)
        names = [*DERIVED_NAMES, *(spec.name for spec in (*specs, *views))]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise WarehouseError(f"tables {twice}", "the name is used by more than one table or view", "rename one")
        return self.store.define(Definition(specs, analyzers, views, macros, texts, code), replace=replace)

    def compact(self, *, everything: bool = False, keep_s: float | None = None) -> Compacted:
        """Merge the commits into few large files, and remove files that nobody needs.

        Args:
            everything: Whether to merge large files as well.
            keep_s: How long replaced files stay at least, in seconds: longer than the longest transaction.
                None for ten minutes in a folder, and for a day in a DuckLake.
        """
        self.adopt()
        return self.store.compact(everything=everything, keep_s=keep_s)

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
        declared = schema_in(schema_file(self.root, table))
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
            raise WarehouseError(f"table {table!r}", f"it is not published in {self.path}", "call Warehouse.publish")
        return file


def _check_names(table: str, key: str) -> None:
    if not (table.isidentifier() and table.isascii()):
        raise WarehouseError(f"table {table!r}", "not an identifier", "use a-z, 0-9 and _, a letter first")
    if not _KEY.fullmatch(key) or len(key.encode()) > _KEY_BYTES:
        raise WarehouseError(
            f"table {table}, key {key!r}",
            "cannot be in a file name",
            f"use at most {_KEY_BYTES} bytes of letters, digits and _ . + -, a letter, digit or _ first",
        )
