"""Merges commits into segments, and removes what nobody reads any more.

``python -m resources.warehouse.compaction FOLDER`` does it as a program of its own; `start` starts that.
"""

import math
import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from resources.warehouse.commits import commits, current_rows, unmarked
from resources.warehouse.database import Database
from resources.warehouse.files import locked, locked_if_free, remove_stale, write_parquet
from resources.warehouse.generations import (
    GENERATIONS,
    SEGMENT_PARTITIONS,
    SEGMENTS,
    Generation,
    Segment,
    current,
    put,
    put_segment,
)
from resources.warehouse.migration import remains
from resources.warehouse.reading import SUMMARIES
from resources.warehouse.records import key_of
from resources.warehouse.search import Index, declared, write_index

# A query opens a file per table for each of them.
COMMITS = 8
# A merge takes the next older segment with it while that is at most this many times as large as what it has. So the
# sizes of segments grow like powers: their number is the logarithm of the archive's, and as often is a row rewritten.
RATIO = 2
# Files that were replaced stay for queries and transactions that began before.
STALE_S = 600.0


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a compaction did.

    Attributes:
        generation: The newest generation.
        removed: Number of folders and files that were removed.
    """

    generation: Generation
    removed: int

    @property
    def rows(self) -> int:
        """Number of rows of all tables."""
        return sum(sum(segment.rows.values()) for segment in self.generation.segments)

    @property
    def files(self) -> int:
        """Number of files that they are in."""
        return sum(len(segment.rows) for segment in self.generation.segments)


def compact(root: Path, *, everything: bool = False, keep_s: float = STALE_S) -> Compacted:
    """Merge the commits since the last compaction, with small segments, and remove files that nobody needs.

    Killed at any moment, it leaves the warehouse as it was before or as it would be afterwards. One compaction runs at
    a time.

    Args:
        root: Folder of the warehouse.
        everything: Whether to merge all segments, whatever their sizes.
        keep_s: How long replaced files stay at least, in seconds: longer than the longest transaction.

    Returns:
        What it did.
    """
    with locked(root, "compaction"):
        made = _merged(root, current(root), everything=everything)
        Database(root).renew()
        done = Compacted(made, _swept(root, keep_s))
        if _log(root).exists():
            os.truncate(_log(root), 0)
        return done


def problem(root: Path) -> str | None:
    """Return why compactions in the background have failed since the last one that ended well; None if none has."""
    try:
        lines = _log(root).read_text(errors="replace").strip().splitlines()
    except FileNotFoundError:
        return None
    return lines[-1] if lines else None


def start(root: Path) -> None:
    """Start a compaction in the background if enough commits have come together, and none is running."""
    if len(commits(root, current(root).horizon)) < COMMITS:
        return
    with locked_if_free(root, "compaction") as free:
        if not free:
            return
    with _log(root).open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "resources.warehouse.compaction", str(root)],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)},
            cwd="/",
        )
    threading.Thread(target=process.wait, name="compaction", daemon=True).start()


def _swept(root: Path, keep_s: float) -> int:
    """Remove segments and commits that no generation needs any more, and leftovers of killed writers; count them."""
    kept = Database(root).kept(keep_s)
    needed = {segment.name for generation in kept for segment in generation.segments}
    horizon = min((generation.horizon for generation in kept), default=0)
    gone = [folder for folder in (root / SEGMENTS).glob("*") if folder.name not in needed]
    gone += [made.folder for made in commits(root) if made.stamp <= horizon]
    gone += [folder for folder in root.glob(".tmp/*") if folder.is_dir() and _age(folder) > STALE_S]
    if kept and not any((root / GENERATIONS).glob("0-*")) and _age(root / GENERATIONS / "1.json") >= keep_s:
        gone += remains(root)
    for file in (root / SUMMARIES).glob("*.parquet"):
        if file.name.partition("-")[0] not in needed:
            file.unlink(missing_ok=True)
    for folder in gone:
        # first out of sight at once: a query never finds half of it
        away = root / ".tmp" / uuid.uuid4().hex
        away.parent.mkdir(exist_ok=True)
        folder.rename(away)
        shutil.rmtree(away, ignore_errors=True)
    return len(gone) + remove_stale((file for file in root.glob(".tmp/*") if not file.is_dir()), STALE_S)


def _merged(root: Path, before: Generation, *, everything: bool) -> Generation:
    with locked(root, "commit"):
        tail = commits(root, before.horizon)
    index = declared(root)
    unindexed = index is not None and not all(index.has(root, segment) for segment in before.segments)
    if not tail and not unindexed and not (everything and len(before.segments) > 1):
        return before
    later = {
        table: rows
        for table in {table for made in tail for table in made.tables()}
        if (rows := current_rows(tail, table, key_of(root, table))) is not None
    }
    replaced = {table: rows[key_of(root, table)].unique() for table, rows in later.items()}
    count = max((len(found) for found in replaced.values()), default=0)
    older, group = list(before.segments), []
    while (
        older
        and older[-1].partitions + count <= SEGMENT_PARTITIONS
        and (everything or older[-1].partitions <= RATIO * count)
    ):
        group.insert(0, older.pop())
        count += group[0].partitions
    kept = [left for segment in older if (left := _without(root, segment, replaced, index)) is not None]
    made = _merge(root, group, later, index) if group or later else None
    segments = (*kept, made) if made and made.rows else tuple(kept)
    after = Generation(before.number + 1, tail[-1].stamp if tail else before.horizon, segments)
    put(root, after)
    return after


def _merge(root: Path, segments: Sequence[Segment], later: Mapping[str, pl.DataFrame], index: Index | None) -> Segment:
    """Write one segment with the rows of these segments, and the later rows of each table in their place."""
    folder = root / ".tmp" / uuid.uuid4().hex
    folder.mkdir(parents=True)
    rows: dict[str, int] = {}
    seen: list[pl.Series] = []
    try:
        for table in sorted({*later, *(table for segment in segments for table in segment.rows)}):
            key = key_of(root, table)
            frame = _table(root, table, key, segments, later.get(table))
            if frame.height:
                write_parquet(folder / f"{table}.parquet", frame)
                rows[table] = frame.height
                seen.append(frame[key].unique())
        if index:
            fresh = {table: frame[key_of(root, table)].unique() for table, frame in later.items()}
            _index(root, index, folder, rows, segments, fresh)
        return put_segment(root, folder, rows, seen)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _table(root: Path, table: str, key: str, segments: Sequence[Segment], later: pl.DataFrame | None) -> pl.DataFrame:
    frames = [
        pl.read_parquet(file, glob=False, hive_partitioning=False)
        for segment in segments
        if (file := segment.file(root, table))
    ]
    if later is not None:
        names = later.select(pl.col(key).unique())
        frames = [frame.join(names, on=key, how="anti", maintain_order="left") for frame in frames]
        frames.append(unmarked(later))
    # files of different versions of an analyzer differ in columns
    return pl.concat(frames, how="diagonal_relaxed").sort(key, maintain_order=True)


def _index(
    root: Path,
    index: Index,
    folder: Path,
    tables: Iterable[str],
    segments: Sequence[Segment],
    fresh: Mapping[str, pl.Series],
) -> None:
    """Write the search index of a new segment, made of these segments and of partitions that are `fresh`."""
    kept = [segment for segment in segments if index.has(root, segment)]
    unread = [segment.keys(root) for segment in segments if segment not in kept]
    names = {name: fresh.get(name, pl.Series(dtype=pl.String)) for name in index.texts}
    every = {name: pl.concat([found.cast(pl.String), *unread]).unique() for name, found in names.items()}
    write_index(index, folder, tables, every, [segment.folder(root) for segment in kept])


def _without(root: Path, segment: Segment, replaced: dict[str, pl.Series], index: Index | None) -> Segment | None:
    """Return the segment without partitions that were replaced; the segment itself if it has none of them.

    A segment without a search index gets one.
    """
    frames, touched = _left(root, segment, replaced)
    if not frames and (index is None or index.has(root, segment)):
        return segment
    folder = root / ".tmp" / uuid.uuid4().hex
    folder.mkdir(parents=True)
    rows = {table: count for table, count in segment.rows.items() if table not in frames}
    for table in rows:
        (folder / f"{table}.parquet").hardlink_to(segment.folder(root) / f"{table}.parquet")
    for table, left in frames.items():
        if left.height:
            write_parquet(folder / f"{table}.parquet", left)
            rows[table] = left.height
    if not rows:
        shutil.rmtree(folder)
        return None
    parts = (
        pl.scan_parquet(folder / f"{table}.parquet", glob=False).select(pl.col(key_of(root, table)).unique()).collect()
        for table in rows
    )
    if index and index.has(root, segment) and not frames.keys() & index.texts.keys():
        for file in (index.postings, index.words):
            file(folder).hardlink_to(file(segment.folder(root)))
    elif index:
        _index(root, index, folder, rows, [segment], touched)
    return put_segment(root, folder, rows, (part.to_series() for part in parts))


def _left(
    root: Path, segment: Segment, replaced: dict[str, pl.Series]
) -> tuple[dict[str, pl.DataFrame], dict[str, pl.Series]]:
    """Return what is left of each table that loses rows, and by table the partitions that may have been replaced."""
    every = segment.keys(root)
    touched = {
        table: mine
        for table, found in replaced.items()
        if table in segment.rows and (mine := found.filter(found.is_in(every.implode()))).len()
    }
    frames: dict[str, pl.DataFrame] = {}
    for table, mine in touched.items():
        key = key_of(root, table)
        frame = pl.read_parquet(segment.folder(root) / f"{table}.parquet", glob=False, hive_partitioning=False)
        left = frame.filter(~pl.col(key).is_in(mine.implode()))
        if left.height < frame.height:
            frames[table] = left
    return frames, touched


def _log(root: Path) -> Path:
    return root / ".locks" / "compaction.log"


def _age(path: Path) -> float:
    with suppress(FileNotFoundError):
        return time.time() - path.stat().st_mtime
    return math.inf


if __name__ == "__main__":
    os.nice(10)
    with locked_if_free(Path(sys.argv[1]), "compaction") as is_free:
        pass
    if is_free:
        compact(Path(sys.argv[1]))
