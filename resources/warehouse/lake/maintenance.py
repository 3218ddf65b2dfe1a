"""Compaction and expiry of a lake."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resources.warehouse.lake.address import Address
from resources.warehouse.lake.catalogue import Catalogue
from resources.warehouse.lake.session import LAKE, session
from resources.warehouse.views import literal

if TYPE_CHECKING:
    import duckdb

# Files up to a limit are merged when this many have come together. A row is rewritten once a limit at most.
_FILES = 8
_LIMITS = (1 << 20, 1 << 23, 1 << 26, 1 << 29)
# Sessions on other machines are not seen, and what they read must stay.
KEEP_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Maintained:
    """What was done.

    Attributes:
        rows: Number of rows of all tables.
        files: Number of files that they are in.
        removed: Number of files that were removed.
    """

    rows: int
    files: int
    removed: int


def maintain(
    address: Address, data: str, catalogue: Catalogue, *, everything: bool, keep_s: float | None
) -> Maintained:
    """Merge small files, write files anew that lost rows, and remove files that no snapshot needs any more.

    A table at a time is kept from other writers. Killed at any moment, it leaves each table as it was before or as it
    would be afterwards.

    Args:
        address: The lake.
        data: Where it keeps its files.
        catalogue: Its database.
        everything: Whether to merge large files as well.
        keep_s: How long replaced files stay at least, in seconds; None for a day.
    """
    with session(address, data) as connection:
        tables = connection.execute(f"SELECT table_name FROM ducklake_table_info('{LAKE}')").fetchall()  # noqa: S608
        for (table,) in tables:
            with catalogue.locked():
                _merge(connection, table, everything=everything)
        with catalogue.locked():
            removed = _expire(connection, KEEP_S if keep_s is None else keep_s)
    rows, files = catalogue.size()
    return Maintained(rows, files, removed)


def _merge(connection: "duckdb.DuckDBPyConnection", table: str, *, everything: bool) -> None:
    name = f"'{LAKE}', {literal(table)}"
    connection.execute(f"CALL ducklake_rewrite_data_files({name})")
    if everything:
        connection.execute(f"CALL ducklake_merge_adjacent_files({name})")
        return
    sizes = [
        size
        for (size,) in connection.execute(
            f"SELECT data_file_size_bytes FROM ducklake_list_files({name})"  # noqa: S608
        ).fetchall()
    ]
    for limit in _LIMITS:
        if sum(size < limit for size in sizes) >= _FILES:
            connection.execute(f"CALL ducklake_merge_adjacent_files({name}, max_file_size => {limit})")
            return


def _expire(connection: "duckdb.DuckDBPyConnection", keep_s: float) -> int:
    before = f"older_than => now() - to_seconds({keep_s})"
    # counted here, because their times would need another package in Python
    connection.execute(f"SELECT count(*) FROM ducklake_expire_snapshots('{LAKE}', {before})")  # noqa: S608
    removed = 0
    for what in ("cleanup_old_files", "delete_orphaned_files"):
        found = connection.execute(f"SELECT count(*) FROM ducklake_{what}('{LAKE}', {before})").fetchone()  # noqa: S608
        removed += found[0] if found else 0
    return removed
