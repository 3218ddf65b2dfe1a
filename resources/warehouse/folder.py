"""The store in one folder of one machine, without a server or an extension: see `resource`."""

import math
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from resources.errors import WarehouseError
from resources.warehouse import compaction, reading, search
from resources.warehouse.commits import EMPTY, TAIL, commit
from resources.warehouse.database import Database
from resources.warehouse.declared import declare
from resources.warehouse.files import locked
from resources.warehouse.migration import migrate
from resources.warehouse.records import key_of
from resources.warehouse.schema import Changes, schema_file
from resources.warehouse.store import Definition
from resources.warehouse.views import SETTLE_S, search_index, statements

if TYPE_CHECKING:
    import duckdb

_written_at: dict[Path, float] = {}


class FolderStore:
    """Parquet files in the absolute folder `local`, with ``results.duckdb`` over them."""

    def __init__(self, local: Path) -> None:
        self._local = local

    @property
    def local(self) -> Path:
        """Return the folder."""
        return self._local

    @cached_property
    def _database(self) -> Database:
        return Database(self.local)

    def commit(self, changes: Changes) -> None:
        """Write a commit. In the background, a compaction may start."""
        commit(self.local, changes, {table: key_of(self.local, table) for table in changes})
        _written_at[self.local] = time.monotonic()
        compaction.start(self.local)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold a lock of the operating system, which ends with its process."""
        with locked(self.local, "merge"):
            yield

    def partitions(self, table: str, keys: Collection[str]) -> dict[str, pl.DataFrame]:
        """Return the rows of the latest commit of each partition."""
        return reading.partitions(self.local, table, key_of(self.local, table), keys)

    def keys(self, table: str) -> list[str]:
        """Return the keys of the partitions that have rows."""
        return reading.keys(self.local, table, key_of(self.local, table))

    def table(self, table: str) -> pl.LazyFrame:
        """Return all rows. Missing columns are null; others are left out."""
        return reading.table(self.local, table, key_of(self.local, table), schema_file(self.local, table))

    def summary(
        self, table: str, name: str, digest: str, compute: Callable[[pl.LazyFrame], pl.DataFrame]
    ) -> pl.DataFrame:
        """Compute each segment once, and keep that: a segment never changes."""
        key, declared = key_of(self.local, table), schema_file(self.local, table)
        return reading.summary(self.local, table, key, declared, f"{name}-{digest}", compute)

    def connect(self) -> "duckdb.DuckDBPyConnection":
        """Return a connection that shows everything that this process has written so far.

        If a write is too recent for the views, it waits, for `views.SETTLE_S` at most.
        """
        time.sleep(max(0.0, _written_at.get(self.local, -math.inf) + SETTLE_S - time.monotonic()))
        return self._database.connect()

    def define(self, definition: Definition, *, replace: bool) -> bool:
        """Rebuild ``results.duckdb`` if the definition or the location has changed, whoever wrote it.

        Raises:
            WarehouseError: DuckDB cannot open a file in this folder.
        """
        del replace  # on one machine the code that runs is the newest
        if "?" in str(self.local):
            raise WarehouseError(str(self.local), "DuckDB takes what follows a ? for options", "choose another folder")
        script = statements(
            self.local, definition.tables, definition.analyzers, definition.views, definition.macros, definition.texts
        )
        text = ";\n".join(script) + ";\n"
        declare(self.local, definition.tables, self.local / TAIL / EMPTY)
        search.declare(self.local, search_index(definition.texts))
        migrate(self.local)
        if self._database.is_current(text):
            return False
        self._database.define(text)
        return True

    def compact(self, *, everything: bool, keep_s: float | None) -> compaction.Compacted:
        """Merge commits into segments: see `compaction.compact`."""
        keep_s = compaction.STALE_S if keep_s is None else keep_s
        return compaction.compact(self.local, everything=everything, keep_s=keep_s)
