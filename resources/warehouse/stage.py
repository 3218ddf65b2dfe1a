"""The results of a run, until all of them are published in one commit.

Later steps read them from memory. Each is also in a file, ``.staged/<run>/<table>@<key>@<on>.arrow``, so that a killed
run loses nothing: whoever opens a stage next, or compacts, publishes what it left. Rows that were merged into a
partition are merged when they are published, because another run may have added its own in between.
"""

import fcntl
import shutil
import threading
import time
import uuid
from collections.abc import Collection
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import polars as pl

from resources.errors import WarehouseError

if TYPE_CHECKING:
    import duckdb

STAGED = ".staged"
# By table and partition: the column whose values tell which rows to replace, or "" to replace all; and the rows.
Staged = dict[tuple[str, str], tuple[str, pl.DataFrame]]
_stages: dict[tuple[Path, str], "Stage"] = {}
_opening = threading.Lock()


class Tables(Protocol):
    """What `Warehouse` and `Stage` have in common: reading and writing partitions."""

    @property
    def path(self) -> str:
        """The folder of the warehouse."""
        ...

    def replace_partition(self, table: str, key: str, frame: pl.DataFrame) -> None:
        """Replace the rows of one partition."""
        ...

    def merge_partition(self, table: str, key: str, frame: pl.DataFrame, on: str) -> None:
        """Add rows to a partition, replacing rows with the same value in column `on`."""
        ...

    def remove_partition(self, table: str, key: str) -> None:
        """Remove one partition."""
        ...

    def read_partition(self, table: str, key: str) -> pl.DataFrame | None:
        """Return the rows of one partition; None if it has none."""
        ...

    def schema_of(self, table: str) -> pl.Schema:
        """Return the declared types of a published table."""
        ...

    def connect(self) -> "duckdb.DuckDBPyConnection":
        """Return a read-only connection to the published views."""
        ...


class Target(Tables, Protocol):
    """Where a stage publishes to: the warehouse."""

    @property
    def root(self) -> Path:
        """The absolute folder of the warehouse, on this machine."""
        ...

    @property
    def is_shared(self) -> bool:
        """Whether a read asks another machine."""
        ...

    def read_partitions(self, table: str, keys: Collection[str]) -> dict[str, pl.DataFrame]:
        """Return the rows of those of these partitions that have any."""
        ...

    def check(self, table: str, key: str, frame: pl.DataFrame | None) -> None:
        """Raise a `WarehouseError` if the rows cannot be written."""
        ...

    def commit_staged(self, staged: Staged) -> None:
        """Publish what was staged, at once."""
        ...


class Stage:
    """Reads and writes partitions as `Warehouse` does, but nobody else sees the writes before `publish`.

    Any number of threads may use it.

    Args:
        warehouse: Where the results go.
        folder: Where their files are until then. Its lock tells that the run lives.
    """

    def __init__(self, warehouse: Target, folder: Path) -> None:
        self.warehouse, self._folder = warehouse, folder
        self._staged: Staged = {}
        self._known: dict[tuple[str, str], pl.DataFrame | None] = {}
        self._lock = threading.RLock()
        while (held := _hold(folder, make=True)) is None:
            time.sleep(0.01)  # another process takes the folder for that of a dead run, until it has removed it
        self._held = held

    @property
    def path(self) -> str:
        """Return the folder of the warehouse."""
        return self.warehouse.path

    def replace_partition(self, table: str, key: str, frame: pl.DataFrame) -> None:
        """Do as `Warehouse.replace_partition` does, at the next `publish`."""
        self.warehouse.check(table, key, frame)
        self._put(table, key, "", frame)

    def merge_partition(self, table: str, key: str, frame: pl.DataFrame, on: str) -> None:
        """Do as `Warehouse.merge_partition` does, at the next `publish`."""
        self.warehouse.check(table, key, frame)
        with self._lock:
            before, rows = self._staged.get((table, key), (on, None))
            # rows that replace the partition go on replacing it
            self._put(table, key, before, merged(rows, frame, on))

    def remove_partition(self, table: str, key: str) -> None:
        """Do as `Warehouse.remove_partition` does, at the next `publish`."""
        if self.read_partition(table, key) is not None:
            self._put(table, key, "", pl.DataFrame())

    def read_partition(self, table: str, key: str) -> pl.DataFrame | None:
        """Return the rows of one partition as this run has left them; None if it has none."""
        with self._lock:
            on, frame = self._staged.get((table, key), (None, None))
        if frame is None:
            return self._published(table, key)
        if on:
            frame = merged(self._published(table, key), frame, on)
        return None if frame.is_empty() else frame

    def expect(self, tables: Collection[str], keys: Collection[str]) -> None:
        """Read what will be read, a table at a time: of a shared warehouse, each read asks another machine.

        Args:
            tables: Tables that are published.
            keys: Partition keys.
        """
        if not self.warehouse.is_shared:
            return
        for table in tables:
            with self._lock:
                there = self._known.keys() | {place for place, (on, _) in self._staged.items() if not on}
            if unknown := [key for key in keys if (table, key) not in there]:
                found = self.warehouse.read_partitions(table, unknown)
                with self._lock:
                    for key in unknown:
                        self._known.setdefault((table, key), found.get(key))

    def schema_of(self, table: str) -> pl.Schema:
        """Do as `Warehouse.schema_of` does."""
        return self.warehouse.schema_of(table)

    def connect(self) -> "duckdb.DuckDBPyConnection":
        """Publish, and do as `Warehouse.connect` does."""
        self.publish()
        return self.warehouse.connect()

    def publish(self) -> None:
        """Commit everything that was staged since the last time, at once."""
        with self._lock:
            self.warehouse.commit_staged(self._staged)
            for place, (on, frame) in self._staged.items():
                # another run may have added to what rows were merged into
                self._known.pop(place, None)
                if self.warehouse.is_shared and not on:
                    self._known[place] = None if frame.is_empty() else frame
            self._staged = {}
            for file in self._folder.glob("*.arrow"):
                file.unlink()

    def close(self) -> None:
        """Publish the rest. If that fails, the files stay for the next one who opens a stage."""
        try:
            self.publish()
            shutil.rmtree(self._folder, ignore_errors=True)
        finally:
            self._held.close()

    def _published(self, table: str, key: str) -> pl.DataFrame | None:
        """Return what is published; of a shared warehouse, as it was when this run first asked, or published it."""
        if not self.warehouse.is_shared:
            return self.warehouse.read_partition(table, key)
        self.expect([table], [key])
        return self._known.get((table, key))

    def _put(self, table: str, key: str, on: str, frame: pl.DataFrame) -> None:
        with self._lock:
            file = self._folder / f"{table}@{key}@{on}.arrow"
            temporary = file.with_suffix(".part")
            frame.write_ipc(temporary)
            temporary.rename(file)
            if on != self._staged.get((table, key), (on,))[0]:
                for other in self._folder.glob(f"{table}@{key}@?*.arrow"):
                    other.unlink()  # it was merged before it was replaced
            self._staged[table, key] = on, frame


def open_stage(warehouse: Target, run_id: str) -> Stage:
    """Return the stage of a run, the same for all of its steps in this process. First publish what dead runs left."""
    name = (warehouse.root, run_id)
    with _opening:
        if name not in _stages:
            adopt(warehouse)
            folder = f"{run_id}-{uuid.uuid4().hex[:8]}"  # a run may have several processes
            _stages[name] = Stage(warehouse, warehouse.root / STAGED / folder)
        return _stages[name]


def close_stage(warehouse: Target, run_id: str) -> None:
    """Publish and close the stage of a run, if this process has one."""
    with _opening:
        stage = _stages.pop((warehouse.root, run_id), None)
    if stage is not None:
        stage.close()


def adopt(warehouse: Target) -> int:
    """Publish what runs left that were killed before they could, and return their number."""
    found = 0
    for folder in sorted((warehouse.root / STAGED).glob("*")):
        if held := _hold(folder):
            with held:
                warehouse.commit_staged(_staged_in(folder, warehouse))
                shutil.rmtree(folder, ignore_errors=True)
                found += 1
    return found


def _staged_in(folder: Path, warehouse: Target) -> Staged:
    staged: Staged = {}
    # the empty column sorts first: a replacement counts, whatever was merged before it
    for file in sorted(folder.glob("*.arrow"), reverse=True):
        table, key, on = file.stem.split("@")
        # What the machine's own end cut off, or code of another version left, is computed again.
        with suppress(OSError, pl.exceptions.PolarsError, WarehouseError):
            frame = pl.read_ipc(file)
            warehouse.check(table, key, frame)
            staged[table, key] = on, frame
    return staged


def merged(there: pl.DataFrame | None, frame: pl.DataFrame, on: str) -> pl.DataFrame:
    """Return the rows of `there` without those whose value in column `on` is in `frame`, and those of `frame`."""
    if there is None or there.is_empty():
        return frame
    kept = there.filter(~pl.col(on).is_in(frame[on].implode(), nulls_equal=True))
    return pl.concat([kept, frame], how="diagonal")


def _hold(folder: Path, *, make: bool = False) -> TextIOWrapper | None:
    """Return the lock of a folder; None if a living process has it, or has just removed the folder."""
    if make:
        folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lock"
    try:
        file = path.open("a")
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    if not path.exists():
        file.close()
        return None
    return file
