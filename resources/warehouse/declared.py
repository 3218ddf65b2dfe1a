"""The declared types of published tables, each as a Parquet file without rows on this machine."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import polars as pl

from resources.warehouse.files import temporary, write_parquet
from resources.warehouse.schema import TableSpec, schema_file


def declare(root: Path, specs: Sequence[TableSpec], *more: Path) -> None:
    """Write the declared types of tables below `root`, and into further folders there, where they have changed."""
    for folder in more:
        folder.mkdir(parents=True, exist_ok=True)
    for spec in specs:
        file = schema_file(root, spec.name)
        file.parent.mkdir(parents=True, exist_ok=True)
        for target in (file, *(folder / file.name for folder in more)):
            if not target.exists() or schema_in(target) != spec.schema:
                with temporary(root) as path:
                    write_parquet(path, spec.frame([]))
                    path.replace(target)


def schema_in(file: Path) -> pl.Schema:
    """Return the schema of a Parquet file; empty if there is no file."""
    try:
        stat = file.stat()
    except FileNotFoundError:
        return pl.Schema()
    return _read_schema(file, stat.st_mtime_ns, stat.st_ino)


@lru_cache(maxsize=256)
def _read_schema(file: Path, _mtime_ns: int, _inode: int) -> pl.Schema:
    return pl.scan_parquet(file, glob=False).collect_schema()
