"""Files that come into being whole, and versions of them that never change.

DuckDB opens a Parquet file twice in one scan, for its footer and then for its rows, by its path both times. Were a file
renamed over in between, the old footer would be read against the new rows. So a partition is never written over: each
write makes a file ``<key>@<stamp>.parquet`` of its own, the newest counts, and older ones stay for a while.
"""

import os
import re
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

import polars as pl

SCHEMA_FILE = "@schema.parquet"  # no key is empty, so this is no version
STALE_S = 3600.0
_NAME = re.compile(r"([^@]+)@(\d{16})\.parquet")


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """One file of a partition.

    Attributes:
        key: The partition.
        stamp: When it took effect, in microseconds since 1970: 16 digits until the year 2286.
        removes: Whether it says that the partition is gone: a symbolic link to the schema file, which has no rows.
    """

    key: str
    stamp: int
    removes: bool = False

    @property
    def name(self) -> str:
        """The file's name."""
        return f"{self.key}@{self.stamp:016}.parquet"


def versions(folder: Path, key: str | None = None) -> list[Version]:
    """All files of a table's partitions, or of one of them, sorted by key and stamp; none where there is no folder."""
    prefix = "" if key is None else f"{key}@"
    try:
        with os.scandir(folder) as entries:
            found = [
                Version(match[1], int(match[2]), entry.is_symlink())
                for entry in entries
                if entry.name.startswith(prefix) and (match := _NAME.fullmatch(entry.name))
            ]
    except FileNotFoundError:
        return []
    return sorted(found)


def latest(folder: Path) -> list[Version]:
    """The version in force of each of a table's partitions, sorted by key; removed ones are left out."""
    newest = {version.key: version for version in versions(folder)}
    return [version for version in newest.values() if not version.removes]


def add_version(folder: Path, key: str, written: Path | None) -> Path:
    """Puts the finished file `written` in force as `key`'s newest version; None says that the partition is gone.

    The newest version stays where it has the same content. Of two writers at once either may come last.

    Returns:
        The file in force.
    """
    folder.mkdir(exist_ok=True)
    before = versions(folder, key)
    if before and written is not None and not before[-1].removes:
        newest = folder / before[-1].name
        if newest.stat().st_size == written.stat().st_size and newest.read_bytes() == written.read_bytes():
            return newest
    # A clock that was set back must not make the new version the older one.
    stamp = max(time.time_ns() // 1000, before[-1].stamp + 1 if before else 0)
    while True:
        target = folder / Version(key, stamp).name
        try:
            if written is None:
                target.symlink_to(SCHEMA_FILE)
            else:
                target.hardlink_to(written)
        except FileExistsError:
            stamp += 1
        else:
            return target


def remove_superseded(folder: Path, older_than_s: float) -> int:
    """Removes the versions of a table's partitions that have been out of force for so long; says how many."""
    before = time.time_ns() // 1000 - int(older_than_s * 1e6)
    removed = 0
    for _, group in groupby(versions(folder), key=lambda version: version.key):
        *superseded, newest = group
        gone = [older for older, newer in pairwise([*superseded, newest]) if newer.stamp <= before]
        if newest.removes and newest.stamp <= before:
            gone.append(newest)  # the last, or the rows that it hides would be back for a moment
        for version in gone:
            (folder / version.name).unlink(missing_ok=True)
        removed += len(gone)
    return removed


@contextmanager
def temporary(root: Path) -> Iterator[Path]:
    """A free name in ``<root>/.tmp``, to write to; a file still there afterwards is removed.

    There is one such folder for all tables, so that what killed writers leave is found without looking through these.
    """
    folder = root / ".tmp"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / uuid.uuid4().hex
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def write_parquet(path: Path, frame: pl.DataFrame) -> None:
    """Writes `frame` to `path` and waits until it is on disk."""
    with path.open("wb") as file:
        frame.write_parquet(file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())


def remove_stale(files: Iterable[Path], older_than_s: float) -> int:
    """Removes those not written to for so long; says how many. Several processes may do so at once."""
    before = time.time() - older_than_s
    removed = 0
    for file in files:
        try:
            if file.lstat().st_mtime < before:
                file.unlink()
                removed += 1
        except FileNotFoundError:
            continue
    return removed
