"""Generations: what the last compaction made of the commits before it.

A generation names segments, and a horizon: the stamp of the last commit that they contain. A segment is a folder
``segments/<name>`` with a file for each table, sorted by partition, and never changes. No partition is in two segments
of a generation, and none that a commit up to the horizon replaced is in any. So the rows of the warehouse are those of
the segments, except for the partitions that a later commit has, and those of the later commits.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import polars as pl

from resources import fs
from resources.errors import WarehouseError
from resources.warehouse.files import sync, write_parquet

# Of the folders and files. Code that knows a lower number does not touch them.
LAYOUT = 1
SEGMENTS = "segments"
GENERATIONS = ".generations"
KEYS = "@keys.parquet"
# No segment grows past this many videos, so that a merge needs bounded memory.
SEGMENT_PARTITIONS = 10_000


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment.

    Attributes:
        name: Its folder in ``segments``.
        partitions: How many partition keys it has rows of, whatever the table.
        rows: Rows by table; a table without rows has no file.
    """

    name: str
    partitions: int
    rows: dict[str, int] = field(hash=False)

    def folder(self, root: Path) -> Path:
        """Return its folder."""
        return root / SEGMENTS / self.name

    def file(self, root: Path, table: str) -> Path | None:
        """Return the file of a table, or None if it has no rows of it."""
        return self.folder(root) / f"{table}.parquet" if table in self.rows else None

    def keys(self, root: Path) -> pl.Series:
        """Return its partition keys, sorted."""
        return pl.read_parquet(self.folder(root) / KEYS, glob=False)["key"]


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation.

    Attributes:
        number: 0 before the first compaction.
        horizon: Stamp of the last commit in its segments.
        segments: Its segments, the oldest first.
    """

    number: int = 0
    horizon: int = 0
    segments: tuple[Segment, ...] = ()

    def files(self, root: Path, table: str) -> list[Path]:
        """Return the files of a table."""
        return [file for segment in self.segments if (file := segment.file(root, table))]


def generations(root: Path) -> list[Generation]:
    """Return the empty generation, and all that have a file, oldest first."""
    numbers = sorted(int(file.stem) for file in (root / GENERATIONS).glob("*.json"))
    return [Generation(), *(made for number in numbers if (made := _read(root, number)))]


def current(root: Path) -> Generation:
    """Return the newest generation.

    Raises:
        WarehouseError: A newer version of this project wrote it.
    """
    for number in sorted((int(file.stem) for file in (root / GENERATIONS).glob("*.json")), reverse=True):
        if made := _read(root, number):
            return made
    return Generation()


def put(root: Path, made: Generation) -> None:
    """Make a generation the newest one. Its segments must be on disk."""
    (root / GENERATIONS).mkdir(parents=True, exist_ok=True)
    fs.write_atomically(
        root / GENERATIONS / f"{made.number}.json", json.dumps({"layout": LAYOUT} | asdict(made)), durable=True
    )


def put_segment(root: Path, folder: Path, rows: dict[str, int], seen: Iterable[pl.Series]) -> Segment:
    """Make a finished folder a segment.

    Args:
        root: Folder of the warehouse.
        folder: The folder, in ``.tmp``; its name becomes the name of the segment.
        rows: Rows by table.
        seen: The partition keys of each table.
    """
    every = pl.concat([pl.Series("key", [], pl.String), *(part.alias("key") for part in seen)]).unique().sort()
    write_parquet(folder / KEYS, every.to_frame())
    sync(folder)
    (root / SEGMENTS).mkdir(exist_ok=True)
    folder.rename(root / SEGMENTS / folder.name)
    sync(root / SEGMENTS)
    return Segment(folder.name, len(every), rows)


def _read(root: Path, number: int) -> Generation | None:
    try:
        found = json.loads((root / GENERATIONS / f"{number}.json").read_text())
    except FileNotFoundError:
        return None
    if (layout := found.get("layout", LAYOUT)) > LAYOUT:
        problem = f"a newer version of vid_assets wrote it (layout {layout}, this one knows {LAYOUT})"
        raise WarehouseError(str(root), problem, "update vid_assets on this machine")
    segments = tuple(Segment(**segment) for segment in found["segments"])
    return Generation(found["number"], found["horizon"], segments)
