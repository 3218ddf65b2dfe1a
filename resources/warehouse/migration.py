"""Takes over a warehouse of release 0.1, with a file for each partition, without computing anything again.

There, each table was a folder with a file ``@schema.parquet``, and the versions of a partition as
``<nn>/<key>@<stamp>.parquet``. The newest stamp was the current one, and a symbolic link marked a removed partition.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import polars as pl

from resources.warehouse.files import locked, write_parquet
from resources.warehouse.generations import (
    GENERATIONS,
    SEGMENT_PARTITIONS,
    Generation,
    Segment,
    current,
    put,
    put_segment,
)
from resources.warehouse.records import MODEL_LOADS, key_of

_NAME = re.compile(r"([^@]+)@(\d{16})\.parquet")


def migrate(root: Path) -> bool:
    """Make one generation of the files of release 0.1. Killed at any moment, it starts again or is done.

    Returns:
        Whether there was anything to take over.
    """
    if current(root).number or not any(_tables(root)):
        return False
    with locked(root, "compaction"):
        if current(root).number:
            return False
        files = {table.name: _latest(table) for table in _tables(root)}
        # one file per load of a model then, one partition per run now: never in two segments
        loads = files.pop(MODEL_LOADS.name, {})
        order = sorted({key for found in files.values() for key in found})
        segments = [_segment(root, {MODEL_LOADS.name: list(loads.values())})] if loads else []
        for start in range(0, len(order), SEGMENT_PARTITIONS):
            part = order[start : start + SEGMENT_PARTITIONS]
            segments.append(
                _segment(root, {table: [found[key] for key in part if key in found] for table, found in files.items()})
            )
        folder = root / GENERATIONS
        folder.mkdir(exist_ok=True)
        if (results := root / "results.duckdb").exists() and not (folder / "0-old.public.duckdb").exists():
            (folder / "0-old.public.duckdb").hardlink_to(results)  # a session may still show the old files
        put(root, Generation(1, 0, tuple(segment for segment in segments if segment.rows)))
    return True


def remains(root: Path) -> list[Path]:
    """Return the folders of release 0.1. Once a generation exists, nothing in them counts any more."""
    return [*_tables(root), *root.glob(".catalog"), *root.glob(".swept")]


def _tables(root: Path) -> Iterator[Path]:
    # each published table had this file; other folders are not ours to take
    return (file.parent for file in root.glob("[a-z]*/@schema.parquet"))


def _latest(table: Path) -> dict[str, Path]:
    """Return the current file of each partition of a table of release 0.1."""
    found: dict[str, Path] = {}
    for file in sorted(table.glob("[0-9a-f][0-9a-f]/*@*.parquet")):
        if match := _NAME.fullmatch(file.name):
            found[match[1]] = file
    return {key: file for key, file in found.items() if not file.is_symlink()}


def _segment(root: Path, files: Mapping[str, Sequence[Path]]) -> Segment:
    folder = root / ".tmp" / uuid4().hex
    folder.mkdir(parents=True)
    rows: dict[str, int] = {}
    seen: list[pl.Series] = []
    for table, found in files.items():
        key = key_of(root, table)
        frames = [frame for file in found if (frame := pl.read_parquet(file, glob=False)).height]
        if frames:
            # files of different versions of an analyzer differ in columns
            frame = pl.concat(frames, how="diagonal_relaxed").sort(key, maintain_order=True)
            write_parquet(folder / f"{table}.parquet", frame)
            rows[table] = frame.height
            seen.append(frame[key].unique())
    return put_segment(root, folder, rows, seen)
