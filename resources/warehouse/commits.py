"""Commits: the partitions of any number of tables, written all at once or not at all.

A commit is a folder ``tail/<stamp>`` with a file for each of its tables, and never changes. It is written elsewhere and
renamed, so it appears complete. The stamp is its time in microseconds since 1970, in 16 digits. A later commit replaces
the partitions that it names in all earlier ones. A partition without rows has one marker row, which `MARKER` tells
apart, because the earlier rows would otherwise stay.
"""

import os
import shutil
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from resources.warehouse.files import locked, sync, write_parquet
from resources.warehouse.generations import current
from resources.warehouse.schema import Changes

TAIL = "tail"
MARKER = "@empty"  # no column of a table can have this name
_STAMP = "@stamp"
_WRITERS = 8  # most of the time goes by waiting for the disk
# Always there and without rows: a pattern that matches no file is an error in DuckDB.
EMPTY = "0" * 16


@dataclass(frozen=True, slots=True, order=True)
class Commit:
    """One commit.

    Attributes:
        stamp: When it was made, in microseconds since 1970.
        folder: The folder of its files.
    """

    stamp: int
    folder: Path

    def file(self, table: str) -> Path | None:
        """Return the file of a table, or None if the commit has no partition of it."""
        file = self.folder / f"{table}.parquet"
        return file if file.exists() else None

    def tables(self) -> list[str]:
        """Return the names of the tables that it has partitions of."""
        return sorted(file.stem for file in self.folder.glob("*.parquet"))


def commits(root: Path, after: int = 0) -> list[Commit]:
    """Return the commits after this stamp that have not been merged and removed, oldest first."""
    return sorted(Commit(stamp, root / TAIL / f"{stamp:016}") for stamp in _stamps(root) if stamp > after)


def commit(root: Path, changes: Changes, keys: Mapping[str, str]) -> Commit:
    """Replace partitions, of any number of tables. Readers see all of it or nothing of it.

    Args:
        root: Folder of the warehouse.
        changes: The rows.
        keys: The column of each table that names the partition.
    """
    (root / TAIL).mkdir(parents=True, exist_ok=True)
    folder = root / ".tmp" / uuid.uuid4().hex
    folder.mkdir(parents=True)
    try:

        def write(table: str) -> None:
            write_parquet(folder / f"{table}.parquet", _joined(changes[table], keys[table]))

        with ThreadPoolExecutor(_WRITERS) as pool:
            list(pool.map(write, changes))
        sync(folder)
        with locked(root, "commit"):
            # after all others, also if the clock was set back, or two commits fall into the same microsecond
            latest = max([current(root).horizon, *_stamps(root)])
            stamp = max(time.time_ns() // 1000, latest + 1)
            made = Commit(stamp, root / TAIL / f"{stamp:016}")
            folder.rename(made.folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    sync(root / TAIL)
    return made


def current_rows(tail: list[Commit], table: str, key: str) -> pl.DataFrame | None:
    """Return the current rows of a table from these commits, with their markers; None if no commit has any.

    Args:
        tail: The commits, oldest first.
        table: The table.
        key: The column that names the partition.
    """
    found = [
        pl.read_parquet(file, glob=False, hive_partitioning=False).with_columns(pl.lit(made.stamp).alias(_STAMP))
        for made in tail
        if (file := made.file(table))
    ]
    if not found:
        return None
    frame = pl.concat(found, how="diagonal_relaxed")
    return frame.filter(pl.col(_STAMP) == pl.col(_STAMP).max().over(key)).drop(_STAMP)


def unmarked(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows without the markers."""
    if MARKER not in frame.columns:
        return frame
    return frame.filter(pl.col(MARKER).is_null()).drop(MARKER)


def _stamps(root: Path) -> list[int]:
    try:
        with os.scandir(root / TAIL) as entries:
            return [int(entry.name) for entry in entries if entry.name.isdigit()]
    except FileNotFoundError:
        return []


def _joined(partitions: Mapping[str, pl.DataFrame | None], key: str) -> pl.DataFrame:
    frames = [frame for frame in partitions.values() if frame is not None and frame.height]
    empty = [name for name, frame in partitions.items() if frame is None or frame.is_empty()]
    if empty:
        frames.append(pl.DataFrame({key: empty, MARKER: True}, {key: pl.String, MARKER: pl.Boolean}))
    return pl.concat(frames, how="diagonal")
