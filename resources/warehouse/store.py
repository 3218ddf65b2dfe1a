"""What a warehouse needs of the place where its rows are: one folder, or a DuckLake that many machines share."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import polars as pl

from resources.warehouse.schema import AnalyzerSpec, Changes, TableSpec
from resources.warehouse.search import TextSpec
from resources.warehouse.views import ViewSpec

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class Definition:
    """What is published besides rows.

    Attributes:
        tables: All tables, the pipeline's own included.
        analyzers: What `video_quality` expects of every video, and what the view `analyzers` lists.
        views: Further views, in an order in which they can be created.
        macros: Statements that create macros over all of them.
        texts: What the macro ``search_text`` searches; without any there is no such macro.
        code: What all machines must have in common, by name: see `LakeStore.define`.
    """

    tables: Sequence[TableSpec]
    analyzers: Sequence[AnalyzerSpec] = ()
    views: Sequence[ViewSpec] = ()
    macros: Sequence[str] = ()
    texts: Sequence[TextSpec] = ()
    code: Mapping[str, str] | None = None


class Compacted(Protocol):
    """What a compaction did."""

    @property
    def rows(self) -> int:
        """Number of rows of all tables."""
        ...

    @property
    def files(self) -> int:
        """Number of files that they are in."""
        ...

    @property
    def removed(self) -> int:
        """Number of folders and files that were removed."""
        ...


class Store(Protocol):
    """Keeps tables, each divided into partitions. Any number of threads and processes may use one."""

    @property
    def local(self) -> Path:
        """The absolute folder, on this machine, of what runs stage and of the declared types."""
        ...

    def commit(self, changes: Changes) -> None:
        """Replace partitions of any number of tables, all at once or not at all."""
        ...

    def alone(self) -> AbstractContextManager[None]:
        """Keep other writers that read before they write out of the block, on all machines."""
        ...

    def partitions(self, table: str, keys: Collection[str]) -> dict[str, pl.DataFrame]:
        """Return the latest rows, in their order, of those of these partitions that have any."""
        ...

    def keys(self, table: str) -> list[str]:
        """Return the keys of the partitions that have rows, sorted."""
        ...

    def table(self, table: str) -> pl.LazyFrame:
        """Return all rows of a published table in the declared types."""
        ...

    def summary(
        self, table: str, name: str, digest: str, compute: Callable[[pl.LazyFrame], pl.DataFrame]
    ) -> pl.DataFrame:
        """Return what `compute` makes of the rows of a table: see `Warehouse.summary`."""
        ...

    def connect(self) -> "duckdb.DuckDBPyConnection":
        """Return a read-only connection to the published views, with times in UTC."""
        ...

    def define(self, definition: Definition, *, replace: bool) -> bool:
        """Publish tables, views and macros; return whether anything had to be built.

        Args:
            definition: What to publish.
            replace: Whether the definition of other code may be replaced.
        """
        ...

    def compact(self, *, everything: bool, keep_s: float | None) -> Compacted:
        """Merge small files into large ones, and remove those that nobody needs."""
        ...
