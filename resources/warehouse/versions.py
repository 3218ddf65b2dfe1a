"""Files that appear complete, and versions of them that never change.

DuckDB opens a Parquet file twice per scan by its path: first for the footer, then for the rows. If the file were
replaced in between, the old footer would be used with the new rows. So a partition is never overwritten. Each write
makes its own file ``<key>@<stamp>.parquet``. The newest file counts, and older files stay for a while. The files are
in 256 folders by the key's checksum, so that finding the newest version stays fast as a table grows.
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
# A query lists a table's files and then opens them all, including superseded ones. This takes a moment. If every write
# removed a few, the query would often find one gone. So they are removed all at once, and seldom.
SWEEP_EVERY_S = 24 * 3600.0
_NAME = re.compile(r"([^@]+)@(\d{16})\.parquet")


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """One file of a partition.

    Attributes:
        key: The partition.
        stamp: When it took effect, in microseconds since 1970: 16 digits until the year 2286.
        removes: Whether it marks the partition as removed: a symbolic link to the schema file, which has no rows.
    """

    key: str
    stamp: int
    removes: bool = False

    @property
    def name(self) -> str:
        """Return the name of the file."""
        return f"{self.key}@{self.stamp:016}.parquet"


def versions(table: Path, key: str | None = None) -> list[Version]:
    """Return all files of the partitions in the folder `table`, or of one partition, sorted by key and stamp."""
    shards = [f"{number:02x}" for number in range(256)] if key is None else [_shard(key)]
    return sorted(version for shard in shards for version in _listed(table / shard) if key in (None, version.key))


def latest(table: Path) -> dict[str, Path]:
    """Return the key and file of each partition's current version, sorted by key, without removed partitions."""
    newest = {version.key: version for version in versions(table)}
    return {key: file_of(table, version) for key, version in newest.items() if not version.removes}


def newest(table: Path, count: int) -> list[str]:
    """Return the keys of the latest written partitions, newest first, up to a limit, without removed partitions."""
    in_force = {version.key: version for version in versions(table)}.values()
    written = (version for version in in_force if not version.removes)
    return [version.key for version in heapq.nlargest(count, written, key=lambda version: version.stamp)]


def file_of(table: Path, version: Version) -> Path:
    """Return the path of a version's file."""
    return table / _shard(version.key) / version.name


def add_version(table: Path, key: str, written: Path | None) -> Path:
    """Make the finished file `written` the newest version of `key`. None marks the partition as removed.

    If the newest version has the same content, it stays. If two writers run at once, either may come last. Once a day,
    versions of the table that have been superseded for `STALE_S` are removed.

    Returns:
        The current file.
    """
    folder = table / _shard(key)
    folder.mkdir(parents=True, exist_ok=True)
    before = versions(table, key)
    if before and written is not None and not before[-1].removes:
        current = folder / before[-1].name
        if current.stat().st_size == written.stat().st_size and current.read_bytes() == written.read_bytes():
            return current
    _sweep_daily(table)
    # If the clock was set back, the new version must still be newer than the old one.
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
    """Remove versions of a table's partitions that have been superseded for this long, and return their number."""
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
            gone.append(ordered[-1])  # remove the last one last, otherwise the rows that it hides reappear for a moment
        for version in gone:
            (shard / version.name).unlink(missing_ok=True)
        removed += len(gone)
    return removed


@contextmanager
def temporary(root: Path) -> Iterator[Path]:
    """Yield an unused path in ``<root>/.tmp`` to write to. A file that still exists afterwards is removed.

    All tables share this folder, so that files of killed writers can be found without searching the tables.
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
    """Keep other threads and processes out of blocks with the same name. A killed holder's lock is free at once."""
    folder = root / ".locks"
    folder.mkdir(parents=True, exist_ok=True)
    with fs.locked(folder / _shard(name)):
        yield


def write_parquet(path: Path, frame: pl.DataFrame) -> None:
    """Write `frame` to `path` and wait until it is on disk."""
    with path.open("wb") as file:
        frame.write_parquet(file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())


def remove_stale(files: Iterable[Path], older_than_s: float) -> int:
    """Remove files not written to for this long, and return their number. Several processes may do so at once."""
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
