"""Files that come into being whole or not at all."""

import os
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

STALE_S = 3600.0


@contextmanager
def temporary(root: Path) -> Iterator[Path]:
    """A free name in ``<root>/.tmp``, to write to and rename from; a file still there afterwards is removed.

    There is one such folder for all tables, so that what killed writers leave is found without looking through these.
    """
    folder = root / ".tmp"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / uuid.uuid4().hex
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def write_parquet(root: Path, target: Path, frame: pl.DataFrame) -> None:
    """Puts `frame` in place of the file `target`, somewhere below `root`: on disk before it can be seen."""
    with temporary(root) as path:
        with path.open("wb") as file:
            frame.write_parquet(file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        target.parent.mkdir(exist_ok=True)
        path.replace(target)


def remove_stale(files: Iterable[Path], older_than_s: float) -> int:
    """Removes those not written to for so long; says how many. Several processes may do so at once."""
    before = time.time() - older_than_s
    removed = 0
    for file in files:
        with vanishing():
            if file.lstat().st_mtime < before:
                file.unlink()
                removed += 1
    return removed


def remove_stale_link(root: Path, link: Path, older_than_s: float) -> int:
    """Removes a symbolic link of this age, but never a file that a writer puts in its place meanwhile; says how many.

    A look followed by a removal would leave such a gap. So the link is moved away and looked at again, and what turns
    out to be a file is put back, unless a newer one has come.
    """
    if not link.is_symlink() or link.lstat().st_mtime >= time.time() - older_than_s:
        return 0
    with temporary(root) as aside, vanishing():
        link.replace(aside)
        if aside.is_symlink():
            return 1
        try:
            link.hardlink_to(aside)
        except FileExistsError:
            return 0
    return 0


@contextmanager
def vanishing() -> Iterator[None]:
    """Lets a file be gone that another process has cleared away first."""
    try:
        yield
    except FileNotFoundError:
        return
