"""Files that come into being whole, and versions of them that never change.

DuckDB opens a Parquet file twice in one scan, for its footer and then for its rows, by its path both times. Were a file
renamed over in between, the old footer would be read against the new rows. So a partition is never written over: each
write makes a file ``<key>@<stamp>.parquet`` of its own, the newest counts, and older ones stay for a while. They lie in
256 folders by the key's checksum, so that finding the newest version of a key does not slow down as a table grows.
"""

import heapq
import os
import re
import time
import uuid
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

import polars as pl

from resources import fs

SCHEMA_FILE = "@schema.parquet"  # no key is empty, so this is no version
STALE_S = 600.0
# A query lists a table's files and then opens them all, those out of force too, which takes it a moment: were a few
# removed with every write, it would often find one gone. So they go in one go, and seldom.
SWEEP_EVERY_S = 24 * 3600.0
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


def versions(table: Path, key: str | None = None) -> list[Version]:
    """All files of the partitions in the folder `table`, or of one of them, sorted by key and stamp."""
    shards = [f"{number:02x}" for number in range(256)] if key is None else [_shard(key)]
    return sorted(version for shard in shards for version in _listed(table / shard) if key in (None, version.key))


def latest(table: Path) -> dict[str, Path]:
    """Key and file of the version in force of each partition, sorted by key; removed partitions are left out."""
    newest = {version.key: version for version in versions(table)}
    return {key: file_of(table, version) for key, version in newest.items() if not version.removes}


def newest(table: Path, count: int) -> list[str]:
    """The keys of the partitions that were written last, newest first, at most so many; removed ones are left out."""
    in_force = {version.key: version for version in versions(table)}.values()
    written = (version for version in in_force if not version.removes)
    return [version.key for version in heapq.nlargest(count, written, key=lambda version: version.stamp)]


def file_of(table: Path, version: Version) -> Path:
    """The path of a version's file."""
    return table / _shard(version.key) / version.name


def add_version(table: Path, key: str, written: Path | None) -> Path:
    """Puts the finished file `written` in force as `key`'s newest version; None says that the partition is gone.

    The newest version stays where it has the same content. Of two writers at once either may come last. Once a day the
    table's versions that have been out of force for `STALE_S` go.

    Returns:
        The file in force.
    """
    folder = table / _shard(key)
    folder.mkdir(parents=True, exist_ok=True)
    before = versions(table, key)
    if before and written is not None and not before[-1].removes:
        current = folder / before[-1].name
        if current.stat().st_size == written.stat().st_size and current.read_bytes() == written.read_bytes():
            return current
    _sweep_daily(table)
    # A clock that was set back must not make the new version the older one.
    stamp = max(time.time_ns() // 1000, before[-1].stamp + 1 if before else 0)
    while True:
        target = folder / Version(key, stamp).name
        try:
            if written is None:
                target.symlink_to(Path("..", SCHEMA_FILE))
            else:
                target.hardlink_to(written)
        except FileExistsError:
            stamp += 1
        else:
            return target


def remove_superseded(table: Path, older_than_s: float) -> int:
    """Removes the versions of a table's partitions that have been out of force for so long; says how many."""
    return sum(_remove_superseded(shard, older_than_s) for shard in table.glob("[0-9a-f]?"))


def _sweep_daily(table: Path) -> None:
    now, marker = time.time(), table.parent / ".swept" / table.name
    try:
        due = now - marker.stat().st_mtime > SWEEP_EVERY_S
    except FileNotFoundError:
        due = True
    if due:
        marker.parent.mkdir(exist_ok=True)
        marker.touch()
        os.utime(marker, (now, now))
        remove_superseded(table, STALE_S)


def _shard(key: str) -> str:
    return f"{zlib.crc32(key.encode()) & 0xFF:02x}"


def _listed(shard: Path) -> list[Version]:
    try:
        with os.scandir(shard) as entries:
            return [
                Version(match[1], int(match[2]), entry.is_symlink())
                for entry in entries
                if (match := _NAME.fullmatch(entry.name))
            ]
    except FileNotFoundError:
        return []


def _remove_superseded(shard: Path, older_than_s: float) -> int:
    before = time.time_ns() // 1000 - int(older_than_s * 1e6)
    removed = 0
    for _, group in groupby(sorted(_listed(shard)), key=lambda version: version.key):
        ordered = list(group)
        gone = [older for older, newer in pairwise(ordered) if newer.stamp <= before]
        if ordered[-1].removes and ordered[-1].stamp <= before:
            gone.append(ordered[-1])  # the last, or the rows that it hides would be back for a moment
        for version in gone:
            (shard / version.name).unlink(missing_ok=True)
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


@contextmanager
def locked(root: Path, name: str) -> Iterator[None]:
    """Keeps other threads and processes out of the blocks of the same name; a killed holder's lock is free at once."""
    folder = root / ".locks"
    folder.mkdir(parents=True, exist_ok=True)
    with fs.locked(folder / _shard(name)):
        yield


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
