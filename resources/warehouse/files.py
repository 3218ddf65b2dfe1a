"""Files that appear complete, and locks between processes."""

import fcntl
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from resources import fs

# Rows that a reader looks for by key lie in few groups; a scan still reads groups that are worth a thread.
ROW_GROUP = 122_880


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
    with fs.locked(_lock_file(root, name)):
        yield


@contextmanager
def locked_if_free(root: Path, name: str) -> Iterator[bool]:
    """Do as `locked` does if nobody is in such a block. Yield whether that is so."""
    with _lock_file(root, name).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _lock_file(root: Path, name: str) -> Path:
    folder = root / ".locks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


def write_parquet(path: Path, frame: pl.DataFrame) -> None:
    """Write `frame` to `path` and wait until it is on disk."""
    with path.open("wb") as file:
        frame.write_parquet(file, compression="zstd", row_group_size=ROW_GROUP)
        file.flush()
        os.fsync(file.fileno())


def sync_file(path: Path) -> None:
    """Wait until what another library has written to a file is on disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync(folder: Path) -> None:
    """Wait until the names in a folder are on disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


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
