"""The current rows of a table, read with polars: the segments of the newest generation and the commits after it."""

from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

import polars as pl

from resources.warehouse.commits import Commit, commits, current_rows, unmarked
from resources.warehouse.files import temporary, write_parquet
from resources.warehouse.generations import Generation, Segment, current

SUMMARIES = ".summaries"


def partitions(root: Path, table: str, key: str, values: Collection[str]) -> dict[str, pl.DataFrame]:
    """Return the rows of these partitions that have any. Each file is read once, however many they are.

    Args:
        root: Folder of the warehouse.
        table: The table.
        key: The column that names the partition.
        values: The partitions.
    """
    generation, tail = _now(root)
    left, found = set(values), dict[str, pl.DataFrame]()
    # no partition is in two segments
    for file in (*(file for made in reversed(tail) if (file := made.file(table))), *generation.files(root, table)):
        if not left:
            break
        for (name,), rows in _rows(file, key, left).partition_by(key, as_dict=True, maintain_order=True).items():
            left.discard(name)
            if (current := unmarked(rows)).height:
                found[name] = current
    return found


def table(root: Path, name: str, key: str, schema_file: Path) -> pl.LazyFrame:
    """Return all rows of a table in the types of `schema_file`. Missing columns are null; others are left out."""
    schema = pl.scan_parquet(schema_file, glob=False).collect_schema()
    generation, tail = _now(root)
    later = current_rows(tail, name, key)
    merged = _scan([schema_file, *generation.files(root, name)], schema)
    if later is None:
        return merged
    newer = _fitted(unmarked(later), schema)
    return pl.concat([merged.join(later.lazy().select(pl.col(key).unique()), on=key, how="anti"), newer])


def summary(
    root: Path, name: str, key: str, schema_file: Path, kind: str, compute: Callable[[pl.LazyFrame], pl.DataFrame]
) -> pl.DataFrame:
    """Return what `compute` makes of the current rows of a table, one row per partition.

    Args:
        root: Folder of the warehouse.
        name: The table.
        key: The column that names the partition, in the table and in the summary.
        schema_file: The declared types of the table.
        kind: Which summary it is, ``<name>-<digest>``. That of a segment is kept under this name.
        compute: Receives rows of some partitions.
    """
    schema = pl.scan_parquet(schema_file, glob=False).collect_schema()
    generation, tail = _now(root)
    later = current_rows(tail, name, key)
    made = [
        _kept(root, segment, name, schema, kind, compute) for segment in generation.segments if name in segment.rows
    ]
    if later is None:
        return pl.concat(made) if made else compute(_scan([schema_file], schema))
    replaced = later.select(pl.col(key).unique())
    return pl.concat([
        *(part.join(replaced, on=key, how="anti") for part in made),
        compute(_fitted(unmarked(later), schema)),
    ])  # fmt: skip


def _kept(
    root: Path,
    segment: Segment,
    table: str,
    schema: pl.Schema,
    kind: str,
    compute: Callable[[pl.LazyFrame], pl.DataFrame],
) -> pl.DataFrame:
    file = root / SUMMARIES / f"{segment.name}-{kind}.parquet"
    with suppress(FileNotFoundError):
        return pl.read_parquet(file, glob=False)
    made = compute(_scan([segment.folder(root) / f"{table}.parquet"], schema))
    file.parent.mkdir(exist_ok=True)
    with temporary(root) as part:
        write_parquet(part, made)
        part.replace(file)
    for other in file.parent.glob(f"{segment.name}-{kind.rpartition('-')[0]}-*.parquet"):
        if other != file:
            other.unlink(missing_ok=True)
    return made


def keys(root: Path, table: str, key: str) -> list[str]:
    """Return the keys of the partitions of a table, sorted."""
    generation, tail = _now(root)
    later = current_rows(tail, table, key)
    files = generation.files(root, table)
    found = set(pl.scan_parquet(files, glob=False).select(pl.col(key).unique()).collect()[key]) if files else set()
    if later is not None:
        found = (found - set(later[key])) | set(unmarked(later)[key])
    return sorted(found)


def _rows(file: Path, key: str, values: Collection[str]) -> pl.DataFrame:
    # one value is compared with the statistics of the file
    wanted = pl.col(key) == next(iter(values)) if len(values) == 1 else pl.col(key).is_in(list(values))
    return pl.scan_parquet(file, glob=False, hive_partitioning=False).filter(wanted).collect()


def _now(root: Path) -> tuple[Generation, list[Commit]]:
    # in this order: a compaction between the two leaves the commits where they are for a while
    generation = current(root)
    return generation, commits(root, generation.horizon)


def _scan(files: list[Path], schema: pl.Schema) -> pl.LazyFrame:
    return pl.scan_parquet(
        files,
        schema=schema,
        glob=False,
        hive_partitioning=False,
        missing_columns="insert",
        extra_columns="ignore",
        cast_options=pl.ScanCastOptions(missing_struct_fields="insert", extra_struct_fields="ignore"),
    )


def _fitted(frame: pl.DataFrame, schema: pl.Schema) -> pl.LazyFrame:
    """Return a frame with the columns of a schema, as `_scan` does for files."""
    return frame.lazy().match_to_schema(
        schema,
        missing_columns="insert",
        extra_columns="ignore",
        missing_struct_fields="insert",
        extra_struct_fields="ignore",
    )
